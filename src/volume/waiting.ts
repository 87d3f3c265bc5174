import type { Clock, Timer } from "../base/clock.ts";
import { SheepfsError } from "../base/errors.ts";
import { limits } from "../base/limits.ts";
import type { Piece } from "./piece.ts";

/**
 * Pieces that wait for their range. Now and then it looks at their deadlines: a timer for each of
 * them would cost more than the wait.
 */
export class WaitingPieces {
  readonly #pieces = new Set<Piece>();
  readonly #clock: Clock;
  readonly #expired: (piece: Piece, error: SheepfsError) => void;
  #timer: Timer | null = null;

  constructor(clock: Clock, expired: (piece: Piece, error: SheepfsError) => void) {
    this.#clock = clock;
    this.#expired = expired;
  }

  add(piece: Piece): void {
    this.#pieces.add(piece);
    this.#timer ??= this.#clock.after(limits.lockSweepMs, () => this.#sweep());
  }

  /** The timer is left: it finds nothing, or whoever waits by then. */
  remove(piece: Piece): void {
    this.#pieces.delete(piece);
  }

  close(): void {
    this.#timer?.cancel();
    this.#timer = null;
  }

  #sweep(): void {
    this.#timer = null;
    const nowMs = this.#clock.nowMs();
    for (const piece of [...this.#pieces]) {
      // One that went may have let others have their turn.
      if (!this.#pieces.has(piece)) continue;
      const { cancelled, deadlineMs } = piece.scope;
      if (cancelled) this.#expired(piece, new SheepfsError("cancelled", "interrupted"));
      else if (nowMs >= deadlineMs) this.#expired(piece, timedOut());
    }
    if (this.#pieces.size > 0) {
      this.#timer ??= this.#clock.after(limits.lockSweepMs, () => this.#sweep());
    }
  }
}

function timedOut(): SheepfsError {
  return new SheepfsError("timed_out", "an earlier write of the same place has not ended");
}
