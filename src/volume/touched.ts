/** 512 bytes for the slots of one slice. */
const chunkSlots = 4_096;

/**
 * What we did to the slots since the volume has its present vid. A snapshot that is made meanwhile
 * may lack any of it, in the new working VDI and even in our own inode, which the sheep rewrites as
 * it was when it began: these are the slots to look at then. Four bits for a slot at most, and a few
 * more where an update failed: 512 KiB for an index that is full.
 */
export class TouchedSlots {
  readonly #created = new SlotSet();
  readonly #cleared = new SlotSet();
  readonly #unsure = new SlotSet();
  readonly #owed = new SlotSet();
  readonly #leaving = new SlotSet();
  readonly #twice = new SlotSet();

  /** An update was acknowledged. */
  markCreated(index: number): void {
    this.sawCreated(index);
    this.#owed.delete(index);
  }

  markCleared(index: number): void {
    this.sawCleared(index);
    this.#owed.delete(index);
  }

  /**
   * An update of the slot failed. What became of it shows when it is read, see `settleUnsure`; until
   * then what we know is what was acknowledged before.
   */
  markUnsure(index: number): void {
    this.#unsure.add(index);
    this.#owed.add(index);
  }

  /**
   * An update of the slot failed, and none was acknowledged since. What is read of it meanwhile is
   * not what stays: the copies may differ, and a recovery puts back what was there before. Whatever
   * needs the slot is acknowledged only after an update of it.
   */
  isOwed(index: number): boolean {
    return this.#owed.has(index);
  }

  /** Slots of [from, end) that are owed. */
  *owedWithin(from: number, end: number): Iterable<number> {
    for (const index of this.#owed.members()) if (from <= index && index < end) yield index;
  }

  /** For an index that has no snapshots, of which nothing else is noted. */
  markOwed(index: number): void {
    this.#owed.add(index);
  }

  unmarkOwed(index: number): void {
    this.#owed.delete(index);
  }

  isCreated(index: number): boolean {
    return this.#created.has(index);
  }

  /** A look at it showed what it is, whatever is owed. */
  sawCreated(index: number): void {
    this.#take(index, this.#created, this.#cleared);
  }

  sawCleared(index: number): void {
    this.#take(index, this.#cleared, this.#created);
  }

  /** Nothing is known of it any more. */
  unmark(index: number): void {
    this.#created.delete(index);
    this.#cleared.delete(index);
    this.#unsure.delete(index);
  }

  /** Its object is about to be removed by the sheep, some time after the slot is cleared. */
  markLeaving(index: number): void {
    this.#leaving.add(index);
  }

  isLeaving(index: number): boolean {
    return this.#leaving.has(index);
  }

  unmarkLeaving(index: number): void {
    this.#leaving.delete(index);
    this.#twice.delete(index);
  }

  /** Its object is removed once more: that it is gone does not show that this is over. */
  markRemovedTwice(index: number): void {
    this.#twice.add(index);
  }

  isRemovedTwice(index: number): boolean {
    return this.#twice.has(index);
  }

  created(): Iterable<number> {
    return this.#created.members();
  }

  cleared(): Iterable<number> {
    return this.#cleared.members();
  }

  /**
   * Takes slots [from, from + slots.length) for what became of the updates that failed: whoever sees
   * it shall go on seeing it.
   * @param slots read after the last of these updates ended
   */
  settleUnsure(from: number, slots: Uint32Array, vid: number): void {
    if (this.#unsure.empty) return;
    for (const index of this.#unsure.within(from, from + slots.length)) {
      const slot = slots[index - from];
      this.#unsure.delete(index);
      if (slot === vid) this.sawCreated(index);
      else if (slot === 0) this.sawCleared(index);
      // Any other is from before all that we did, put back by a snapshot: what we know is newer.
    }
  }

  /** Puts what we did over slots [from, from + slots.length) as they were read. */
  overlay(from: number, slots: Uint32Array, vid: number): void {
    this.#created.fill(from, slots, vid);
    this.#cleared.fill(from, slots, 0);
  }

  #take(index: number, into: SlotSet, outOf: SlotSet): void {
    into.add(index);
    outOf.delete(index);
    this.#unsure.delete(index);
  }
}

/** Slot numbers, by chunks of bits where there are any. */
class SlotSet {
  readonly #chunks = new Map<number, Uint8Array>();
  #count = 0;

  get empty(): boolean {
    return this.#count === 0;
  }

  has(index: number): boolean {
    const chunk = this.#chunks.get(Math.floor(index / chunkSlots));
    return chunk !== undefined && bitOf(chunk, index % chunkSlots);
  }

  add(index: number): void {
    const number = Math.floor(index / chunkSlots);
    let chunk = this.#chunks.get(number);
    if (chunk === undefined) {
      chunk = new Uint8Array(chunkSlots / 8);
      this.#chunks.set(number, chunk);
    }
    const at = index % chunkSlots;
    if (bitOf(chunk, at)) return;
    chunk[at >>> 3] = (chunk[at >>> 3] ?? 0) | (1 << (at & 7));
    this.#count += 1;
  }

  delete(index: number): void {
    const chunk = this.#chunks.get(Math.floor(index / chunkSlots));
    const at = index % chunkSlots;
    if (chunk === undefined || !bitOf(chunk, at)) return;
    chunk[at >>> 3] = (chunk[at >>> 3] ?? 0) & ~(1 << (at & 7));
    this.#count -= 1;
  }

  *members(): Iterable<number> {
    for (const [number, chunk] of this.#chunks) {
      for (let at = 0; at < chunkSlots; at += 1) {
        if (bitOf(chunk, at)) yield number * chunkSlots + at;
      }
    }
  }

  within(from: number, end: number): number[] {
    const found: number[] = [];
    for (let index = from; index < end; index += 1) if (this.has(index)) found.push(index);
    return found;
  }

  fill(from: number, slots: Uint32Array, value: number): void {
    if (this.#count === 0) return;
    for (let at = 0; at < slots.length; ) {
      const within = (from + at) % chunkSlots;
      const count = Math.min(chunkSlots - within, slots.length - at);
      const chunk = this.#chunks.get(Math.floor((from + at) / chunkSlots));
      if (chunk !== undefined) {
        for (let n = 0; n < count; n += 1) if (bitOf(chunk, within + n)) slots[at + n] = value;
      }
      at += count;
    }
  }
}

function bitOf(chunk: Uint8Array, at: number): boolean {
  return ((chunk[at >>> 3] ?? 0) & (1 << (at & 7))) !== 0;
}
