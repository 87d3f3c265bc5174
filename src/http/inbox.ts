import { assert } from "../base/assert.ts";

/**
 * Bytes of one connection that arrived before somebody asked for them: part of a head, the begin of
 * a body, a pipelined request. Holds no memory when empty, as idle connections are many.
 */
export class Inbox {
  #bytes: Buffer | null = null;
  #from = 0;
  #to = 0;

  get size(): number {
    return this.#to - this.#from;
  }

  /** What is held lies at `bytes[from, to)`. */
  get bytes(): Buffer {
    assert(this.#bytes !== null, "an empty inbox has no bytes");
    return this.#bytes;
  }

  get from(): number {
    return this.#from;
  }

  get to(): number {
    return this.#to;
  }

  /** Adds a copy of `source[from, to)` behind what is held. */
  add(source: Buffer, from: number, to: number): void {
    if (to === from) return;
    const held = this.size;
    const bytes = Buffer.allocUnsafeSlow(held + to - from);
    this.#bytes?.copy(bytes, 0, this.#from, this.#to);
    source.copy(bytes, held, from, to);
    this.#bytes = bytes;
    this.#from = 0;
    this.#to = bytes.length;
  }

  /** Moves up to `length` bytes to `into[at, …)`. @returns how many */
  take(into: Uint8Array, at: number, length: number): number {
    const count = Math.min(length, this.size);
    if (count === 0) return 0;
    this.#bytes?.copy(into, at, this.#from, this.#from + count);
    this.skip(count);
    return count;
  }

  /** Forgets the first `count` bytes. */
  skip(count: number): void {
    assert(count <= this.size, "what is skipped is held");
    this.#from += count;
    if (this.#from < this.#to) return;
    this.#bytes = null;
    this.#from = 0;
    this.#to = 0;
  }
}
