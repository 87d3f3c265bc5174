import { drainMicrotasks } from "bun:jsc";
import type { Clock, Timer } from "../../src/base/clock.ts";

interface Event {
  readonly atMs: number;
  readonly order: number;
  readonly fn: () => void;
}

/** Time that moves only when told, from one event to the next. */
export class SimulatedClock implements Clock {
  #nowMs = 1_000;
  #order = 0;
  readonly #events: Event[] = [];

  nowMs(): number {
    return this.#nowMs;
  }

  wallMs(): number {
    return 1_700_000_000_000 + this.#nowMs;
  }

  after(delayMs: number, fn: () => void): Timer {
    const event = { atMs: this.#nowMs + Math.max(0, delayMs), order: this.#order, fn };
    this.#order += 1;
    let place = this.#events.length;
    while (place > 0 && (this.#events[place - 1]?.atMs ?? 0) > event.atMs) place -= 1;
    this.#events.splice(place, 0, event);
    return {
      cancel: () => {
        const at = this.#events.indexOf(event);
        if (at >= 0) this.#events.splice(at, 1);
      },
    };
  }

  /** Events still to come. */
  get pending(): number {
    return this.#events.length;
  }

  /** Runs events until `done` says so. @returns whether it did within `limitMs` */
  until(done: () => boolean, limitMs = 600_000): boolean {
    const endMs = this.#nowMs + limitMs;
    drainMicrotasks();
    while (!done()) {
      const [event] = this.#events;
      if (event === undefined || event.atMs > endMs) return false;
      this.#events.shift();
      this.#nowMs = event.atMs;
      event.fn();
      drainMicrotasks();
    }
    return true;
  }

  /** Lets time pass. */
  pass(ms: number): void {
    const endMs = this.#nowMs + ms;
    this.until(() => (this.#events[0]?.atMs ?? Number.POSITIVE_INFINITY) > endMs, ms + 1);
    this.#nowMs = endMs;
  }

  /** Runs until a promise has settled, and gives its value or throws. */
  settle<T>(promise: Promise<T>, limitMs = 600_000): T {
    let end: { readonly value: T } | { readonly error: unknown } | null = null;
    promise.then(
      (value) => {
        end = { value };
      },
      (error: unknown) => {
        end = { error };
      },
    );
    if (!this.until(() => end !== null, limitMs)) throw new Error("it never settled");
    const settled = end as { readonly value: T } | { readonly error: unknown } | null;
    if (settled === null) throw new Error("it never settled");
    if ("error" in settled) throw settled.error;
    return settled.value;
  }
}
