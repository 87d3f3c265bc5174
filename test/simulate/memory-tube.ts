import type { Tube } from "../../src/base/transfer.ts";

/** A tube without a kernel, which takes so many bytes at most. */
export class MemoryTube implements Tube {
  readonly #capacity: number;
  #parts: Uint8Array[] = [];
  #bytes = 0;

  constructor(capacity = Number.POSITIVE_INFINITY) {
    this.#capacity = capacity;
  }

  get bytes(): number {
    return this.#bytes;
  }

  get room(): number {
    return this.#capacity - this.#bytes;
  }

  get content(): Uint8Array {
    return Buffer.concat(this.#parts);
  }

  put(bytes: Uint8Array): void {
    this.#parts.push(bytes.slice());
    this.#bytes += bytes.length;
  }

  drain(into: Uint8Array, at: number): void {
    into.set(this.content, at);
    this.clear();
  }

  clear(): void {
    this.#parts = [];
    this.#bytes = 0;
  }
}
