import { type ErrorCode, SheepfsError } from "../../../src/base/errors.ts";
import type { Random } from "../../../src/base/random.ts";
import type { Scope } from "../../../src/base/scope.ts";
import type {
  ObjectRequest,
  ObjectStore,
  VdiName,
  VdiResolver,
} from "../../../src/volume/ports.ts";
import { grefsAt, type InodeHeader, slotsAt } from "../../../src/wire/inode.ts";
import { MemoryInode } from "../../simulate/inode.ts";
import type { Simulation } from "./simulation.ts";

/** How often what goes wrong, in thousandths. */
export interface Faults {
  /** Fails without being executed. */
  refused: number;
  /** Is executed and fails. */
  lost: number;
  /** Fails in doubt; is executed later, or never. */
  doubt: number;
}

export interface VdiSpec {
  readonly name: string;
  readonly sizeBytes: number;
  readonly objectShift: number;
  readonly storePolicy: 0 | 1;
}

/** How one request ends. */
export type Outcome = "done" | "refused" | "lost" | "doubt";

/** As much of an index node as small trees use. */
const nodeBytes = 2 ** 18;

/** How a request is answered. */
interface Answer {
  /** What is executed after `done`, when the request's buffer is not ours any more. */
  copy(): () => ErrorCode | null;
  done(error: SheepfsError | null): void;
  resolved(): void;
}

/** A write that is under way, or might still land. */
interface Claim {
  readonly kind: ObjectRequest["kind"];
  readonly start: number;
  readonly end: number;
}

/**
 * A cluster in memory that answers as sheep 1.0 does, its odd sides included: a create replaces, an
 * index write is never refused, an object goes some time after the slot that named it, a snapshot
 * is made in steps and puts back the index of when it began. Requests take their time and overtake
 * each other.
 *
 * `violations` collects what no client may do.
 */
export class MemoryCluster implements ObjectStore, VdiResolver {
  readonly violations: string[] = [];
  readonly faults: Faults = { refused: 0, lost: 0, doubt: 0 };
  /** Longest time until a request is executed, and again until its answer is there. */
  latencyMs = 2;
  /** Longest time until the object of a cleared slot is removed. */
  removalMs = 30;
  /** Longest pause between the steps of a snapshot. */
  snapshotStepMs = 5;
  /** Requests by kind, for tests that count. */
  readonly counts = { read: 0, write: 0, create: 0, cow: 0, inodeReads: 0, inodeWrites: 0 };
  /** Slot runs that were written: first slot and count. */
  readonly runs: Array<{ readonly index: number; readonly count: number }> = [];
  readonly flushed: number[] = [];
  /** How the next writes end, before chance decides. */
  readonly forced: Outcome[] = [];
  /** Longest time until what is in doubt is resolved. */
  doubtMs = 100;
  /** Requests for which it returns true are never answered. */
  stalled: (request: ObjectRequest) => boolean = () => false;
  readonly #sim: Simulation;
  readonly #random: Random;
  readonly #inodes = new Map<number, MemoryInode>();
  readonly #objects = new Map<string, Uint8Array>();
  readonly #nodes = new Map<string, Uint8Array>();
  readonly #ledgers = new Map<string, Map<number, number>>();
  /** What the daemons hold for snapshots. */
  readonly #readOnly = new Set<number>();
  readonly #claims = new Map<string, Set<Claim>>();
  #nextVid = 0x100;
  #doubts = 0;
  #snapshots = 0;
  #cuts = 0;

  constructor(sim: Simulation, random: Random) {
    this.#sim = sim;
    this.#random = random;
  }

  createVdi(spec: VdiSpec): number {
    const vid = this.#takeVid();
    const header: InodeHeader = {
      name: new TextEncoder().encode(spec.name),
      tag: new Uint8Array(),
      createTime: { seconds: vid, nanoseconds: 0 },
      snapTime: { seconds: 0, nanoseconds: 0 },
      vmClockNsec: 0,
      vdiSize: spec.sizeBytes,
      vmStateSize: 0,
      copyPolicy: 0,
      storePolicy: spec.storePolicy,
      copies: 1,
      blockSizeShift: spec.objectShift,
      snapId: 1,
      vid,
      parentVid: 0,
      btreeCounter: 0,
      isSnapshot: false,
    };
    this.#inodes.set(vid, MemoryInode.make(header));
    return vid;
  }

