import type { Random } from "../../../src/base/random.ts";
import type { Volume } from "../../../src/volume/volume.ts";
import type { World } from "./world.ts";

interface Change {
  readonly offset: number;
  readonly length: number;
  /** Null for zeros. */
  readonly seed: number | null;
  state: "running" | "done" | "failed";
}

/** What a volume must hold, checked step by step while operations overlap. */
export class Model {
  readonly #world: World;
  readonly #random: Random;
  volume: Volume;
  bytes: Uint8Array;
  steps = 0;
  failures = 0;

  constructor(world: World, volume: Volume, bytes: Uint8Array) {
    this.#world = world;
    this.#random = world.random;
    this.volume = volume;
    this.bytes = bytes;
  }

  /** Some operations at once, then a look at what they left. */
  batch(meanwhile: () => Promise<unknown> = async () => {}): void {
    const { sim, cluster } = this.#world;
    const changes: Change[] = [];
    const count = 1 + this.#random.below(8);
    const works: Array<Promise<unknown>> = [meanwhile()];
    for (let n = 0; n < count; n += 1) works.push(this.#operation(changes));
    this.steps += count;
    sim.run(Promise.all(works));
    sim.runUntil(() => cluster.quiet);
    for (const change of changes) this.#settle(change, changes);
    if (cluster.violations.length > 0) throw new Error(cluster.violations.join("\n"));
  }

  /** Some operations, and the end of the process in the middle of them. */
  crash(reopen: () => Volume): void {
    const { sim, cluster } = this.#world;
    const changes: Change[] = [];
    const count = 1 + this.#random.below(8);
    for (let n = 0; n < count; n += 1) this.#operation(changes).catch(() => {});
    this.steps += count;
    sim.pass(this.#random.below(20));
    cluster.cut();
    const acknowledged = changes.map((change) => ({ ...change }));
    this.volume = reopen();
    for (const change of acknowledged) this.#settle(change, acknowledged);
    if (cluster.violations.length > 0) throw new Error(cluster.violations.join("\n"));
  }

  /** All of it, as it is read. */
  verify(volume: Volume = this.volume): void {
    const step = 2 ** 20;
    for (let offset = 0; offset < this.bytes.length; offset += step) {
      const length = Math.min(step, this.bytes.length - offset);
      const found = this.#read(volume, offset, length);
      if (Buffer.compare(found, this.bytes.subarray(offset, offset + length)) === 0) continue;
      const at = found.findIndex((byte, n) => byte !== this.bytes[offset + n]);
      if (at >= 0) throw new Error(this.#difference(offset + at, found[at] ?? 0));
    }
  }

  #operation(changes: Change[]): Promise<unknown> {
    const { sim } = this.#world;
    const scope = sim.scope();
    const [offset, length] = this.#extent();
    const dice = this.#random.below(20);
    if (dice < 9) {
      const seed = 1 + this.#random.below(250);
      const change: Change = { offset, length, seed, state: "running" };
      changes.push(change);
      const bytes = pattern(seed, offset, length);
      const written = this.volume.write(bytes, offset, scope).finally(() => bytes.fill(0xdd));
      return this.#track(change, written);
    }
    if (dice < 16) return this.#readDuring(offset, length, changes);
    if (dice < 18) return this.#tolerant(this.volume.flush(scope));
    const change: Change = { offset, length, seed: null, state: "running" };
    changes.push(change);
    return this.#track(change, this.volume.discard({ offset, length }, scope));
  }

  #extent(): [number, number] {
    const total = this.bytes.length;
    const { objectBytes } = this.volume;
    const kind = this.#random.below(10);
    let length = 1 + this.#random.below(kind < 5 ? 2_000 : 40_000);
    const whole = kind === 9 && this.#random.below(objectBytes) < 65_536;
    if (whole) length = objectBytes * (1 + this.#random.below(3));
    length = Math.min(length, total);
    let offset = this.#random.below(total - length + 1);
    if (this.#random.below(2) === 0) offset -= offset % Math.min(objectBytes, 512);
    if (whole) offset -= offset % objectBytes;
    if (this.#random.below(20) === 0) offset = total - length;
    return [offset, length];
  }

  async #readDuring(offset: number, length: number, changes: readonly Change[]): Promise<void> {
    const into = new Uint8Array(length).fill(0xee);
    try {
      await this.volume.read(into, offset, this.#world.sim.scope());
    } catch (error) {
      this.#failed(error);
      return;
    }
    if (Buffer.compare(into, this.bytes.subarray(offset, offset + length)) === 0) return;
    for (let at = 0; at < length; at += 1) {
      const byte = into[at] ?? 0;
      if (byte === this.bytes[offset + at]) continue;
      if (changes.some((change) => gives(change, offset + at, byte))) continue;
      throw new Error(`read during: ${this.#difference(offset + at, byte)}`);
    }
  }

  async #track(change: Change, work: Promise<unknown>): Promise<void> {
    try {
      await work;
      change.state = "done";
    } catch (error) {
      change.state = "failed";
      this.#failed(error);
    }
  }

  async #tolerant(work: Promise<unknown>): Promise<void> {
    try {
      await work;
    } catch (error) {
      this.#failed(error);
    }
  }

  #failed(error: unknown): void {
    const { refused, lost, doubt } = this.#world.cluster.faults;
    const code = error instanceof Error && "code" in error ? error.code : null;
    if (refused + lost + doubt === 0 || code !== "unavailable") throw error;
    this.failures += 1;
  }

  /** Whatever overlapped and failed may have left this or that; from now on it stays. */
  #settle(change: Change, changes: readonly Change[]): void {
    const { offset, length } = change;
    const near = changes.filter(
      (other) => other.offset < offset + length && offset < other.offset + other.length,
    );
    const found = this.#readSurely(offset, length);
    const cuts = near.flatMap((other) => [other.offset, other.offset + other.length]);
    const ends = [...new Set(cuts)].sort((a, b) => a - b);
    let from = offset;
    for (const cut of ends) {
      const end = Math.min(cut, offset + length);
      if (end <= from) continue;
      const here = near.filter((other) => covers(other, from));
      this.#check(here, { offset: from, bytes: found.subarray(from - offset, end - offset) });
      from = end;
    }
    this.bytes.set(found, offset);
  }

