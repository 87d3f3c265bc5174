import type { Clock } from "../base/clock.ts";
import { limits } from "../base/limits.ts";

/** The longest delay that the event loop's timers take, about 24 days. */
const delayMsMax = 0x7fff_ffff;

/**
 * Time in which this process ran. When it was stopped, or its machine was frozen, whoever it waits for
 * has not been silent: the answers lie in its sockets, and no deadline is over for it. A suspended
 * machine's monotonic clock stands still by itself.
 */
class RunningTime {
  #pausedMs = 0;
  #seenMs = performance.now();
  #beats = false;

  nowMs(): number {
    const realMs = performance.now();
    const goneMs = realMs - this.#seenMs;
    this.#seenMs = realMs;
    if (this.#beats && goneMs > limits.pauseMs) this.#pausedMs += goneMs - limits.pauseBeatMs;
    return realMs - this.#pausedMs;
  }

  /** From now on it is looked at so often that only a pause keeps it from being. */
  beat(): void {
    if (this.#beats) return;
    this.nowMs();
    this.#beats = true;
    setInterval(() => this.nowMs(), limits.pauseBeatMs).unref();
  }
}

const running = new RunningTime();

export const realClock: Clock = {
  nowMs: () => running.nowMs(),
  wallMs: () => Date.now(),
  after: (delayMs, fn) => {
    // A deadline that is never reached needs no timer; the loop would take it as one of 1 ms.
    if (delayMs > delayMsMax) return { cancel() {} };
    running.beat();
    const dueMs = running.nowMs() + delayMs;
    let timer = setTimeout(due, Math.max(0, delayMs));
    function due(): void {
      const leftMs = dueMs - running.nowMs();
      // The event loop counts whole milliseconds: one that is early by less is due.
      if (leftMs < 1) fn();
      else timer = setTimeout(due, leftMs);
    }
    return { cancel: () => clearTimeout(timer) };
  },
};
