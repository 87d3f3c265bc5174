import type { Clock } from "../base/clock.ts";
import { asSheepfsError } from "../base/errors.ts";
import { limits } from "../base/limits.ts";
import { deadlineScope, type Scope } from "../base/scope.ts";
import { impatient, waitWithin } from "../base/waiting.ts";
import type { Patience } from "./patience.ts";

export interface FreshOptions<T> {
  /** For messages: what could not be had. */
  readonly what: string;
  readonly make: (scope: Scope) => Promise<T>;
  readonly clock: Clock;
  readonly patience: Patience;
  /** How long it is not made again; `limits.textCacheMs` if not given. */
  readonly freshMs?: number;
  /** For what takes long to make: at least so many times as long as that is it not made again. */
  readonly freshTimes?: number;
}

/** One making under way, and which state of the world it will show. */
interface Flight<T> {
  readonly version: number;
  readonly startedMs: number;
  readonly promise: Promise<T>;
}

/**
 * A value that is made at most once per `freshMs`, whoever and how many ask, and at once
 * anew when it is known to have changed.
 */
export class Fresh<T> {
  readonly #options: FreshOptions<T>;
  #version = 0;
  #flight: Flight<T> | null = null;
  #last: { readonly value: T } | null = null;
  /** Until when the last making, also a failed one, is not repeated. */
  #freshUntilMs = Number.NEGATIVE_INFINITY;
  #failed = false;

  constructor(options: FreshOptions<T>) {
    this.#options = options;
  }

  /** The last value that could be made, however old. */
  get last(): T | null {
    return this.#last?.value ?? null;
  }

  /** What was made before is not shown to anybody who asks from now on. */
  invalidate(): void {
    this.#version += 1;
    this.#freshUntilMs = Number.NEGATIVE_INFINITY;
  }

  /** @throws whatever making it throws | cancelled | timed_out */
  async get(scope: Scope): Promise<T> {
    const { clock, what } = this.#options;
    if (this.#last !== null && !this.#failed && this.#isFresh()) return this.#last.value;
    return await waitWithin(this.#join().promise, scope, { clock, what });
  }

  /**
   * For who can do with an older value: waits a moment for a fresh one, and never fails for want of
   * it. In trouble the cluster is not asked again before the next interval.
   */
  async getSoon(scope: Scope): Promise<T | null> {
    const { clock, what, patience } = this.#options;
    if (this.#isFresh()) return this.last;
    const soon = impatient(scope, clock, patience.ms);
    try {
      return await waitWithin(this.#join().promise, soon, { clock, what });
    } catch (thrown) {
      if (asSheepfsError(thrown).code === "timed_out") patience.ranOut();
      // Whoever needs the value itself asks with get() and has the error.
      return this.last;
    }
  }

  #isFresh(): boolean {
    return this.#options.clock.nowMs() < this.#freshUntilMs;
  }

  #join(): Flight<T> {
    if (this.#flight?.version === this.#version) return this.#flight;
    const startedMs = this.#options.clock.nowMs();
    const flight = { version: this.#version, startedMs, promise: this.#make() };
    this.#flight = flight;
    flight.promise.then(
      (value) => this.#landed(flight, { value }),
      () => this.#landed(flight, null),
    );
    return flight;
  }

  #landed(flight: Flight<T>, made: { readonly value: T } | null): void {
    if (this.#flight === flight) this.#flight = null;
    if (made !== null) this.#options.patience.answered();
    // What began before an invalidation shows the world before it.
    if (flight.version !== this.#version) return;
    if (made !== null) this.#last = made;
    this.#failed = made === null;
    const { clock, freshMs = limits.textCacheMs, freshTimes = 0 } = this.#options;
    const nowMs = clock.nowMs();
    this.#freshUntilMs = nowMs + Math.max(freshMs, freshTimes * (nowMs - flight.startedMs));
  }

  /** Belongs to all who wait, so it has a deadline of its own. */
  async #make(): Promise<T> {
    return await this.#options.make(deadlineScope(this.#options.clock, limits.operationTimeoutMs));
  }
}
