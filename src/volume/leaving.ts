import { SheepfsError } from "../base/errors.ts";
import type { Job, Piece } from "./piece.ts";

/**
 * Lets whoever is interrupted go while pieces of its write are set aside: their bytes are stored, and
 * their slots are being written or wait for the volume's new VDI. What the write has begun goes on,
 * holds its blocks and is waited for by a flush; no byte of the writer's is looked at any more.
 */
export class Leaving {
  /** Set aside, by block. */
  readonly #blocks = new Map<number, number>();

  /** Blocks of which a piece is set aside: what comes later goes by their slots only after it. */
  *within(from: number, end: number): Generator<number> {
    for (const index of this.#blocks.keys()) if (index >= from && index < end) yield index;
  }

  /** The piece waits for something that is not its own. */
  setAside(piece: Piece): void {
    if (piece.aside) return;
    const { job } = piece;
    piece.aside = true;
    job.aside += 1;
    this.#count(piece.index, 1);
    const { scope } = job.transfer;
    // A closure only for a write that waits so, and one for all of its pieces.
    job.unsubscribe ??= scope.onCancel(() => this.check(job));
  }

  /** The piece goes on, or ends. */
  takeBack(piece: Piece): void {
    if (!piece.aside) return;
    piece.aside = false;
    piece.job.aside -= 1;
    this.#count(piece.index, -1);
  }

  #count(index: number, change: number): void {
    const count = (this.#blocks.get(index) ?? 0) + change;
    if (count === 0) this.#blocks.delete(index);
    else this.#blocks.set(index, count);
  }

  /** To be called when pieces of the job have ended as well. */
  check(job: Job): void {
    const { transfer } = job;
    if (!transfer.scope.cancelled || job.left) return;
    if (job.beginning || job.pieces === 0 || job.aside < job.pieces) return;
    job.error ??= interrupted();
    job.left = true;
    transfer.done(job.error);
  }
}

export function interrupted(): SheepfsError {
  const text = "interrupted while it was made reachable; it may have been written";
  return new SheepfsError("cancelled", text);
}
