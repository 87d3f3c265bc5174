import { SheepfsError } from "../base/errors.ts";
import { limits } from "../base/limits.ts";
import type { MaybePromise } from "../base/maybe-promise.ts";
import { ChunkFrames } from "./chunks.ts";
import type { RequestBody } from "./exchange.ts";

/** Where the raw bytes of a body come from: its connection. */
export interface BodySource {
  /** Bytes at hand, put into `into[at, …)`; 0 none now, -1 when the client has ended. */
  pull(into: Uint8Array, at: number, length: number): number;
  /** Bytes that can be pulled without a read of the socket. */
  readonly held: number;
  /** Reads once, to hold what has arrived; only when nothing is held. */
  gather(): void;
  /** Calls `told` once when `pull` has something to tell, with the reason if it never will. */
  wait(told: (why: SheepfsError | null) => void): void;
  /** The body is wanted: `100 Continue` if the client waits for that. */
  wanted(): void;
}

/** A request without a body. */
export const noBody: RequestBody = {
  announcedBytes: 0,
  failure: null,
  next: () => null,
  take: () => -1,
  more: async () => {},
};

/** The body of one request, taken off its connection as it is asked for. */
export class Body implements RequestBody {
  readonly announcedBytes: number | null;
  readonly #source: BodySource;
  readonly #frames: ChunkFrames | null;
  #left: number;
  #failure: SheepfsError | null = null;
  /** For `next`: made when that is called. */
  #buffer: Uint8Array | null = null;
  readonly #byte = new Uint8Array(1);
  /** Reads for what lies between chunks since `more` was called last. */
  #frameReads = 0;

  constructor(source: BodySource, announcedBytes: number | null) {
    this.#source = source;
    this.announcedBytes = announcedBytes;
    this.#frames = announcedBytes === null ? new ChunkFrames() : null;
    this.#left = announcedBytes ?? 0;
  }

  get failure(): SheepfsError | null {
    return this.#failure;
  }

  get ended(): boolean {
    return this.#frames === null ? this.#left === 0 : this.#frames.ended;
  }

  /** Bytes still to come; null when that is not known. */
  get leftBytes(): number | null {
    if (this.#failure !== null) return null;
    return this.#frames === null ? this.#left : this.#frames.ended ? 0 : null;
  }

  take(into: Uint8Array, at: number, length: number): number {
    if (this.#failure !== null) throw this.#failure;
    if (this.ended) return -1;
    this.#source.wanted();
    try {
      return this.#frames === null
        ? this.#takePlain(into, at, length)
        : this.#takeChunked(this.#frames, into, at, length);
    } catch (thrown) {
      if (thrown instanceof SheepfsError) this.#failure = thrown;
      throw thrown;
    }
  }

  more(): Promise<void> {
    if (this.#failure !== null) return Promise.reject(this.#failure);
    if (this.ended) return Promise.resolve();
    this.#source.wanted();
    this.#frameReads = 0;
    const told = Promise.withResolvers<void>();
    this.#source.wait((why) => {
      if (why === null) {
        told.resolve();
        return;
      }
      this.#failure = why;
      told.reject(why);
    });
    return told.promise;
  }

  next(): MaybePromise<Uint8Array | null> {
    const bytes = Math.min(limits.httpReadBytes, this.announcedBytes ?? limits.httpReadBytes);
    this.#buffer ??= new Uint8Array(bytes);
    const count = this.take(this.#buffer, 0, this.#buffer.length);
    if (count < 0) return null;
    return count > 0 ? this.#buffer.subarray(0, count) : this.#nextLater();
  }

  async #nextLater(): Promise<Uint8Array | null> {
    await this.more();
    return await this.next();
  }

  #takePlain(into: Uint8Array, at: number, length: number): number {
    const count = this.#pull(into, at, Math.min(length, this.#left));
    this.#left -= count;
    return count;
  }

  #takeChunked(frames: ChunkFrames, into: Uint8Array, at: number, length: number): number {
    let taken = 0;
    while (taken < length && !frames.ended) {
      if (frames.dataLeft === 0) {
        if (!this.#mayHaveFrame() || this.#pull(this.#byte, 0, 1) === 0) break;
        frames.push(this.#byte[0] ?? 0);
        continue;
      }
      const count = this.#pull(into, at + taken, Math.min(length - taken, frames.dataLeft));
      if (count === 0) break;
      frames.took(count);
      taken += count;
    }
    return taken === 0 && frames.ended ? -1 : taken;
  }

  /** Not without end in one turn: a client of tiny chunks would keep everybody else from theirs. */
  #mayHaveFrame(): boolean {
    if (this.#source.held > 0) return true;
    if (this.#frameReads === limits.httpFrameReadsMax) return false;
    this.#frameReads += 1;
    this.#source.gather();
    return true;
  }

  #pull(into: Uint8Array, at: number, length: number): number {
    const count = this.#source.pull(into, at, length);
    if (count >= 0) return count;
    throw new SheepfsError("invalid", "the client ended its body before it was complete");
  }
}