  /** Makes a snapshot as a sheep does: in steps, while others go on. */
  async snapshot(vid: number): Promise<number> {
    this.#snapshots += 1;
    const base = this.inode(vid).copy();
    await this.#pause(this.snapshotStepMs);
    base.header = { ...base.header, snapTime: { seconds: 1, nanoseconds: 0 } };
    for (let index = 0; index < base.slotCount; index += 1) {
      if (base.slot(index) === 0) continue;
      const { generation, count } = base.gref(index);
      base.grefs.set(index, { generation, count: count + 1 });
    }
    this.#inodes.set(vid, base.copy());
    await this.#pause(this.snapshotStepMs);
    const next = this.#derive(base, { name: base.header.name, snapId: base.header.snapId + 1 });
    await this.#pause(this.snapshotStepMs);
    this.#readOnly.add(vid);
    this.#snapshots -= 1;
    return next;
  }

  /** A VDI made from a snapshot, under a name of its own. */
  clone(vid: number, name: string): number {
    const base = this.inode(vid);
    for (let index = 0; index < base.slotCount; index += 1) {
      if (base.slot(index) === 0) continue;
      const { generation, count } = base.gref(index);
      base.grefs.set(index, { generation, count: count + 1 });
    }
    return this.#derive(base, { name: new TextEncoder().encode(name), snapId: 1 });
  }

  /** What somebody does who clones a working VDI: the daemons refuse its writes from then on. */
  markReadOnly(vid: number): void {
    this.#readOnly.add(vid);
  }

  inode(vid: number): MemoryInode {
    const inode = this.#inodes.get(vid);
    if (inode === undefined) throw new Error(`no inode ${vid}`);
    return inode;
  }

  object(vid: number, index: number): Uint8Array | null {
    return this.#objects.get(key(vid, index)) ?? null;
  }

  removeObject(vid: number, index: number): void {
    this.#objects.delete(key(vid, index));
  }

  /** Nothing is in doubt, and no snapshot is being made. */
  get quiet(): boolean {
    return this.#doubts === 0 && this.#snapshots === 0;
  }

  /** The client is gone: what was not executed never is, and nobody is answered. */
  cut(): void {
    this.#cuts += 1;
    this.#claims.clear();
  }

