import { SheepfsError } from "../../../src/base/errors.ts";
import type { VdiHolds } from "../../../src/volume/attach.ts";
import type { VdiHold } from "../../../src/volume/attached.ts";
import type {
  ObjectRequest,
  ObjectStore,
  VdiName,
  VdiResolver,
} from "../../../src/volume/ports.ts";
import {
  decodeInodeHeader,
  encodeInodeHeader,
  type InodeHeader,
  slotsAt,
} from "../../../src/wire/inode.ts";

const slotsMax = 4_096;
const encoder = new TextEncoder();

export interface MemoryVdiWish {
  readonly sizeBytes: number;
  readonly objectBytes?: number;
}

/** The VDIs of a cluster in memory, with locks, as much of them as attaching needs. */
export class MemoryCluster implements ObjectStore, VdiResolver, VdiHolds {
  readonly inodes = new Map<number, Uint8Array>();
  readonly objects = new Map<string, Uint8Array>();
  /** Vids that are locked, and by whom. */
  readonly locks = new Map<number, string>();
  /** What happened, in order: `release`, `flush 1`. */
  readonly events: string[] = [];
  locking = false;
  /** Why what is held is no longer ours. */
  lost: string | null = null;
  /** Every request fails with it. */
  failure: SheepfsError | null = null;
  /** Look-ups wait for it. */
  held: Promise<void> | null = null;
  #lastVid = 0;

