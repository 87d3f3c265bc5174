import { type Address, formatAddress } from "../base/address.ts";
import type { Clock } from "../base/clock.ts";
import { limits } from "../base/limits.ts";
import { type Scope, throwIfEnded } from "../base/scope.ts";
import { type Exclusion, isOver } from "./exclusion.ts";
import type { Flight } from "./flight.ts";

const what = "objects that a sheep was to remove";

/**
 * Knows when the removals are over that sheep do by themselves. A gateway answers a write of slots
 * and removes the objects that they named some time later, whatever lies in them by then; stopped,
 * it does so when it wakes.
 * Source: protocol §8.5
 */
export class Removals {
  readonly #clock: Clock;
  readonly #exclusion: Exclusion;
  /** Who may have something to remove. */
  readonly #sheep = new Map<string, Address>();
  /** Counts additions, so that a wait does not forget those that came meanwhile. */
  readonly #counts = new Map<string, number>();
  /** What ended before is over. */
  #overBeforeMs = Number.NEGATIVE_INFINITY;

  constructor(clock: Clock, exclusion: Exclusion) {
    this.#clock = clock;
    this.#exclusion = exclusion;
  }

  /** That sheep has, or may have, executed this request. */
  mayRemove(flight: Flight, address: Address): void {
    if (!flight.writesInode) return;
    const title = formatAddress(address);
    this.#sheep.set(title, address);
    this.#counts.set(title, (this.#counts.get(title) ?? 0) + 1);
  }

  /**
   * Returns when each of them has run for `removalRunMs` since, or is gone: what was to be removed
   * for a write that had ended by then is removed, or never is. Nobody is asked at once, as it is
   * mostly over soon and then not waited for any more.
   * @throws timed_out | cancelled
   */
  async over(endedMs: number, scope: Scope): Promise<void> {
    if (endedMs < this.#overBeforeMs) return;
    const clock = this.#clock;
    await new Promise<void>((resolve) => clock.after(limits.removalWaitMs, resolve));
    throwIfEnded(scope, clock, what);
    const since = { atMs: clock.nowMs(), forMs: limits.removalRunMs };
    const counts = new Map(this.#counts);
    const suspects = [...this.#sheep.values()].map((address) => this.#exclusion.suspect(address));
    for (const suspect of suspects) suspect.wanted += 1;
    try {
      while (!isOver(suspects, since, clock.nowMs())) {
        throwIfEnded(scope, clock, what);
        await new Promise<void>((resolve) => clock.after(limits.removalLookMs, resolve));
      }
    } finally {
      for (const suspect of suspects) suspect.wanted -= 1;
    }
    this.#overBeforeMs = Math.max(this.#overBeforeMs, since.atMs);
    for (const [title, count] of counts) {
      if (this.#counts.get(title) !== count) continue;
      this.#sheep.delete(title);
      this.#counts.delete(title);
    }
  }
}
