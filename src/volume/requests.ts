import { SheepfsError } from "../base/errors.ts";
import { limits } from "../base/limits.ts";
import type { Transfer } from "../base/transfer.ts";
import { Job, type JobMode, Piece, type PieceOwner } from "./piece.ts";

/** Jobs and pieces for reuse. */
export class RequestPool {
  readonly #jobs: Job[] = [];
  readonly #pieces: Piece[] = [];

  job(transfer: Transfer, mode: JobMode, objectBytes: number): Job {
    const job = this.#jobs.pop() ?? new Job(transfer);
    job.transfer = transfer;
    job.mode = mode;
    job.pieces = 0;
    job.error = null;
    job.generation = null;
    job.beginning = false;
    job.aside = 0;
    job.left = false;
    job.unsubscribe = null;
    const pieceBytesMax = isOfBlock(mode) ? objectBytes : limits.pieceBytesMax;
    job.cursor.begin(transfer, objectBytes, pieceBytesMax);
    return job;
  }

  freeJob(job: Job): void {
    if (this.#jobs.length < limits.pooledRequestsMax) this.#jobs.push(job);
  }

  piece(owner: PieceOwner, job: Job): Piece {
    const piece = this.#pieces.pop() ?? new Piece(owner, job);
    piece.begin(job);
    return piece;
  }

  freePiece(piece: Piece): void {
    if (this.#pieces.length < limits.pooledRequestsMax) this.#pieces.push(piece);
  }
}

/** Whether it is about whole blocks, each in one piece. */
export function isOfBlock(mode: JobMode): boolean {
  return mode === "clear" || mode === "settle";
}

/** @returns the error when the transfer does not lie within the volume, else null */
export function boundsError(
  transfer: Transfer,
  sizeBytes: number,
  title: string,
): SheepfsError | null {
  const { offset, length } = transfer;
  if (length > 0 && offset >= 0 && offset + length <= sizeBytes) return null;
  return new SheepfsError(
    "range",
    `${title}: bytes ${offset} to ${offset + length} are not all within its ${sizeBytes} bytes`,
  );
}
