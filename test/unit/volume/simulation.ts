import { drainMicrotasks } from "bun:jsc";
import type { Clock, Timer } from "../../../src/base/clock.ts";
import { CancelScope, type Scope } from "../../../src/base/scope.ts";

/** Longer than anything takes that ends. */
const patienceMs = 600_000;

interface Happening {
  readonly atMs: number;
  readonly fn: () => void;
}

/** Time that passes only when everything else waits, one event after the other. */
export class Simulation implements Clock {
  #nowMs = 0;
  #events: Happening[] = [];

  nowMs(): number {
    return this.#nowMs;
  }

  wallMs(): number {
    return this.#nowMs;
  }

  after(delayMs: number, fn: () => void): Timer {
    const event = { atMs: this.#nowMs + delayMs, fn };
    let at = this.#events.length;
    while (at > 0 && (this.#events[at - 1]?.atMs ?? 0) < event.atMs) at -= 1;
    // The earliest lies last; of two at one time the one that was asked for first.
    this.#events.splice(at, 0, event);
    return {
      cancel: () => {
        const place = this.#events.indexOf(event);
        if (place >= 0) this.#events.splice(place, 1);
      },
    };
  }

  scope(timeoutMs = Number.POSITIVE_INFINITY): Scope {
    return new CancelScope(this.#nowMs + timeoutMs);
  }

  /** Lets things happen until `promise` is settled. */
  run<T>(promise: Promise<T>): T {
    let settled: { readonly value: T } | { readonly error: unknown } | null = null;
    promise.then(
      (value) => {
        settled = { value };
      },
      (error: unknown) => {
        settled = { error };
      },
    );
    this.runUntil(() => settled !== null);
    const end = settled as { readonly value: T } | { readonly error: unknown } | null;
    if (end !== null && "value" in end) return end.value;
    throw end?.error;
  }

  /** Lets things happen until `met`; an error when it never is. */
  runUntil(met: () => boolean): void {
    const untilMs = this.#nowMs + patienceMs;
    for (;;) {
      drainMicrotasks();
      if (met()) return;
      if (!this.#step() || this.#nowMs > untilMs) {
        throw new Error("it waits for something that never happens");
      }
    }
  }

  /** Lets time pass. */
  pass(ms: number): void {
    const untilMs = this.#nowMs + ms;
    for (;;) {
      drainMicrotasks();
      const next = this.#events[this.#events.length - 1];
      if (next === undefined || next.atMs > untilMs) break;
      this.#step();
    }
    this.#nowMs = untilMs;
  }

  #step(): boolean {
    const first = this.#events.pop();
    if (first === undefined) return false;
    this.#nowMs = Math.max(this.#nowMs, first.atMs);
    first.fn();
    // What happens at one time is one burst, as the answers of one read of a socket are.
    for (;;) {
      const next = this.#events[this.#events.length - 1];
      if (next === undefined || next.atMs > this.#nowMs) return true;
      this.#events.pop();
      next.fn();
    }
  }
}
