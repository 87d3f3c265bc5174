import { expect, test } from "bun:test";
import { asSheepfsError, type SheepfsError } from "../../../src/base/errors.ts";
import { limits } from "../../../src/base/limits.ts";
import { silentLogger } from "../../../src/base/log.ts";
import { errno, ioErrnoOf } from "../../../src/fuse/errno.ts";
import { SliceCache } from "../../../src/volume/slice-cache.ts";
import { Volume } from "../../../src/volume/volume.ts";
import {
  clusterRequest,
  objectRequest,
  type SheepRequest,
  vdiRequest,
} from "../../../src/wire/header.ts";
import { decodeInodeHeader, encodeInodeHeader, slotsAt } from "../../../src/wire/inode.ts";
import { type OpcodeName, opcodes } from "../../../src/wire/opcode.ts";
import { resultRow, results } from "../../../src/wire/result.ts";
import { failure, type Incoming } from "../../simulate/cluster.ts";
import { pattern, World } from "./world.ts";

const vid = 0xabcdef;
const baseVid = 0x123456;
const objectShift = 20;
const objectBytes = 1 << objectShift;
const inodeKey = `${(0x8000_0000 + vid).toString(16)}/0`;
const dataKey = (index: number, of = vid): string => `${of.toString(16)}/${index}`;
const timeoutMs = 20_000;

/** All that the protocol knows, and some that it does not. */
const codes: readonly number[] = [
  ...Object.values(results)
    .map(({ code }) => code)
    .filter((code) => code !== 0),
  ...[0x1b, 0x96, 0xff, 0x7fff_ffff],
];

/** What a program sees of a read or write, where it is not EIO: the table of OPERATIONS.md. */
const errnos: ReadonlyMap<number, number> = new Map([
  ...[results.vdiExists, results.oidExists].map(({ code }) => [code, errno.EEXIST] as const),
  ...[
    ...[results.invalidParameters, results.vdiNotLocked, results.forceRecover],
    ...[results.noStore, results.vnodesStrategy],
  ].map(({ code }) => [code, errno.EINVAL] as const),
  ...[results.noVdi, results.noBaseVdi, results.baseVdiRead].map(
    ({ code }) => [code, errno.ENOENT] as const,
  ),
  ...[results.noTag, results.notFound, results.noCheckpoint].map(
    ({ code }) => [code, errno.ENOENT] as const,
  ),
  ...[results.fullVdi, results.noSpace].map(({ code }) => [code, errno.ENOSPC] as const),
  [results.vdiLocked.code, errno.EBUSY],
  [results.notSupported.code, errno.EOPNOTSUPP],
  [results.vdiNotEmpty.code, errno.ENOTEMPTY],
]);

const header = decodeInodeHeader(
  encodeInodeHeader({
    ...decodeInodeHeader(new Uint8Array(4664)),
    ...{ name: new TextEncoder().encode("web"), vid, parentVid: baseVid, copies: 1, snapId: 2 },
    ...{ vdiSize: 8 * objectBytes, blockSizeShift: objectShift },
    createTime: { seconds: 1_700_000_000, nanoseconds: 1 },
  }),
);

/** A volume of the real client's: object 0 is its own, 1 does not exist, 2 is its base's. */
class VolumeWorld extends World {
  volume: Volume;

  constructor() {
    super();
    const inode = new Uint8Array(slotsAt + 4 * objectBytes);
    inode.set(encodeInodeHeader(header));
    const slots = new DataView(inode.buffer, slotsAt);
    slots.setUint32(0, vid, true);
    slots.setUint32(8, baseVid, true);
    this.cluster.objects.set(inodeKey, inode);
    this.cluster.objects.set(dataKey(0), pattern(objectBytes, 1));
    this.cluster.objects.set(dataKey(2, baseVid), pattern(objectBytes, 2));
    const ports = {
      store: this.client.store,
      resolver: { resolve: async () => header },
      ...{ clock: this.clock, log: silentLogger, timeoutMs },
      cache: new SliceCache(),
    };
    const target = {
      name: { name: header.name, snapshot: null },
      ...{ title: "web", readOnly: false },
    };
    this.volume = this.clock.settle(Volume.open(ports, target, this.scope()));
    // The index is loaded and the cluster known to be settled.
    this.clock.settle(this.volume.write(pattern(512, 1).subarray(0, 512), 0, this.scope()));
  }

  ends(work: Promise<unknown>): SheepfsError | null {
    return this.clock.settle(
      work.then(
        () => null,
        (thrown: unknown) => asSheepfsError(thrown),
      ),
    );
  }
}

interface Operation {
  readonly what: string;
  /** On a data object: one that is missing may have been moved by others, so it is looked for. */
  readonly onData: boolean;
  /** The request that is answered so. */
  readonly on: (request: Incoming) => boolean;
  readonly run: (volume: Volume, world: VolumeWorld) => Promise<unknown>;
}

const data = pattern(4096, 7);
const written = (index: number) => (volume: Volume, world: VolumeWorld) =>
  volume.write(data, index * objectBytes + 8192, world.scope(timeoutMs));
