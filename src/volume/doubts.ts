import type { Clock } from "../base/clock.ts";
import { asSheepfsError } from "../base/errors.ts";
import type { Scope } from "../base/scope.ts";
import { waitWith } from "./generations.ts";

/** Counts failed writes that may still land, for those that must not pass them. */
export class Doubts {
  #open = 0;
  #waiters: Array<() => void> = [];

  /**
   * Makes a write; when its failure is in doubt, `settled` waits until `resolved` is called.
   * @throws whatever the write throws
   */
  async watch<T>(write: (resolved: () => void) => Promise<T>, resolved: () => void): Promise<T> {
    let over = false;
    let counted = false;
    try {
      return await write(() => {
        over = true;
        if (counted) this.#close();
        resolved();
      });
    } catch (thrown) {
      if (asSheepfsError(thrown).inDoubt && !over) {
        counted = true;
        this.#open += 1;
      }
      throw thrown;
    }
  }

  /**
   * Returns when nothing can land any more.
   * @throws cancelled | timed_out
   */
  async settled(scope: Scope, clock: Clock, what: string): Promise<void> {
    if (this.#open === 0) return;
    await waitWith(scope, clock, what, (wake) => {
      this.#waiters.push(wake);
      return () => {
        this.#waiters = this.#waiters.filter((other) => other !== wake);
      };
    });
  }

  #close(): void {
    this.#open -= 1;
    if (this.#open > 0) return;
    for (const wake of this.#waiters.splice(0)) wake();
  }
}
