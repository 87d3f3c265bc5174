import type { Timer } from "../../../src/base/clock.ts";
import { type ErrorCode, SheepfsError } from "../../../src/base/errors.ts";
import type { Random } from "../../../src/base/random.ts";
import { type Scope, throwIfEnded } from "../../../src/base/scope.ts";
import type {
  ObjectRequest,
  ObjectStore,
  VdiName,
  VdiResolver,
} from "../../../src/volume/ports.ts";
import { type InodeHeader, slotOffset, slotsAt } from "../../../src/wire/inode.ts";
import { type Change, Content, slotsOf, type VdiSpec } from "../../simulate/content.ts";
import type { MemoryInode } from "../../simulate/inode.ts";
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

/** How one request ends. */
export type Outcome = "done" | "refused" | "lost" | "doubt";

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
 * A cluster as a port, without any wire: requests take their time and overtake each other.
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
  /** A write of an inode that succeeds is known to have been executed once only. */
  writesOnce = true;
  /** How the next writes end, before chance decides. */
  readonly forced: Outcome[] = [];
  /** Longest time until what is in doubt is resolved. */
  doubtMs = 100;
  /** Requests for which it returns true are never answered. */
  stalled: (request: ObjectRequest) => boolean = () => false;
  readonly #sim: Simulation;
  readonly #random: Random;
  readonly #content = new Content();
  readonly #claims = new Map<string, Set<Claim>>();
  /** Slots whose last write has failed, or is under way. */
  readonly #owed = new Set<string>();
  #doubts = 0;
  readonly #drops = new Set<Timer>();
  #snapshots = 0;
  #cuts = 0;

  constructor(sim: Simulation, random: Random) {
    this.#sim = sim;
    this.#random = random;
  }

  createVdi(spec: VdiSpec): number {
    return this.#content.createVdi(spec);
  }

  /** Makes a snapshot as a sheep does: in steps, while others go on. */
  async snapshot(vid: number): Promise<number> {
    this.#snapshots += 1;
    const steps = this.#content.snapshot(vid);
    for (;;) {
      const step = steps.next();
      if (step.done === true) {
        this.#snapshots -= 1;
        return step.value;
      }
      await this.#pause(this.snapshotStepMs);
    }
  }

  clone(vid: number, name: string): number {
    return this.#content.clone(vid, name);
  }

  markReadOnly(vid: number): void {
    this.#content.markReadOnly(vid);
  }

  inode(vid: number): MemoryInode {
    return this.#content.inode(vid);
  }

  object(vid: number, index: number): Uint8Array | null {
    return this.#content.object(vid, index);
  }

  removeObject(vid: number, index: number): void {
    this.#content.removeObject(vid, index);
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
  ): Promise<boolean> {
    this.counts.inodeWrites += 1;
    const late = bytes.slice();
    this.#checkSlots(vid, offset, bytes);
    const slots = slotsOf(late).keys();
    const owed = [...slots].map((at) => key(vid, (offset - slotsAt) / 4 + at));
    for (const slot of owed) this.#owed.add(slot);
    const written = this.#call(
      false,
      () => {
        const what = { kind: "inode", how: "write", cowVid: 0 } as const;
        return this.#change({ ...what, vid, index: 0, offset, data: late });
      },
      resolved,
    );
    return written.then(() => {
      for (const slot of owed) this.#owed.delete(slot);
      return this.writesOnce;
    });
  }

  async removalsOver(_clearedAtMs: number, scope: Scope): Promise<void> {
    while (this.#drops.size > 0) {
      throwIfEnded(scope, this.#sim, "removals");
      await this.#pause(50);
    }
  }

  /** Those who had something to remove have ended. */
  forgetRemovals(): void {
    for (const timer of this.#drops) timer.cancel();
    this.#drops.clear();
  }

  /** A recovery or a snapshot puts back what a slot held before. */
  putBack(vid: number, index: number, slot: number): void {
    const bytes = new Uint8Array(Uint32Array.of(slot).buffer);
    this.inode(vid).write(slotOffset(index), bytes);
  }

  readIndexNode(vid: number, number: number, into: Uint8Array, _scope: Scope): Promise<void> {
    return this.#call(true, () => {
      const range = { offset: 0, length: into.length };
      const bytes = this.#content.read("index", vid, number, range);
      if (bytes === null) return "stale";
      into.set(bytes);
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
        const how = create ? "create" : "write";
        const place = { kind: "index", vid, index: number, offset } as const;
        return this.#change({ ...place, how, cowVid: 0, data: late });
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
    const found = this.#content.find(name);
    if (found !== null) return found;
    throw new SheepfsError("not_found", `no VDI '${new TextDecoder().decode(name.name)}'`);
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
    const { kind, vid, index, cowVid, offset, length, at } = request;
    if (offset + length > this.#content.objectBytes(vid)) {
      this.violations.push("a write beyond an object's end");
    }
    if (kind === "read") return null;
    const data = request.buffer.subarray(at, at + length);
    return this.#change({ kind: "data", how: kind, vid, index, cowVid, offset, data });
  }

  #change(change: Change): ErrorCode | null {
    const begun = this.#content.begin(change);
    if (typeof begun === "string") return begun;
    const drops = this.#content.apply(begun);
    if (typeof drops === "string") return drops;
    for (const drop of drops) {
      const timer = this.#sim.after(this.#upTo(this.removalMs), () => {
        this.#drops.delete(timer);
        drop();
      });
      this.#drops.add(timer);
    }
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
      if (value !== 0 && inode.slot(index) === value && !this.#owed.has(key(vid, index))) {
        this.violations.push(`slot ${index} is written anew, its references are lost`);
      }
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