  submit(request: ObjectRequest): void {
    this.counts[request.kind] += 1;
    if (request.length <= 0 || request.at + request.length > request.buffer.length) {
      this.violations.push(`a ${request.kind} of ${request.length} bytes at ${request.at}`);
    }
    const { kind, vid, index } = request;
    const claim = kind === "read" ? null : this.#claim(request);
    const over = (): void => {
      if (claim !== null) this.#claims.get(key(vid, index))?.delete(claim);
    };
    if (this.stalled(request)) return;
    const execute = kind === "read" ? () => this.#read(request) : () => this.#write(request);
    this.#perform(kind === "read", execute, {
      copy: () => {
        const late = { ...request, kind, vid, index, buffer: request.buffer.slice() };
        return () => this.#write(late);
      },
      done: (error) => {
        if (error?.inDoubt !== true) over();
        request.done(error);
      },
      resolved: () => {
        over();
        request.resolved();
      },
    });
  }

  readInode(vid: number, offset: number, into: Uint8Array, _scope: Scope): Promise<void> {
    this.counts.inodeReads += 1;
    return this.#call(true, () => {
      this.inode(vid).read(offset, into);
      return null;
    });
  }

  writeInode(
    vid: number,
    offset: number,
    bytes: Uint8Array,
    _scope: Scope,
    resolved: () => void = () => {},
  ): Promise<void> {
    this.counts.inodeWrites += 1;
    const late = bytes.slice();
    this.#checkSlots(vid, offset, bytes);
    return this.#call(
      false,
      () => {
        this.#writeInode(vid, offset, late);
        return null;
      },
      resolved,
    );
  }

  readIndexNode(vid: number, number: number, into: Uint8Array, _scope: Scope): Promise<void> {
    return this.#call(true, () => {
      const node = this.#nodes.get(key(vid, number));
      if (node === undefined) return "stale";
      into.set(node.subarray(0, into.length));
      return null;
    });
  }

  writeIndexNode(
    request: { vid: number; number: number; offset: number; create: boolean },
    bytes: Uint8Array,
    _scope: Scope,
    resolved: () => void = () => {},
  ): Promise<void> {
    const { vid, number, offset, create } = request;
    const late = bytes.slice();
    return this.#call(
      false,
      () => {
        let node = this.#nodes.get(key(vid, number));
        if (create) node = new Uint8Array(Math.max(nodeBytes, 2 * late.length));
        if (node === undefined) return "stale";
        node.set(late, offset);
        this.#nodes.set(key(vid, number), node);
        return null;
      },
      resolved,
    );
  }

  flush(vid: number, _scope: Scope): Promise<void> {
    return this.#call(true, () => {
      this.flushed.push(vid);
      return null;
    });
  }

  async resolve(name: VdiName, _scope: Scope): Promise<InodeHeader> {
    await this.#pause(this.latencyMs);
    const text = new TextDecoder().decode(name.name);
    const headers = [...this.#inodes.values()]
      .map((inode) => inode.header)
      .filter((header) => new TextDecoder().decode(header.name) === text)
      .reverse();
    const { snapshot } = name;
    const found =
      snapshot === null
        ? headers[0]
        : headers.find((header) => "id" in snapshot && header.snapId === snapshot.id);
    if (found === undefined || found.isSnapshot === (snapshot === null)) {
      throw new SheepfsError("not_found", `no VDI '${text}'`);
    }
    return found;
  }

  #takeVid(): number {
    this.#nextVid += 1;
    return this.#nextVid;
  }

  #derive(base: MemoryInode, about: { name: Uint8Array; snapId: number }): number {
    const vid = this.#takeVid();
    const next = base.copy();
    const snapTime = { seconds: 0, nanoseconds: 0 };
    next.header = { ...base.header, ...about, vid, snapTime, parentVid: base.header.vid };
    next.grefs = new Map();
    for (let index = 0; index < base.slotCount; index += 1) {
      const { generation } = base.gref(index);
      if (base.slot(index) !== 0) next.grefs.set(index, { generation: generation + 1, count: 0 });
    }
    this.#inodes.set(vid, next);
    return vid;
  }

  #claim(request: ObjectRequest): Claim {
    const { kind, vid, index, offset, length } = request;
    const start = kind === "write" ? offset - (offset % 512) : 0;
    const end = kind === "write" ? offset + length : Number.POSITIVE_INFINITY;
    const claim = { kind, start, end };
    let claims = this.#claims.get(key(vid, index));
    if (claims === undefined) {
      claims = new Set();
      this.#claims.set(key(vid, index), claims);
    }
    for (const other of claims) {
      if (other.start < end && start < Math.ceil(other.end / 512) * 512) {
        this.violations.push(`${kind} of (${vid}, ${index}) beside ${other.kind}`);
      }
    }
    claims.add(claim);
    return claim;
  }

  #read(request: ObjectRequest): ErrorCode | null {
    const { vid, index, offset, length } = request;
    const object = this.object(vid, index);
    if (object === null) return "stale";
    if (offset + length > object.length) this.violations.push("a read beyond an object's end");
    if (request.lend(object, offset)) return null;
    request.buffer.set(object.subarray(offset, offset + length), request.at);
    return null;
  }

  #write(request: ObjectRequest): ErrorCode | null {
    const { kind, vid, index, offset, length, at } = request;
    if (this.#readOnly.has(vid)) return "read_only";
    const objectBytes = 2 ** this.inode(vid).header.blockSizeShift;
    if (offset + length > objectBytes) this.violations.push("a write beyond an object's end");
    let object = this.object(vid, index);
    if (kind === "create") object = new Uint8Array(objectBytes);
    if (kind === "cow") {
      const base = this.object(request.cowVid, index);
      object = length === objectBytes ? new Uint8Array(objectBytes) : (base?.slice() ?? null);
    }
    if (object === null) return "stale";
    object.set(request.buffer.subarray(at, at + length), offset);
    this.#objects.set(key(vid, index), object);
    return null;
  }

  /** Data first, then the slot; and a run only of slots that change. */
  #checkSlots(vid: number, offset: number, bytes: Uint8Array): void {
    const inode = this.inode(vid);
    if (inode.header.storePolicy === 1) {
      if (offset >= slotsAt) this.violations.push("a write inside a hypervolume's slot area");
      return;
    }
    if (offset < slotsAt) return;
    const first = (offset - slotsAt) / 4;
    this.runs.push({ index: first, count: bytes.length / 4 });
    if (first !== Math.floor(first) || bytes.length % 4 !== 0) {
      this.violations.push("a slot write that is not aligned");
    }
    for (const [at, value] of slotsOf(bytes).entries()) {
      const index = first + at;
      const claims = this.#claims.get(key(vid, index))?.size ?? 0;
      if (value !== 0 && value !== vid) this.violations.push(`slot ${index} set to ${value}`);
      if (value === vid && claims > 0) this.violations.push(`slot ${index} before its data`);
      if (value === vid && this.object(vid, index) === null && !this.inode(vid).header.isSnapshot) {
        this.violations.push(`slot ${index} names nothing`);
      }
      if (value !== 0 && inode.slot(index) === value) {
        this.violations.push(`slot ${index} is written anew, its references are lost`);
      }
    }
  }

  #writeInode(vid: number, offset: number, bytes: Uint8Array): void {
    const inode = this.inode(vid);
    const accounted = offset >= slotsAt && offset + bytes.length <= grefsAt;
    const first = (offset - slotsAt) / 4;
    const drops: Array<() => void> = [];
    if (accounted) {
      for (const [at, value] of slotsOf(bytes).entries()) {
        const index = first + at;
        const old = inode.slot(index);
        const { generation, count } = inode.gref(index);
        inode.grefs.delete(index);
        if (old !== 0 && old !== value) {
          drops.push(() => this.#drop(old, index, { generation, count }));
        }
      }
    }
    inode.write(offset, bytes);
    for (const drop of drops) this.#sim.after(this.#upTo(this.removalMs), drop);
  }

  /** Protocol §8.5. */
  #drop(vid: number, index: number, ref: { generation: number; count: number }): void {
    const { generation, count } = ref;
    if (generation === 0 && count === 0) {
      this.removeObject(vid, index);
      return;
    }
    const ledger = this.#ledgers.get(key(vid, index)) ?? new Map([[0, 1]]);
    ledger.set(generation, (ledger.get(generation) ?? 0) - 1);
    ledger.set(generation + 1, (ledger.get(generation + 1) ?? 0) + count);
    if ([...ledger.values()].every((value) => value === 0)) {
      this.#ledgers.delete(key(vid, index));
      this.removeObject(vid, index);
    } else {
      this.#ledgers.set(key(vid, index), ledger);
    }
  }

  #call(
    reads: boolean,
    execute: () => ErrorCode | null,
    resolved: () => void = () => {},
  ): Promise<void> {
    return new Promise<void>((resolve, reject) => {
      this.#perform(reads, execute, {
        copy: () => execute,
        done: (error) => {
          if (error === null) resolve();
          else reject(error);
        },
        resolved,
      });
    });
  }

  #perform(reads: boolean, execute: () => ErrorCode | null, then: Answer): void {
    const outcome = this.#outcome(reads);
    const cuts = this.#cuts;
    this.#sim.after(this.#upTo(this.latencyMs), () => {
      if (cuts !== this.#cuts) return;
      let code: ErrorCode | null = null;
      if (outcome === "done" || outcome === "lost") code = execute();
      if (outcome === "refused" || outcome === "lost") code ??= "unavailable";
      this.#sim.after(this.#upTo(this.latencyMs), () => {
        if (cuts !== this.#cuts) return;
        if (outcome === "doubt") {
          this.#doubt(then);
          return;
        }
        then.done(code === null ? null : new SheepfsError(code, `injected or true: ${code}`));
      });
    });
  }

  #doubt(then: Answer): void {
    const late = then.copy();
    this.#doubts += 1;
    this.#sim.after(1 + this.#upTo(this.doubtMs), () => {
      if (this.#random.below(2) === 0) late();
      this.#doubts -= 1;
      then.resolved();
    });
    then.done(new SheepfsError("unavailable", "injected: the gateway is gone", { inDoubt: true }));
  }

  #outcome(reads: boolean): Outcome {
    const forced = reads ? undefined : this.forced.shift();
    if (forced !== undefined) return forced;
    let dice = this.#random.below(1000);
    const { refused, lost, doubt } = this.faults;
    if (dice < refused) return "refused";
    dice -= refused;
    if (reads) return "done";
    if (dice < lost) return "lost";
    return dice < lost + doubt ? "doubt" : "done";
  }

  #upTo(ms: number): number {
    return (this.#random.below(1000) / 1000) * ms;
  }

  #pause(ms: number): Promise<void> {
    return new Promise((resolve) => this.#sim.after(this.#upTo(ms), resolve));
  }
}

function key(vid: number, index: number): string {
  return `${vid}/${index}`;
}

function slotsOf(bytes: Uint8Array): Uint32Array {
  return new Uint32Array(bytes.slice().buffer);
}