const isInode = ({ key }: Incoming): boolean => key === inodeKey;
const operations: readonly Operation[] = [
  {
    what: "a read",
    onData: true,
    on: ({ opcode, key }) => opcode === opcodes.readObject.code && key === dataKey(0),
    run: (volume, world) => volume.read(new Uint8Array(4096), 8192, world.scope(timeoutMs)),
  },
  {
    what: "a write",
    onData: true,
    on: ({ opcode, key }) => opcode === opcodes.writeObject.code && key === dataKey(0),
    run: written(0),
  },
  {
    what: "a create",
    onData: true,
    on: ({ opcode }) => opcode === opcodes.createAndWriteObject.code,
    run: written(1),
  },
  {
    what: "a copy on write",
    onData: true,
    on: ({ opcode }) => opcode === opcodes.createAndWriteObject.code,
    run: written(2),
  },
  {
    what: "the index write behind a create",
    onData: false,
    on: (request) => request.opcode === opcodes.writeObject.code && isInode(request),
    run: written(1),
  },
  {
    what: "a flush",
    onData: false,
    on: ({ opcode }) => opcode === opcodes.flushVdi.code,
    run: (volume, world) => volume.flush(world.scope(timeoutMs)),
  },
];

/** Requests of one operation in its time: pauses double up to two seconds. */
const attemptsMax = 40;

for (const { what, onData, on, run } of operations) {
  // [S-84]
  test(`every result of the protocol on ${what}: its errno in bounded time, no spin, no wrong data`, async () => {
    for (const code of codes) {
      await using world = new VolumeWorld();
      let answered = 0;
      world.first.script.instead = (request) => {
        if (!on(request)) return null;
        answered += 1;
        return failure(code);
      };
      const began = world.clock.nowMs();
      const error = world.ends(run(world.volume, world));
      const tookMs = world.clock.nowMs() - began;
      const title = `${what}, result 0x${code.toString(16)} (${resultRow(code).meaning})`;
      // "Nothing to flush, do not ask again."
      const fine = code === results.invalidParameters.code && what === "a flush";
      if (fine) expect([title, error]).toEqual([title, null]);
      else expect([title, errnoOf(error)]).toEqual([title, expectedErrno(code, onData)]);
      expect([title, answered <= attemptsMax]).toEqual([title, true]);
      const mayTakeMs = timeoutMs + limits.snapshotWaitMs + 2_000;
      expect([title, tookMs <= mayTakeMs]).toEqual([title, true]);
      // When the cluster is well again, so is the volume, and what it did not confirm is old or new.
      world.first.script.instead = () => null;
      world.clock.pass(10_000);
      for (const [index, old] of [
        pattern(objectBytes, 1),
        null,
        pattern(objectBytes, 2),
      ].entries()) {
        const into = new Uint8Array(4096);
        const offset = index * objectBytes + 8192;
        expect([title, world.ends(world.volume.read(into, offset, world.scope()))]).toEqual([
          title,
          null,
        ]);
        const before = old?.subarray(8192, 8192 + 4096) ?? new Uint8Array(4096);
        const known = [before, data].some((bytes) => Buffer.compare(into, bytes) === 0);
        expect([title, index, known]).toEqual([title, index, true]);
      }
      expect([title, world.ends(world.volume.write(data, 8192, world.scope()))]).toEqual([
        title,
        null,
      ]);
    }
  }, 120_000);
}

function errnoOf(error: SheepfsError | null): number | null {
  return error === null ? null : ioErrnoOf(error.code);
}

function expectedErrno(code: number, onData: boolean): number {
  // What is out of date is looked for once more, and then it is lost.
  const outOfDate: readonly number[] = [results.noObject.code, results.inodeInvalidated.code];
  if (outOfDate.includes(code)) return onData ? errno.EIO : errno.ESTALE;
  if (code === results.readOnly.code) return errno.EROFS;
  return errnos.get(code) ?? errno.EIO;
}

function requestOf(opcode: OpcodeName): SheepRequest {
  const payload = { receiveBytes: 4096 };
  const kind = opcodes[opcode].header;
  if (kind === "object") {
    return objectRequest(opcode, { kind: "inode", vid, index: 0, offset: 0 }, payload);
  }
  return kind === "vdi" ? vdiRequest(opcode, {}, payload) : clusterRequest(opcode, {}, payload);
}

/** These also tell the client itself how its cluster is. */
const ofTheClient: ReadonlySet<OpcodeName> = new Set([
  "statCluster",
  "getNodeList",
  "statRecovery",
]);

// [S-84]
test("every result of the protocol on every request that there is: its error in bounded time, no spin", async () => {
  for (const opcode of Object.keys(opcodes) as OpcodeName[]) {
    if (ofTheClient.has(opcode)) continue;
    await using world = new VolumeWorld();
    for (const code of codes) {
      let answered = 0;
      world.first.script.instead = (request) => {
        if (request.opcode !== opcodes[opcode].code) return null;
        answered += 1;
        return failure(code);
      };
      const began = world.clock.nowMs();
      const error = world.ends(world.client.call(requestOf(opcode), world.scope(3_000)));
      const title = `${opcode}, result 0x${code.toString(16)}`;
      const { action, error: expected } = resultRow(code);
      expect([title, error?.code]).toEqual([title, expected]);
      expect([title, answered <= 20]).toEqual([title, true]);
      const waits = action === "retry" || action === "elsewhere";
      const mayTakeMs = waits ? 3_000 + 3 * limits.requestSweepMs : 100;
      expect([title, world.clock.nowMs() - began <= mayTakeMs]).toEqual([title, true]);
      world.first.script.instead = () => null;
      world.clock.pass(5_000);
    }
  }
}, 240_000);
