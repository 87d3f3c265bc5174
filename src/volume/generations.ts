import type { Clock } from "../base/clock.ts";
import { SheepfsError } from "../base/errors.ts";
import type { Scope } from "../base/scope.ts";

/** Writes accepted between two syncs. */
export interface Generation {
  /** Writes of it that are not settled. */
  count: number;
}

/** Knows when every write accepted before a moment has settled; a write costs some additions. */
export class Generations {
  /** Begins and ends of writes: while it stays the same with none under way, so do the bytes. */
  changes = 0;
  /** Writes that are not settled, and those that failed and may still land. */
  underWay = 0;
  #current: Generation = { count: 0 };
  #older: Generation[] = [];
  #waiters: Array<{ readonly before: readonly Generation[]; wake(): void }> = [];

  /** The generation that a write accepted now belongs to. */
  enter(): Generation {
    this.#current.count += 1;
    this.changes += 1;
    this.underWay += 1;
    return this.#current;
  }

  /** A part of a failed write may still land, until `doubtOver`. */
  doubt(): void {
    this.underWay += 1;
  }

  doubtOver(): void {
    this.changes += 1;
    this.underWay -= 1;
  }

  leave(generation: Generation): void {
    this.changes += 1;
    this.underWay -= 1;
    generation.count -= 1;
    if (generation.count > 0 || this.#waiters.length === 0) return;
    this.#older = this.#older.filter((older) => older.count > 0);
    const waiters = this.#waiters;
    this.#waiters = waiters.filter((waiter) => waiter.before.some((older) => older.count > 0));
    for (const waiter of waiters) if (!this.#waiters.includes(waiter)) waiter.wake();
  }

  /** Resolves when what was entered before the call has left. */
  async settled(scope: Scope, clock: Clock, what: string): Promise<void> {
    if (this.#current.count > 0) {
      this.#older.push(this.#current);
      this.#current = { count: 0 };
    }
    const before = this.#older.filter((older) => older.count > 0);
    if (before.length === 0) return;
    await waitWith(scope, clock, what, (wake) => {
      const waiter = { before, wake };
      this.#waiters.push(waiter);
      return () => {
        this.#waiters = this.#waiters.filter((other) => other !== waiter);
      };
    });
  }
}

/**
 * Waits until `subscribe`'s `wake` is called, the scope ends or its deadline passes.
 * @throws cancelled | timed_out
 */
export function waitWith(
  scope: Scope,
  clock: Clock,
  what: string,
  subscribe: (wake: () => void) => () => void,
): Promise<void> {
  return new Promise<void>((resolve, reject) => {
    let release = (): void => {};
    const end = (error: SheepfsError | null): void => {
      release();
      release = () => {};
      if (error === null) resolve();
      else reject(error);
    };
    const unsubscribe = subscribe(() => end(null));
    const timer = Number.isFinite(scope.deadlineMs)
      ? clock.after(Math.max(0, scope.deadlineMs - clock.nowMs()), () => {
          end(new SheepfsError("timed_out", `${what}: not done before the deadline`));
        })
      : null;
    let unlisten = (): void => {};
    release = () => {
      unsubscribe();
      timer?.cancel();
      unlisten();
    };
    unlisten = scope.onCancel(() => end(new SheepfsError("cancelled", `${what}: interrupted`)));
  });
}
