import { limits } from "../base/limits.ts";

/** A loaded part of an index. */
export interface CachedPart {
  readonly bytes: number;
  /** Set at each use; cleared as the sweep passes. */
  used: boolean;
  /** Place in the cache; the cache's own. */
  place: number;
  /** Its owner forgets it. */
  drop(): void;
}

/** Bounds the memory of the indexes of all volumes: what was not used since the last sweep goes. */
export class SliceCache {
  readonly #parts: CachedPart[] = [];
  readonly #bytesMax: number;
  #hand = 0;
  #bytes = 0;

  constructor(bytesMax: number = limits.indexCacheBytesMax) {
    this.#bytesMax = bytesMax;
  }

  get bytes(): number {
    return this.#bytes;
  }

  add(part: CachedPart): void {
    part.used = true;
    part.place = this.#parts.length;
    this.#parts.push(part);
    this.#bytes += part.bytes;
    while (this.#bytes > this.#bytesMax && this.#parts.length > 1) this.#evictOne(part);
  }

  remove(part: CachedPart): void {
    const last = this.#parts.pop();
    if (last !== undefined && last !== part) {
      this.#parts[part.place] = last;
      last.place = part.place;
    }
    this.#bytes -= part.bytes;
  }

  #evictOne(newest: CachedPart): void {
    for (;;) {
      if (this.#hand >= this.#parts.length) this.#hand = 0;
      const part = this.#parts[this.#hand];
      if (part === undefined) return;
      if (part === newest || part.used) {
        part.used = false;
        this.#hand += 1;
        continue;
      }
      this.remove(part);
      part.drop();
      return;
    }
  }
}
