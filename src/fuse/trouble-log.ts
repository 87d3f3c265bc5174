import type { Clock } from "../base/clock.ts";
import { errorTable, type SheepfsError } from "../base/errors.ts";
import type { Logger } from "../base/log.ts";

/** Between two lines; a cluster in trouble fails thousands of requests a second. */
const pauseMs = 1_000;
const exitOfTrouble = 2;

/**
 * Tells the operator why requests of the kernel failed, as an errno explains nothing. What is the
 * caller's own mistake is not told.
 */
export class TroubleLog {
  readonly #clock: Clock;
  readonly #log: Logger;
  #nextMs = Number.NEGATIVE_INFINITY;
  #untold = 0;

  constructor(clock: Clock, log: Logger) {
    this.#clock = clock;
    this.#log = log;
  }

  note(error: SheepfsError): void {
    if (error.told) return;
    if (errorTable[error.code].exit !== exitOfTrouble) {
      if (this.#log.debugging) this.#log.debug(error.message);
      return;
    }
    const nowMs = this.#clock.nowMs();
    // A bug of ours is told each time, with its stack.
    if (error.code === "internal") {
      this.#log.error("a request failed", error);
    } else if (nowMs < this.#nextMs) {
      this.#untold += 1;
    } else {
      const more = this.#untold === 0 ? "" : ` (and ${this.#untold} more since the last line)`;
      this.#log.warn(`${error.message}${more}`);
      this.#untold = 0;
      this.#nextMs = nowMs + pauseMs;
    }
  }
}
