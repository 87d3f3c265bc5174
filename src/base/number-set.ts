/** 512 bytes for as many slots as a slice has. */
const chunkNumbers = 4_096;

/** Numbers of slots or blocks, by chunks of bits where there are any. */
export class NumberSet {
  readonly #chunks = new Map<number, Uint8Array>();
  #count = 0;

  get empty(): boolean {
    return this.#count === 0;
  }

  has(index: number): boolean {
    const chunk = this.#chunks.get(Math.floor(index / chunkNumbers));
    return chunk !== undefined && bitOf(chunk, index % chunkNumbers);
  }

  add(index: number): void {
    const number = Math.floor(index / chunkNumbers);
    let chunk = this.#chunks.get(number);
    if (chunk === undefined) {
      chunk = new Uint8Array(chunkNumbers / 8);
      this.#chunks.set(number, chunk);
    }
    const at = index % chunkNumbers;
    if (bitOf(chunk, at)) return;
    chunk[at >>> 3] = (chunk[at >>> 3] ?? 0) | (1 << (at & 7));
    this.#count += 1;
  }

  delete(index: number): void {
    const chunk = this.#chunks.get(Math.floor(index / chunkNumbers));
    const at = index % chunkNumbers;
    if (chunk === undefined || !bitOf(chunk, at)) return;
    chunk[at >>> 3] = (chunk[at >>> 3] ?? 0) & ~(1 << (at & 7));
    this.#count -= 1;
  }

  *members(): Iterable<number> {
    for (const [number, chunk] of this.#chunks) {
      for (let at = 0; at < chunkNumbers; at += 1) {
        if (bitOf(chunk, at)) yield number * chunkNumbers + at;
      }
    }
  }

  within(from: number, end: number): number[] {
    const found: number[] = [];
    for (let index = from; index < end; index += 1) if (this.has(index)) found.push(index);
    return found;
  }

  fill(from: number, into: Uint32Array, value: number): void {
    if (this.#count === 0) return;
    for (let at = 0; at < into.length; ) {
      const within = (from + at) % chunkNumbers;
      const count = Math.min(chunkNumbers - within, into.length - at);
      const chunk = this.#chunks.get(Math.floor((from + at) / chunkNumbers));
      if (chunk !== undefined) {
        for (let n = 0; n < count; n += 1) if (bitOf(chunk, within + n)) into[at + n] = value;
      }
      at += count;
    }
  }
}

function bitOf(chunk: Uint8Array, at: number): boolean {
  return ((chunk[at >>> 3] ?? 0) & (1 << (at & 7))) !== 0;
}
