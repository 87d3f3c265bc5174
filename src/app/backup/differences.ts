import { limits } from "../../base/limits.ts";
import type { Extent } from "../../volume/discard.ts";
import type { SlotRun } from "../../volume/extents.ts";
import type { Volume } from "../../volume/volume.ts";
import { operation } from "../verbs/core.ts";

/** What is asked of a volume: where its objects are. */
export type Indexed = Pick<Volume, "objectBytes" | "sizeBytes" | "slotRuns">;

/** Bytes of which two states have different objects; `added`: only the later one, `removed`: only the first. */
export interface Difference extends Extent {
  readonly kind: "changed" | "added" | "removed";
}

/**
 * Where two states of a VDI, or two VDIs, differ, in order, as their indexes alone tell: blocks are the
 * same when the same object is behind both. What a smaller one does not have counts as a hole.
 * @param shared told the bytes of each extent that is the same object in both
 */
export async function* differences(
  before: Indexed,
  after: Indexed,
  shared: (bytes: number) => void = () => {},
): AsyncGenerator<Difference> {
  const comparable = before.objectBytes === after.objectBytes;
  const [a, b] = [new RunCursor(before), new RunCursor(after)];
  let pending: Difference = nothing;
  for (let at = 0; ; ) {
    const [ofA, ofB] = [await a.from(at), await b.from(at)];
    if (ofA === null && ofB === null) break;
    const [startA, startB] = [startOf(ofA, at), startOf(ofB, at)];
    const start = Math.min(startA, startB);
    const [inA, inB] = [startA === start, startB === start];
    const end = Math.min(inA ? endOf(ofA) : startA, inB ? endOf(ofB) : startB);
    at = end;
    if (inA && inB && comparable && ofA?.vid === ofB?.vid) {
      shared(end - start);
      continue;
    }
    const kind = inA ? (inB ? "changed" : "removed") : "added";
    if (pending.kind === kind && pending.offset + pending.length === start) {
      pending = { ...pending, length: end - pending.offset };
      continue;
    }
    if (pending.length > 0) yield pending;
    pending = { offset: start, length: end - start, kind };
  }
  if (pending.length > 0) yield pending;
}

const nothing: Difference = { offset: 0, length: 0, kind: "changed" };

/** What was ever written of a volume, in order, as its index alone tells. */
export async function* dataExtents(volume: Indexed, from = 0): AsyncGenerator<Extent> {
  const cursor = new RunCursor(volume);
  for (let at = from; ; ) {
    const run = await cursor.from(at);
    if (run === null) return;
    const start = startOf(run, at);
    at = endOf(run);
    yield { offset: start, length: at - start };
  }
}

/**
 * Extents rounded out to where digests and holes begin, and neighbours joined: a block may be smaller.
 */
export async function* aligned(
  extents: AsyncIterable<Extent>,
  sizeBytes: number,
): AsyncGenerator<Extent> {
  const unit = limits.backupHoleBytes;
  let pending: { offset: number; end: number } | null = null;
  for await (const { offset, length } of extents) {
    const from = offset - (offset % unit);
    const end = Math.min(Math.ceil((offset + length) / unit) * unit, sizeBytes);
    if (end <= from) continue;
    if (pending !== null && from <= pending.end) {
      pending.end = Math.max(pending.end, end);
      continue;
    }
    if (pending !== null) yield { offset: pending.offset, length: pending.end - pending.offset };
    pending = { offset: from, end };
  }
  if (pending !== null) yield { offset: pending.offset, length: pending.end - pending.offset };
}

/** What of extents is at or behind an offset. */
export async function* extentsFrom(
  extents: AsyncIterable<Extent>,
  from: number,
): AsyncGenerator<Extent> {
  for await (const { offset, length } of extents) {
    const start = Math.max(offset, from);
    if (start < offset + length) yield { offset: start, length: offset + length - start };
  }
}

/** Goes through a volume's runs, of which it has a bounded number at a time. */
class RunCursor {
  readonly #volume: Indexed;
  #runs: readonly SlotRun[] = [];
  #next = 0;
  /** There is nothing behind the runs that it has. */
  #last = false;

  constructor(volume: Indexed) {
    this.#volume = volume;
  }

  /** The run that ends first behind `offset`, which never becomes smaller; null when there is none. */
  async from(offset: number): Promise<SlotRun | null> {
    for (;;) {
      for (; this.#next < this.#runs.length; this.#next += 1) {
        const run = this.#runs[this.#next];
        if (run !== undefined && endOf(run) > offset) return run;
      }
      if (this.#last || offset >= this.#volume.sizeBytes) return null;
      this.#runs = await this.#volume.slotRuns(offset, operation());
      this.#next = 0;
      this.#last = this.#runs.length < limits.slotRunsMax;
    }
  }
}

function startOf(run: SlotRun | null, at: number): number {
  return run === null ? Number.POSITIVE_INFINITY : Math.max(run.offset, at);
}

function endOf(run: SlotRun | null): number {
  return run === null ? Number.POSITIVE_INFINITY : run.offset + run.length;
}
