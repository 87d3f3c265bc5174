import { objectRequest, vdiRequest } from "../../src/wire/header.ts";
import { nameAndTag } from "../../src/wire/vdi.ts";
import type { CaptureStep } from "./load.ts";
import { bytesOf, create, fill, format, snapshot, succeed } from "./operations.ts";
import type { RawClient } from "./raw-client.ts";

/** What has to be there before a recording; it was done then, too, and not recorded. */
export type Setup = (client: RawClient, steps: readonly CaptureStep[]) => Promise<void>;

/** One recording as part of a story on one cluster. */
export interface Chapter {
  readonly name: string;
  readonly before?: Setup;
  /** What was done elsewhere before a step. */
  readonly meanwhile?: Readonly<Record<number, Setup>>;
  /** Steps that are meant to differ from the daemon, by their number from 0, and why. */
  readonly differs?: Readonly<Record<number, string>>;
  /** Steps from this one on cannot be compared any more, and why. */
  readonly until?: { readonly step: number; readonly why: string };
}

/** Recordings that follow each other on one cluster. */
export interface Story {
  readonly name: string;
  /** Flags of the cluster; null for one that the story itself formats. */
  readonly flags: number | null;
  readonly chapters: readonly Chapter[];
}

const noLocks = 0x04;
const withLocks = 0x0c;
const MiB = 1024 * 1024;

const flushes = "ours makes it durable and says so (0); the daemon has nothing to flush (5)";
const inside = "ours keeps requests inside the object (5)";
const rollsBack = "ours really deletes the working VDI, so QEMU's rollback goes on";
const reclaims = "ours deletes what still has slots set; the daemon only says so";

/** What a step's answer held. */
function read(steps: readonly CaptureStep[], step: number): Uint8Array {
  return steps[step]?.response.data ?? new Uint8Array(0);
}

const oneNode: Story = {
  name: "one node",
  flags: null,
  chapters: [
    { name: "unformatted-cluster" },
    { name: "format" },
    { name: "format-unknown-store" },
    { name: "node-list" },
    { name: "stat-cluster" },
    { name: "stat-cluster-buffer-small" },
    { name: "stat-sheep" },
    { name: "cluster-default" },
    { name: "cluster-info-internal" },
    { name: "store-list" },
    { name: "sd-stat" },
    { name: "stat-recovery" },
    { name: "vnodes" },
    { name: "md-info" },
    { name: "read-vdis-empty" },
    { name: "bad-proto-version" },
    { name: "bad-opcode" },
    { name: "vdi-create-default" },
    { name: "vdi-create-exists" },
    { name: "vdi-create-bad-length" },
    { name: "vdi-create-shift20" },
    { name: "vdi-create-shift23" },
    { name: "vdi-create-copies3" },
    { name: "vdi-create-hyper" },
    { name: "vdi-lookup" },
    { name: "lock-release" },
    { name: "lock-conflict" },
    {
      name: "lock-survives-disconnect",
      before: async (client) => {
        const data = nameAndTag(bytesOf("alpha"), new Uint8Array(0));
        await succeed(client.call(vdiRequest("lockVdi", {}, { data })));
      },
    },
    { name: "object-read-missing" },
    { name: "object-write-missing" },
    { name: "object-create-write-read" },
    { name: "object-create-twice" },
    { name: "object-unaligned" },
    { name: "object-zero-length" },
    { name: "object-remove" },
    { name: "inode-header-read" },
    { name: "flush", differs: { 0: flushes } },
    { name: "flush-del-cache" },
    { name: "vdi-copies" },
    { name: "vdi-snapshot" },
    { name: "snapshot-old-client-write" },
    { name: "cow-write" },
    { name: "cow-missing-base" },
    { name: "cow-full-object" },
    { name: "vdi-clone" },
    { name: "discard" },
    { name: "resize" },
    { name: "read-vdis" },
    { name: "vdi-attr" },
    { name: "vmstate" },
    { name: "rollback-qemu-style" },
    { name: "snapshot-of-missing" },
    { name: "clone-missing-base" },
    { name: "delete-without-reclaim", differs: { 4: reclaims, 5: reclaims, 6: reclaims } },
    { name: "delete" },
    { name: "delete-missing" },
    { name: "delete-snapshot" },
    {
      name: "object-write-past-end",
      before: async (client) => {
        await create(client, "edges", 64 * MiB);
      },
      differs: { 1: inside, 2: inside, 3: inside },
    },
    { name: "object-read-past-end-short", differs: { 1: inside, 2: inside } },
    {
      name: "inode-gref-read",
      before: async (client) => {
        const object = { kind: "data", vid: 0xb6197d, index: 1 } as const;
        const data = new Uint8Array(64 * 1024).fill(0xee);
        await succeed(client.call(objectRequest("writeObject", object, { data })));
      },
    },
    { name: "pipelined" },
    { name: "flags-ignored" },
    { name: "read-with-write-flag" },
    { name: "epoch-ignored" },
    { name: "object-copies-field" },
    { name: "object-unknown-vid" },
    { name: "inode-partial-fields" },
    { name: "exist" },
    { name: "oids-exist" },
    { name: "get-obj-list", differs: { 0: reclaims } },
    { name: "get-hash" },
    { name: "get-epoch" },
    { name: "loglevel" },
    { name: "get-recovery" },
    {
      name: "name-full-256",
      differs: { 1: "the daemon also hashes what lies behind a name without an end" },
    },
    { name: "vdi-create-empty-name" },
    { name: "vdi-create-odd" },
  ],
};

