import type { Clock } from "./clock.ts";
import { SheepfsError } from "./errors.ts";
import { type Scope, throwIfEnded } from "./scope.ts";

/**
 * Waits for work that others wait for too, until `scope` ends; the work itself goes on.
 * @throws cancelled | timed_out | whatever the work throws
 */
export async function waitWithin<T>(
  work: Promise<T>,
  scope: Scope,
  about: { readonly clock: Clock; readonly what: string },
): Promise<T> {
  const { clock, what } = about;
  // Whoever stops waiting is not told of its failure.
  work.catch(() => {});
  throwIfEnded(scope, clock, what);
  const ended = Promise.withResolvers<never>();
  const fail = (): void => {
    try {
      throwIfEnded(scope, clock, what);
      ended.reject(new SheepfsError("timed_out", `${what}: no answer before the deadline`));
    } catch (thrown) {
      ended.reject(thrown);
    }
  };
  const unsubscribe = scope.onCancel(fail);
  const leftMs = scope.deadlineMs - clock.nowMs();
  const timer = Number.isFinite(leftMs) ? clock.after(leftMs, fail) : null;
  try {
    return await Promise.race([work, ended.promise]);
  } finally {
    unsubscribe();
    timer?.cancel();
  }
}

/** The same scope, ending `patienceMs` from now at the latest. */
export function impatient(scope: Scope, clock: Clock, patienceMs: number): Scope {
  return {
    deadlineMs: Math.min(scope.deadlineMs, clock.nowMs() + patienceMs),
    get cancelled() {
      return scope.cancelled;
    },
    onCancel: (fn) => scope.onCancel(fn),
  };
}
