/** Time as a port, so that a simulation can own it. The real one is in `sys/`. */
export interface Clock {
  /** Monotonic milliseconds, from an arbitrary start. */
  nowMs(): number;
  /** Wall clock, milliseconds since 1970. */
  wallMs(): number;
  /** Runs `fn` once, `delayMs` from now, unless cancelled. */
  after(delayMs: number, fn: () => void): Timer;
}

export interface Timer {
  cancel(): void;
}