const dog: Story = {
  name: "dog",
  flags: null,
  chapters: [
    { name: "dog-cluster-format" },
    { name: "dog-cluster-info" },
    { name: "dog-node-list" },
    { name: "dog-node-info" },
    { name: "dog-vdi-create" },
    { name: "dog-vdi-write" },
    { name: "dog-vdi-read" },
    { name: "dog-vdi-snapshot" },
    { name: "dog-vdi-write-cow" },
    { name: "dog-vdi-clone" },
    { name: "dog-vdi-resize" },
    { name: "dog-vdi-list" },
    { name: "dog-vdi-rollback" },
    { name: "dog-vdi-create-prealloc" },
    { name: "dog-vdi-create-hyper" },
    { name: "dog-vdi-setattr" },
    { name: "dog-vdi-lock-list" },
    { name: "dog-vdi-delete" },
  ],
};

const locksOff: Story = {
  name: "a cluster without locks",
  flags: noLocks,
  chapters: [
    { name: "locks-disabled" },
    {
      name: "discard-on-snapshot",
      differs: { 7: "ours never removes an object that another inode names" },
    },
    { name: "clone-of-working" },
    { name: "recreate-after-delete-with-snapshots" },
  ],
};

/** The programs that were recorded one after the other on a cluster with locks. */
const programs: Story = {
  name: "the C sheepfs, tgt and QEMU",
  flags: withLocks,
  chapters: [
    {
      name: "csheepfs-session",
      before: async (client) => {
        await create(client, "vol", 16 * MiB);
      },
      meanwhile: {
        12: async (client) => {
          await snapshot(client, "vol", 0xcb565a, { tag: "elsewhere", vdiSize: 16 * MiB });
        },
      },
    },
    {
      name: "tgt-session",
      before: async (client) => {
        await create(client, "lun0", 32 * MiB);
      },
      differs: { 9: flushes, 12: flushes },
    },
    { name: "qemu-img-create" },
    { name: "qemu-img-convert" },
    { name: "qemu-img-info" },
    { name: "qemu-io-rw", differs: { 4: flushes } },
    { name: "qemu-img-resize", differs: { 3: flushes } },
    {
      name: "qemu-img-snapshot",
      // Of what convert had written only the hash was kept.
      before: async (client, steps) => {
        const object = { kind: "data", vid: 0x735fed, index: 0 } as const;
        const data = read(steps, 2);
        await succeed(client.call(objectRequest("writeObject", object, { data })));
      },
      differs: { 18: flushes },
      until: { step: 27, why: rollsBack },
    },
  ],
};

const qemuSnapshots: Story = {
  name: "QEMU's snapshots without locks",
  flags: noLocks,
  chapters: [
    {
      name: "qemu-img-snapshot-nolock",
      before: async (client, steps) => {
        const vid = await create(client, "qc", 6 * MiB);
        await fill(client, vid, 0, read(steps, 2));
        await fill(client, vid, 1, new Uint8Array(1));
      },
      differs: { 18: flushes },
      until: { step: 27, why: rollsBack },
    },
    {
      name: "qemu-io-snapshot-read",
      before: async (client, steps) => {
        const vid = await create(client, "r1", 6 * MiB);
        await fill(client, vid, 0, Buffer.concat([read(steps, 2), read(steps, 3)]));
        await fill(client, vid, 1, read(steps, 4));
        await snapshot(client, "r1", vid, { tag: "s2", vdiSize: 6 * MiB });
      },
    },
    { name: "qemu-io-snapshot-write", differs: { 3: rollsBack, 4: flushes } },
  ],
};

const qemuDeletes: Story = {
  name: "QEMU deletes a snapshot",
  flags: noLocks,
  chapters: [
    {
      name: "qemu-img-snapshot-delete",
      before: async (client, steps) => {
        await create(client, "qclone", 6 * MiB);
        let qc = await create(client, "qc", 6 * MiB);
        for (const tag of ["a", "b", "c"]) {
          qc = await snapshot(client, "qc", qc, { tag, vdiSize: 6 * MiB });
        }
        const r1 = await create(client, "r1", 6 * MiB);
        await snapshot(client, "r1", r1, { tag: "s2", vdiSize: 6 * MiB });
        const r2 = await create(client, "r2", 6 * MiB);
        await fill(client, r2, 0, read(steps, 2));
        await fill(client, r2, 1, new Uint8Array(1));
        await snapshot(client, "r2", r2, { tag: "s2", vdiSize: 6 * MiB });
      },
    },
    {
      name: "qemu-img-clone",
      before: async (client) => {
        await snapshot(client, "r2", 0x7bec86, { tag: "s3", vdiSize: 6 * MiB });
      },
    },
  ],
};

/** One node answers for three where their number does not show. */
const threeNodes: Story = {
  name: "three nodes, as far as one can be them",
  flags: noLocks,
  chapters: [
    { name: "three-stat-sheep" },
    {
      name: "three-vdi-default",
      before: async (client) => {
        await format(client, noLocks, 3);
      },
    },
    { name: "three-vdi-copies1" },
    {
      name: "three-vdi-ec21",
      differs: { 9: "the daemon sends its memory along with the error, ours nothing" },
    },
    { name: "three-vdi-ec42", differs: { 2: "one node keeps any object whole" } },
    { name: "three-ec-snapshot-cow" },
  ],
};

export const stories: readonly Story[] = [
  oneNode,
  dog,
  locksOff,
  programs,
  qemuSnapshots,
  qemuDeletes,
  threeNodes,
];

/** Recordings that one node cannot answer. */
export const notReplayed: Readonly<Record<string, string>> = {
  "three-format": "the epoch log has three nodes, and there is too little room for them",
  "three-node-list": "the list has three nodes",
  "three-placement": "vectors, no requests: see placement.test.ts",
  "waiting-for-nodes": "there are no others to wait for",
};
