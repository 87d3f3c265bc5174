import { assert } from "./assert.ts";

/**
 * A claim on bytes [start, end) of the thing numbered `key`. The claimant is the list node itself,
 * so that taking and giving back a lock allocates nothing.
 */
export interface RangeHold {
  key: number;
  start: number;
  end: number;
  /** The lock's own: true while the range is held, false while it is waited for. */
  held: boolean;
  /** The lock's own: neighbours in order of arrival. */
  earlier: RangeHold | null;
  later: RangeHold | null;
  /** Called when a range that had to be waited for is held; it may release at once. */
  granted(): void;
}

/** Lists by key; keys that share one cost a comparison, nothing else. */
const listCount = 256;

/**
 * First-come-first-served lock of byte ranges: overlapping claims are held one after the other in
 * the order of arrival, all others at once.
 */
export class RangeLock {
  readonly #first: Array<RangeHold | null> = new Array<RangeHold | null>(listCount).fill(null);
  readonly #last: Array<RangeHold | null> = new Array<RangeHold | null>(listCount).fill(null);
  /** Lists that are being scanned for holds to grant: a release meanwhile asks for another pass. */
  readonly #scan: Uint8Array = new Uint8Array(listCount);
  #waiting = 0;

  /** Claims that wait. */
  get waiting(): number {
    return this.#waiting;
  }

  /** True when the range is held now; else `granted` follows. */
  acquire(hold: RangeHold): boolean {
    assert(hold.start < hold.end, "a range has bytes");
    const list = hold.key % listCount;
    const last = this.#last[list] ?? null;
    hold.earlier = last;
    hold.later = null;
    if (last === null) this.#first[list] = hold;
    else last.later = hold;
    this.#last[list] = hold;
    hold.held = last === null || !this.#blocked(hold);
    if (!hold.held) this.#waiting += 1;
    return hold.held;
  }

  /** Gives back a held range, or gives up waiting for it. */
  release(hold: RangeHold): void {
    const list = hold.key % listCount;
    if (hold.earlier === null) this.#first[list] = hold.later;
    else hold.earlier.later = hold.later;
    if (hold.later === null) this.#last[list] = hold.earlier;
    else hold.later.earlier = hold.earlier;
    if (!hold.held) this.#waiting -= 1;
    hold.held = false;
    hold.earlier = null;
    hold.later = null;
    if (this.#waiting > 0 || this.#scan[list] !== 0) this.#grant(list);
  }

  /** Keeps only [start, end) of a held range. */
  shrink(hold: RangeHold, start: number, end: number): void {
    assert(hold.held && hold.start <= start && start < end && end <= hold.end, "shrinks within");
    hold.start = start;
    hold.end = end;
    if (this.#waiting > 0) this.#grant(hold.key % listCount);
  }

  /**
   * Exchanges a held range for a larger one, keeping its place in the order. The old range is given
   * up when the larger must be waited for: two holders that both widen would never end otherwise.
   * @returns true when it is held now; else `granted` is called, perhaps before this returns
   */
  widen(hold: RangeHold, start: number, end: number): boolean {
    assert(hold.held && start <= hold.start && hold.end <= end, "widens around");
    hold.start = start;
    hold.end = end;
    if (!this.#blocked(hold)) return true;
    hold.held = false;
    this.#waiting += 1;
    this.#grant(hold.key % listCount);
    return false;
  }

  /** Whoever came earlier has precedence, held or not; later ones only where they already hold. */
  #blocked(hold: RangeHold): boolean {
    for (let other = hold.earlier; other !== null; other = other.earlier) {
      if (overlap(hold, other)) return true;
    }
    for (let other = hold.later; other !== null; other = other.later) {
      if (other.held && overlap(hold, other)) return true;
    }
    return false;
  }

  #grant(list: number): void {
    if (this.#scan[list] !== 0) {
      this.#scan[list] = 2;
      return;
    }
    let hold = this.#first[list] ?? null;
    while (hold !== null) {
      const { later } = hold;
      if (hold.held || this.#blocked(hold)) {
        hold = later;
        continue;
      }
      hold.held = true;
      this.#waiting -= 1;
      this.#scan[list] = 1;
      hold.granted();
      // What granted() released or added may have changed the list anywhere.
      const changed = this.#scan[list] === 2;
      this.#scan[list] = 0;
      hold = changed ? (this.#first[list] ?? null) : later;
    }
  }
}

function overlap(a: RangeHold, b: RangeHold): boolean {
  return a.key === b.key && a.start < b.end && b.start < a.end;
}
