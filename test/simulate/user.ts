import { asSheepfsError, type ErrorCode } from "../../src/base/errors.ts";
import type { Random } from "../../src/base/random.ts";
import { CancelScope } from "../../src/base/scope.ts";
import type { Volume } from "../../src/volume/volume.ts";
import type { SimulatedClock } from "./clock.ts";
import { type ModelWrite, SectorModel, sectorBytes, stamped } from "./model.ts";

export interface UserOptions {
  readonly clock: SimulatedClock;
  readonly random: Random;
  readonly volume: Volume;
  /** How messages call it. */
  readonly title: string;
  /** Operations at once, and in all. */
  readonly lanes: number;
  readonly operations: number;
  readonly trace: (line: string) => void;
}

/** Sectors of a volume. */
interface Span {
  readonly first: number;
  readonly count: number;
}

/** A discard, on the clock's scale; one that failed may go on for ever. */
interface Discarded {
  readonly span: Span;
  endedMs: number;
}

/** Objects of one write: each is one piece, and all of them are asked for at once. */
const objectsMax = 8;

/** A volume in use: random operations, some at once, each checked against the model as it ends. */
export class VolumeUser {
  readonly model: SectorModel;
  readonly wrong: string[] = [];
  /** How operations ended, by kind and error. */
  readonly ends: Record<string, number> = {};
  /**
   * What a read shows of a write that is not acknowledged counts as seen. It may be gone again when
   * a recovery puts back what was there before; and when a read that is sent again after its block
   * was discarded meets the object that is being made, before its slot is there.
   */
  atomic = false;
  /** Whether it discards at all. */
  readonly discards: boolean;
  volume: Volume;
  #running = 0;
  #left: number;
  #stamp = 0;
  readonly #options: UserOptions;
  readonly #objectSectors: number;
  /** Blocks that are used most. */
  readonly #hot: readonly number[];
  /** What is being written and what is being discarded keep apart: their order is not ours to say. */
  readonly #writing = new Set<Span>();
  readonly #discarding = new Set<Span>();
  readonly #discarded: Discarded[] = [];

