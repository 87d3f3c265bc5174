import { assert } from "../base/assert.ts";
import { asSheepfsError, type SheepfsError } from "../base/errors.ts";
import type { Scope } from "../base/scope.ts";
import type { SlotUpdate, VolumeIndex } from "./slots.ts";

/** A slot update on its way to the cluster. Its object is closed until it is settled. */
export interface PendingUpdate extends SlotUpdate {
  /**
   * Written and in memory; or failed, and what the cluster holds is unknown.
   * @param once it was executed once at most
   */
  settled(error: SheepfsError | null, once: boolean): void;
  /** Only after a failure that is `inDoubt`: the write can no longer land. */
  resolved(): void;
  /** Taken back before it was sent: the volume moves to another vid. */
  pulled(): void;
}

/**
 * Writes slot updates once their data is durable: those that come in one burst go out together, and
 * those that come while as many writes as may be are under way are gathered into the next. Only
 * updates that stand side by side share a write; nothing is bridged.
 */
export class IndexWriter {
  readonly #index: VolumeIndex;
  readonly #newScope: () => Scope;
  readonly #queue = new Map<number, PendingUpdate>();
  readonly #changed: () => void;
  #inflight = 0;
  #scheduled = false;

  /** @param changed called when a write has settled */
  constructor(index: VolumeIndex, newScope: () => Scope, changed: () => void) {
    this.#index = index;
    this.#newScope = newScope;
    this.#changed = changed;
  }

  /** Nothing waits to be sent, and nothing is on its way. */
  get idle(): boolean {
    return this.#inflight === 0 && this.#queue.size === 0;
  }

  add(update: PendingUpdate): void {
    assert(!this.#queue.has(update.index), "an object with an update under way is closed");
    this.#queue.set(update.index, update);
    this.#schedule();
  }

  /** Takes back what was not sent. */
  pull(): void {
    const pulled = [...this.#queue.values()];
    this.#queue.clear();
    for (const update of pulled) update.pulled();
  }

  #schedule(): void {
    if (this.#scheduled || this.#inflight >= this.#index.writesInflightMax) return;
    this.#scheduled = true;
    // After the present burst of replies, so that neighbours created together are one write.
    queueMicrotask(() => {
      this.#scheduled = false;
      this.#send();
    });
  }

  #send(): void {
    const sorted = [...this.#queue.values()].sort((a, b) => a.index - b.index);
    let from = 0;
    while (from < sorted.length && this.#inflight < this.#index.writesInflightMax) {
      const count = this.#index.batch(sorted, from);
      const batch = sorted.slice(from, from + count);
      for (const update of batch) this.#queue.delete(update.index);
      this.#inflight += 1;
      void this.#write(batch);
      from += count;
    }
  }

  async #write(batch: readonly PendingUpdate[]): Promise<void> {
    let failure: SheepfsError | null = null;
    let once = false;
    try {
      once = await this.#index.write(batch, this.#newScope(), () => {
        for (const update of batch) update.resolved();
      });
    } catch (error) {
      failure = asSheepfsError(error);
    }
    this.#inflight -= 1;
    for (const update of batch) update.settled(failure, once);
    if (this.#queue.size > 0) this.#schedule();
    this.#changed();
  }
}
