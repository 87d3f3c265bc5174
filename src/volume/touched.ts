/** 512 bytes for the slots of one slice. */
const chunkSlots = 4_096;

/**
 * Slots that we created or cleared since the volume has its present vid. When it turns out that a
 * snapshot slipped in, these are the ones whose update the new working VDI may lack. At most two
 * bits for each slot of an index: 256 KiB for a full one.
 */
export class TouchedSlots {
  readonly #created = new Map<number, Uint8Array>();
  readonly #cleared = new Map<number, Uint8Array>();

  get empty(): boolean {
    return this.#created.size === 0 && this.#cleared.size === 0;
  }

  markCreated(index: number): void {
    set(this.#created, index);
    unset(this.#cleared, index);
  }

  markCleared(index: number): void {
    set(this.#cleared, index);
    unset(this.#created, index);
  }

  *created(): Iterable<number> {
    yield* members(this.#created);
  }

  *cleared(): Iterable<number> {
    yield* members(this.#cleared);
  }

  clear(): void {
    this.#created.clear();
    this.#cleared.clear();
  }
}

function set(bits: Map<number, Uint8Array>, index: number): void {
  const number = Math.floor(index / chunkSlots);
  let chunk = bits.get(number);
  if (chunk === undefined) {
    chunk = new Uint8Array(chunkSlots / 8);
    bits.set(number, chunk);
  }
  const at = (index % chunkSlots) >>> 3;
  chunk[at] = (chunk[at] ?? 0) | (1 << (index & 7));
}

function unset(bits: Map<number, Uint8Array>, index: number): void {
  const chunk = bits.get(Math.floor(index / chunkSlots));
  if (chunk === undefined) return;
  const at = (index % chunkSlots) >>> 3;
  chunk[at] = (chunk[at] ?? 0) & ~(1 << (index & 7));
}

function* members(bits: Map<number, Uint8Array>): Iterable<number> {
  for (const [number, chunk] of bits) {
    for (let at = 0; at < chunkSlots; at += 1) {
      if (((chunk[at >>> 3] ?? 0) & (1 << (at & 7))) !== 0) yield number * chunkSlots + at;
    }
  }
}
