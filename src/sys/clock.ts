import type { Clock } from "../base/clock.ts";

/** The longest delay that the event loop's timers take, about 24 days. */
const delayMsMax = 0x7fff_ffff;

export const realClock: Clock = {
  nowMs: () => performance.now(),
  wallMs: () => Date.now(),
  after: (delayMs, fn) => {
    // A deadline that is never reached needs no timer; the loop would take it as one of 1 ms.
    if (delayMs > delayMsMax) return { cancel() {} };
    const timer = setTimeout(fn, Math.max(0, delayMs));
    return { cancel: () => clearTimeout(timer) };
  },
};