  constructor(options: UserOptions) {
    const { volume, random, operations } = options;
    this.#options = options;
    this.volume = volume;
    this.#left = operations;
    this.discards = random.below(3) > 0;
    this.model = new SectorModel(volume.sizeBytes / sectorBytes);
    this.#objectSectors = volume.objectBytes / sectorBytes;
    const blocks = Math.ceil(this.model.sectors / this.#objectSectors);
    this.#hot = Array.from({ length: 1 + random.below(6) }, () => random.below(blocks));
  }

  get idle(): boolean {
    return this.#running === 0 && this.#left === 0;
  }

  begin(): void {
    const { lanes, clock, random } = this.#options;
    for (let lane = 0; lane < lanes; lane += 1) {
      clock.after(random.below(20), () => void this.#lane());
    }
  }

  /** @returns the code of the error that it ended with */
  flush(timeoutMs = 60_000): Promise<ErrorCode | null> {
    const scope = new CancelScope(this.#options.clock.nowMs() + timeoutMs);
    return this.#counted("flush", () => this.volume.flush(scope));
  }

  /** Blocks that were being discarded at some time since then. */
  discardedSince(beganMs: number): Set<number> {
    const blocks = new Set<number>();
    for (const { span, endedMs } of this.#discarded) {
      if (endedMs < beganMs) continue;
      const last = Math.floor((span.first + span.count - 1) / this.#objectSectors);
      const first = Math.floor(span.first / this.#objectSectors);
      for (let block = first; block <= last; block += 1) blocks.add(block);
    }
    return blocks;
  }

  /**
   * Reads all of a volume; it has what ours may have.
   * @param orderMax see SectorModel.check
   * @param unknown blocks that are left out
   */
  async verify(
    volume: Volume,
    floors: Uint32Array,
    orderMax: number | null,
    unknown: ReadonlySet<number> = new Set(),
  ): Promise<void> {
    const scope = new CancelScope(this.#options.clock.nowMs() + 300_000);
    const step = this.#objectSectors;
    for (let first = 0; first < this.model.sectors; first += step) {
      if (unknown.has(first / step)) continue;
      const count = Math.min(step, this.model.sectors - first);
      const into = new Uint8Array(count * sectorBytes).fill(0xee);
      await volume.read(into, first * sectorBytes, scope);
      const view = { first, floors: floors.slice(first, first + count) };
      const wrong = this.model.check(view, into, orderMax);
      if (wrong !== null) throw new Error(`at the end, vid ${volume.header.vid}: ${wrong}`);
    }
  }

  async #lane(): Promise<void> {
    const { clock, random } = this.#options;
    while (this.#left > 0) {
      this.#left -= 1;
      this.#running += 1;
      try {
        await this.#operation();
      } catch (thrown) {
        this.wrong.push(`${this.#options.title}: ${String(thrown)}`);
      }
      this.#running -= 1;
      const pauseMs = random.below(4) === 0 ? random.below(1_500) : random.below(10);
      await new Promise<void>((resolve) => clock.after(pauseMs, resolve));
    }
  }

  async #operation(): Promise<void> {
    const dice = this.#options.random.below(100);
    if (dice < 48) await this.#write(this.#span(objectsMax));
    else if (dice < 86) await this.#read(this.#span(2 * objectsMax));
    else if (dice < 92) await this.flush();
    else if (this.discards) await this.#discard(this.#blocks());
  }

  async #write(span: Span): Promise<void> {
    if (overlapsAny(span, this.#discarding)) return;
    this.#stamp += 1;
    const bytes = stamped(span.count, this.#stamp);
    const write = this.model.begin(span.first, span.count, this.#stamp);
    this.#writing.add(span);
    const told = `write ${this.#stamp} of ${text(span)}`;
    await this.#change(write, told, () =>
      this.volume.write(bytes, span.first * sectorBytes, this.#scope()),
    );
    this.#writing.delete(span);
    // It is the caller's again, whatever became of it.
    bytes.fill(0xdd);
  }

  async #discard(span: Span): Promise<void> {
    const others = [this.#writing, this.#discarding];
    if (others.some((spans) => overlapsAny(span, spans))) return;
    const write = this.model.begin(span.first, span.count, 0);
    this.#discarding.add(span);
    const { clock } = this.#options;
    const discarded = { span, endedMs: Number.POSITIVE_INFINITY };
    this.#discarded.push(discarded);
    const extent = { offset: span.first * sectorBytes, length: span.count * sectorBytes };
    const failed = await this.#change(write, `discard of ${text(span)}`, () =>
      this.volume.discard(extent, this.#scope()),
    );
    if (failed === null) discarded.endedMs = clock.nowMs();
    this.#discarding.delete(span);
  }

  async #change(
    write: ModelWrite,
    told: string,
    act: () => Promise<unknown>,
  ): Promise<ErrorCode | null> {
    const { order } = write;
    const failed = await this.#counted(`${told} (${order})`, act);
    if (failed === null) this.model.acknowledged(write);
    return failed;
  }

  async #read(span: Span): Promise<void> {
    const view = this.model.view(span.first, span.count);
    const bytes = new Uint8Array(span.count * sectorBytes).fill(0xee);
    const told = `read of ${text(span)}`;
    const failed = await this.#counted(told, () => this.#transfer(bytes, span.first));
    if (failed !== null) return;
    const wrong = this.model.check(view, bytes, this.atomic ? null : this.model.order);
    if (wrong !== null) this.wrong.push(`${this.#options.title}: ${told}: ${wrong}`);
  }

  /** As a frontend reads: what is lent is taken from where it lies. */
  #transfer(bytes: Uint8Array, first: number): Promise<void> {
    return new Promise<void>((resolve, reject) => {
      this.volume.submitRead({
        offset: first * sectorBytes,
        length: bytes.length,
        buffer: bytes,
        at: 0,
        scope: this.#scope(),
        lend: (lent, at) => {
          bytes.set(lent.subarray(at, at + bytes.length));
          return true;
        },
        done: (error) => {
          if (error === null) resolve();
          else reject(error);
        },
      });
    });
  }

  /** @returns the code of the error that it ended with */
  async #counted(told: string, act: () => Promise<unknown>): Promise<ErrorCode | null> {
    const { trace, title } = this.#options;
    trace(`${title}: ${told} begins`);
    let code: ErrorCode | null = null;
    try {
      await act();
    } catch (thrown) {
      const error = asSheepfsError(thrown);
      ({ code } = error);
      if (code === "internal") this.wrong.push(`${title}: ${told}: ${error.stack}`);
      trace(
        `${title}: ${told} fails: ${code}${error.inDoubt ? " in doubt" : ""}: ${error.message}`,
      );
    }
    const key = `${told.split(" ")[0]} ${code ?? "done"}`;
    this.ends[key] = (this.ends[key] ?? 0) + 1;
    if (code === null) trace(`${title}: ${told} is done`);
    return code;
  }

  #scope(): CancelScope {
    const { clock, random } = this.#options;
    const timeoutMs = random.below(8) === 0 ? 200 + random.below(2_000) : 60_000;
    const scope = new CancelScope(clock.nowMs() + timeoutMs);
    if (random.below(20) === 0) clock.after(random.below(200), () => scope.cancel());
    return scope;
  }

  /** Mostly in the hot blocks, mostly short. */
  #span(objectsWide: number): Span {
    const { random } = this.#options;
    const { sectors } = this.model;
    const object = this.#objectSectors;
    const wide = random.below(6) === 0;
    const most = wide ? (objectsWide - 1) * object : Math.min(object, 16);
    const count = 1 + random.below(Math.min(most, sectors));
    const hot = this.#hot[random.below(this.#hot.length)] ?? 0;
    const wanted =
      random.below(4) === 0 ? random.below(sectors) : hot * object + random.below(object);
    return { first: Math.max(0, Math.min(wanted, sectors - count)), count };
  }

  #blocks(): Span {
    const { random } = this.#options;
    const { sectors } = this.model;
    const hot = this.#hot[random.below(this.#hot.length)] ?? 0;
    const first = Math.min(hot * this.#objectSectors, sectors - 1);
    const count = Math.min(this.#objectSectors * (1 + random.below(3)), sectors - first);
    return { first, count };
  }
}

function overlapsAny(span: Span, others: ReadonlySet<Span>): boolean {
  for (const other of others) {
    if (span.first < other.first + other.count && other.first < span.first + span.count)
      return true;
  }
  return false;
}

function text({ first, count }: Span): string {
  return `sectors ${first} to ${first + count - 1}`;
}
