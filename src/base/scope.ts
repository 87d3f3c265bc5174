import type { Clock } from "./clock.ts";
import { SheepfsError } from "./errors.ts";

export type Unsubscribe = () => void;

/**
 * Deadline and cancellation of one operation: the last argument of everything that waits, never
 * stored. Cheap enough for one per message, which an AbortSignal is not.
 */
export interface Scope {
  /** On the clock's monotonic scale; Infinity for none. */
  readonly deadlineMs: number;
  readonly cancelled: boolean;
  /** Calls `fn` once on cancellation (at once if it already happened); never on the deadline. */
  onCancel(fn: () => void): Unsubscribe;
}

/** A scope that its owner can cancel. */
export class CancelScope implements Scope {
  readonly deadlineMs: number;
  #cancelled = false;
  #listeners: Set<() => void> | null = null;

  constructor(deadlineMs: number) {
    this.deadlineMs = deadlineMs;
  }

  get cancelled(): boolean {
    return this.#cancelled;
  }

  onCancel(fn: () => void): Unsubscribe {
    if (this.#cancelled) {
      fn();
      return () => {};
    }
    this.#listeners ??= new Set();
    this.#listeners.add(fn);
    return () => this.#listeners?.delete(fn);
  }

  cancel(): void {
    if (this.#cancelled) return;
    this.#cancelled = true;
    const listeners = this.#listeners;
    this.#listeners = null;
    for (const fn of listeners ?? []) fn();
  }
}

/** A scope that ends `timeoutMs` from now and cannot be cancelled before. */
export function deadlineScope(clock: Clock, timeoutMs: number): Scope {
  return new CancelScope(clock.nowMs() + timeoutMs);
}

/** @throws cancelled | timed_out when `scope` has ended */
export function throwIfEnded(scope: Scope, clock: Clock, what: string): void {
  if (scope.cancelled) throw new SheepfsError("cancelled", `${what}: interrupted`);
  if (clock.nowMs() >= scope.deadlineMs) {
    throw new SheepfsError("timed_out", `${what}: no answer before the deadline`);
  }
}