  /** Bytes that the same changes were made to. */
  #check(here: readonly Change[], found: { offset: number; bytes: Uint8Array }): void {
    // Writes that overlap are made in the order in which they came.
    const ordered = here.every((other) => other.state === "done" && other.seed !== null);
    const small = here.every((other) => other.length <= 4096);
    const allowed = ordered && small ? here.slice(-1) : here;
    const unchanged = here.every((other) => other.state !== "done");
    for (let at = 0; at < found.bytes.length; at += 1) {
      const offset = found.offset + at;
      const byte = found.bytes[at] ?? 0;
      if (unchanged && byte === this.bytes[offset]) continue;
      if (!allowed.some((other) => gives(other, offset, byte))) {
        throw new Error(`after: ${this.#difference(offset, byte)}`);
      }
    }
  }

  #readSurely(offset: number, length: number): Uint8Array {
    for (;;) {
      try {
        return this.#read(this.volume, offset, length);
      } catch (error) {
        this.#failed(error);
      }
    }
  }

  #read(volume: Volume, offset: number, length: number): Uint8Array {
    return this.#world.read(offset, length, volume);
  }

  #difference(offset: number, byte: number): string {
    const { objectBytes } = this.volume;
    const block = Math.floor(offset / objectBytes);
    const before = this.bytes[offset];
    return `byte ${offset} (block ${block}) is ${byte}, was ${before}; step ${this.steps}`;
  }
}

function covers(change: Change, offset: number): boolean {
  return change.offset <= offset && offset < change.offset + change.length;
}

function gives(change: Change, offset: number, byte: number): boolean {
  if (!covers(change, offset)) return false;
  return byte === (change.seed === null ? 0 : valueAt(change.seed, offset));
}

function valueAt(seed: number, offset: number): number {
  return (seed + offset * 31 + (offset >>> 9)) & 0xff;
}

function pattern(seed: number, offset: number, length: number): Uint8Array {
  const bytes = new Uint8Array(length);
  for (let at = 0; at < length; at += 1) bytes[at] = valueAt(seed, offset + at);
  return bytes;
}