  createVdi(name: string | Uint8Array, wish: MemoryVdiWish): number {
    const bytes = typeof name === "string" ? encoder.encode(name) : name;
    const { sizeBytes, objectBytes = 4 << 20 } = wish;
    return this.#add({
      name: bytes,
      tag: new Uint8Array(0),
      createTime: { seconds: 1_700_000_000, nanoseconds: 250_000_000 },
      snapTime: { seconds: 0, nanoseconds: 0 },
      ...{ vmClockNsec: 0, vmStateSize: 0, copyPolicy: 0, storePolicy: 0, copies: 1 },
      ...{ vdiSize: sizeBytes, blockSizeShift: Math.log2(objectBytes) },
      ...{ snapId: 1, vid: 0, parentVid: 0, btreeCounter: 0, isSnapshot: false },
    });
  }

  /** The working VDI becomes a snapshot, and a new one goes on. */
  snapshot(name: string, tag: string): number {
    const header = this.working(encoder.encode(name));
    const snapTime = { seconds: 1_700_000_100, nanoseconds: 0 };
    const old = this.#inode(header.vid);
    old.set(encodeInodeHeader({ ...header, tag: encoder.encode(tag), snapTime }));
    const vid = this.#add({ ...header, snapId: header.snapId + 1, parentVid: header.vid });
    this.#inode(vid).set(old.subarray(slotsAt), slotsAt);
    return vid;
  }

  change(name: string, change: Partial<InodeHeader>): void {
    const header = this.working(encoder.encode(name));
    this.#inode(header.vid).set(encodeInodeHeader({ ...header, ...change }));
  }

  changeVid(vid: number, change: Partial<InodeHeader>): void {
    const inode = this.#inode(vid);
    inode.set(encodeInodeHeader({ ...decodeInodeHeader(inode), ...change }));
  }

  working(name: Uint8Array): InodeHeader {
    const found = this.headers().find((header) => sameBytes(header.name, name) && !isOld(header));
    if (found !== undefined) return found;
    throw new SheepfsError("not_found", `there is no VDI '${new TextDecoder().decode(name)}'`);
  }

  headers(): InodeHeader[] {
    return [...this.inodes.values()].map((inode) => decodeInodeHeader(inode));
  }

  async resolve({ name, snapshot }: VdiName): Promise<InodeHeader> {
    await this.held;
    this.mayFail();
    if (snapshot === null) return this.working(name);
    const found = this.headers().find(
      (header) =>
        isOld(header) &&
        sameBytes(header.name, name) &&
        ("id" in snapshot ? header.snapId === snapshot.id : sameBytes(header.tag, snapshot.tag)),
    );
    if (found === undefined) throw new SheepfsError("not_found", "no such snapshot");
    return found;
  }

  async hold(name: Uint8Array): Promise<VdiHold> {
    this.mayFail();
    const { vid } = this.working(name);
    const holder = this.locks.get(vid);
    if (holder !== undefined) throw new SheepfsError("busy", `it is locked by ${holder}`);
    if (this.locking) this.locks.set(vid, "us");
    return new MemoryHold(this, this.locking ? vid : null);
  }

  submit(request: ObjectRequest): void {
    queueMicrotask(() => request.done(this.#carryOut(request)));
  }

  async readInode(vid: number, offset: number, into: Uint8Array): Promise<void> {
    this.mayFail();
    into.fill(0);
    into.set(this.#inode(vid).subarray(offset, offset + into.length));
  }

  async writeInode(vid: number, offset: number, bytes: Uint8Array): Promise<boolean> {
    this.mayFail();
    this.#inode(vid).set(bytes, offset);
    return true;
  }

  async removalsOver(): Promise<void> {}

  async readIndexNode(): Promise<void> {
    throw new SheepfsError("not_supported", "no hypervolumes here");
  }

  async writeIndexNode(): Promise<void> {
    throw new SheepfsError("not_supported", "no hypervolumes here");
  }

  async flush(vid: number): Promise<void> {
    this.mayFail();
    this.events.push(`flush ${vid}`);
  }

  #add(header: InodeHeader): number {
    this.#lastVid += 1;
    const vid = this.#lastVid;
    const inode = new Uint8Array(slotsAt + 4 * slotsMax);
    inode.set(encodeInodeHeader({ ...header, vid }));
    this.inodes.set(vid, inode);
    return vid;
  }

  #inode(vid: number): Uint8Array {
    const inode = this.inodes.get(vid);
    if (inode === undefined) throw new SheepfsError("stale", `no inode ${vid}`);
    return inode;
  }

  #carryOut(request: ObjectRequest): SheepfsError | null {
    if (this.failure !== null) return this.failure;
    const { kind, vid, index, offset, length, buffer, at, cowVid } = request;
    const header = decodeInodeHeader(this.#inode(vid));
    const key = `${vid}:${index}`;
    if (kind !== "read" && isOld(header)) return new SheepfsError("read_only", "a snapshot");
    if (kind === "create") this.objects.set(key, new Uint8Array(2 ** header.blockSizeShift));
    if (kind === "cow") {
      const source = this.objects.get(`${cowVid}:${index}`);
      if (source === undefined) return new SheepfsError("stale", "no object to copy");
      this.objects.set(key, source.slice());
    }
    const object = this.objects.get(key);
    if (object === undefined) return new SheepfsError("stale", "no such object");
    if (kind === "read") buffer.set(object.subarray(offset, offset + length), at);
    else object.set(buffer.subarray(at, at + length), offset);
    return null;
  }

  mayFail(): void {
    if (this.failure !== null) throw this.failure;
  }
}

function isOld({ snapTime }: InodeHeader): boolean {
  return snapTime.seconds !== 0;
}

class MemoryHold implements VdiHold {
  lockedVid: number | null;
  readonly #cluster: MemoryCluster;

  constructor(cluster: MemoryCluster, lockedVid: number | null) {
    this.#cluster = cluster;
    this.lockedVid = lockedVid;
  }

  async check(vid: number): Promise<string | null> {
    const { locks, lost } = this.#cluster;
    this.#cluster.mayFail();
    if (lost !== null || this.lockedVid === null || this.lockedVid === vid) return lost;
    const holder = locks.get(vid);
    if (holder !== undefined) return `is locked by ${holder}`;
    locks.delete(this.lockedVid);
    locks.set(vid, "us");
    this.lockedVid = vid;
    return null;
  }

  async release(): Promise<void> {
    this.#cluster.mayFail();
    if (this.lockedVid !== null) this.#cluster.locks.delete(this.lockedVid);
    this.#cluster.events.push("release");
  }
}

function sameBytes(a: Uint8Array, b: Uint8Array): boolean {
  return Buffer.compare(a, b) === 0;
}
