import type { Scope } from "../base/scope.ts";

/** One slot that is to hold `value`: our vid after a create, 0 after a discard. */
export interface SlotUpdate {
  readonly index: number;
  readonly value: number;
}

/**
 * Which VDI's object holds each block of one VDI: the array of slots and the hypervolume's B-tree
 * behind one face. What is in memory is what the cluster acknowledged; parts that are not loaded
 * or were dropped are read when needed.
 */
export interface VolumeIndex {
  /** The slot, or `unloadedSlot`. Allocates nothing. */
  get(index: number): number;
  /** Loads the part that holds `index`; several callers share one read. */
  load(index: number, scope: Scope): Promise<void>;
  /** Drops the part that holds `index`, so that the next `load` sees the cluster's truth. */
  forget(index: number): void;
  /** How many of the sorted updates, beginning at `from`, go into one write. */
  batch(updates: readonly SlotUpdate[], from: number): number;
  /** Index writes that may be under way together. */
  readonly writesInflightMax: number;
  /**
   * Writes one such batch, and when it is acknowledged changes what is in memory. After a rejection
   * that is `inDoubt`, `resolved` is called when the write can no longer land.
   * @returns whether it was executed once at most
   */
  write(updates: readonly SlotUpdate[], scope: Scope, resolved: () => void): Promise<boolean>;
  /**
   * Tells every slot ≠ 0 in [from, end), in order, without keeping what it reads; ends early when
   * `visit` returns false.
   */
  scan(
    range: { readonly from: number; readonly end: number },
    visit: (index: number, slot: number) => boolean,
    scope: Scope,
  ): Promise<void>;
  /** Forgets everything; nothing is called after it. */
  close(): void;
}
