import type { Clock } from "../base/clock.ts";
import type { Scope } from "../base/scope.ts";
import { waitWithin } from "../base/waiting.ts";

/** Work on one thing is done one after the other, work on different things at once. */
export class OneByOne {
  readonly #clock: Clock;
  /** The end of the last work on each thing that has any. */
  readonly #last = new Map<string, Promise<void>>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** @throws cancelled | timed_out before it begins | whatever the work throws */
  async take<T>(thing: string, work: () => Promise<T>, scope: Scope): Promise<T> {
    const before = this.#last.get(thing) ?? Promise.resolve();
    const mine = Promise.withResolvers<void>();
    // Who gives up waiting does not let the next one overtake.
    const last = before.then(() => mine.promise);
    this.#last.set(thing, last);
    const over = (): void => {
      if (this.#last.get(thing) === last) this.#last.delete(thing);
    };
    last.then(over, over);
    try {
      await waitWithin(before, scope, { clock: this.#clock, what: "waiting for its turn" });
      return await work();
    } finally {
      mine.resolve();
    }
  }
}
