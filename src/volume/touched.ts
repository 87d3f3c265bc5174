import { NumberSet } from "../base/number-set.ts";

/**
 * What we did to the slots since the volume has its present vid. A snapshot that is made meanwhile
 * may lack any of it, in the new working VDI and even in our own inode, which the sheep rewrites as
 * it was when it began: these are the slots to look at then. Four bits for a slot at most, and a few
 * more where an update failed: 512 KiB for an index that is full.
 */
export class TouchedSlots {
  readonly #created = new NumberSet();
  readonly #cleared = new NumberSet();
  readonly #unsure = new NumberSet();
  readonly #owed = new NumberSet();
  readonly #leaving = new NumberSet();
  readonly #twice = new NumberSet();

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

  #take(index: number, into: NumberSet, outOf: NumberSet): void {
    into.add(index);
    outOf.delete(index);
    this.#unsure.delete(index);
  }
}
