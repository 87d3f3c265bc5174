import type { SheepfsError } from "../base/errors.ts";
import type { RangeHold } from "../base/ranges.ts";
import type { Scope, Unsubscribe } from "../base/scope.ts";
import type { Transfer, Tube } from "../base/transfer.ts";
import type { Generation } from "./generations.ts";
import type { PendingUpdate } from "./index-writer.ts";
import { PieceCursor } from "./plan.ts";
import type { ObjectRequest } from "./ports.ts";

/** Who runs the pieces: called back by them. */
export interface PieceOwner {
  pieceGranted(piece: Piece): void;
  pieceDone(piece: Piece, error: SheepfsError | null): void;
  pieceResolved(piece: Piece): void;
  /** Its slot was written, or could not be. */
  pieceIndexed(piece: Piece, error: SheepfsError | null, once: boolean): void;
  piecePulled(piece: Piece): void;
}

/**
 * What a job does to its bytes: `data` reads them or writes them from the transfer, `zeros` makes
 * them zero where there is an object, `clear` makes a whole block a hole, and `settle` changes
 * nothing of a block, but writes its slot as we go by it where an update of it has failed.
 */
export type JobMode = "data" | "zeros" | "clear" | "settle";

/** One transfer under way, cut into pieces. Reused. */
export class Job {
  transfer: Transfer;
  readonly cursor = new PieceCursor();
  mode: JobMode = "data";
  /** Pieces begun and not settled. */
  pieces = 0;
  error: SheepfsError | null = null;
  generation: Generation | null = null;
  /** True while its pieces are being begun: what settles meanwhile does not finish it. */
  beginning = false;
  /** Pieces that need nothing of the transfer at the moment. */
  aside = 0;
  /** The transfer was told that it was interrupted; what was begun goes on without it. */
  left = false;
  unsubscribe: Unsubscribe | null = null;

  constructor(transfer: Transfer) {
    this.transfer = transfer;
  }
}

/**
 * One piece of a transfer: at once the request to the store, the claim on its range and the update
 * of its slot. Reused.
 */
export class Piece implements ObjectRequest, RangeHold, PendingUpdate {
  kind: "read" | "write" | "create" | "cow" = "read";
  vid = 0;
  index = 0;
  cowVid = 0;
  copies = 0;
  copyPolicy = 0;
  offset = 0;
  length = 0;
  buffer: Uint8Array;
  at = 0;
  scope: Scope;

  key = 0;
  start = 0;
  end = 0;
  held = false;
  earlier: RangeHold | null = null;
  later: RangeHold | null = null;

  /** What its slot held when it was planned, and what it is to hold. */
  slot = 0;
  value = 0;
  /** Its slot is being written, or was last. */
  indexing = false;

  job: Job;
  /** Its index part was read anew because an object was missing. */
  reloaded = false;
  /** How often it met a snapshot. */
  snapshots = 0;
  /** It is counted in `aside` of its job. */
  aside = false;
  /** Settled for its job, its range closed until the store knows that it can no longer land. */
  inDoubt = false;
  /** The store knew it before the failure was told. */
  resolvedEarly = false;
  readonly #owner: PieceOwner;

  constructor(owner: PieceOwner, job: Job) {
    this.#owner = owner;
    this.job = job;
    this.buffer = job.transfer.buffer;
    this.scope = job.transfer.scope;
  }

  /** Takes the piece that the job's cursor stands on. */
  begin(job: Job): void {
    const { transfer, cursor } = job;
    this.job = job;
    this.index = cursor.index;
    this.key = cursor.index;
    this.offset = cursor.within;
    this.length = cursor.length;
    this.buffer = transfer.buffer;
    // Zeros come from one buffer of them, as long as the longest piece.
    this.at = job.mode === "data" ? transfer.at + cursor.done : transfer.at;
    this.scope = transfer.scope;
    this.cowVid = 0;
    this.reloaded = false;
    this.snapshots = 0;
    this.inDoubt = false;
    this.resolvedEarly = false;
  }

  granted(): void {
    this.#owner.pieceGranted(this);
  }

  lend(bytes: Uint8Array, at: number): boolean {
    // Only a transfer of one piece can be answered from where the bytes lie.
    return this.length === this.job.transfer.length && this.job.transfer.lend(bytes, at);
  }

  tube(): Tube | null {
    return this.job.transfer.tube?.(this.at, this.length) ?? null;
  }

  done(error: SheepfsError | null): void {
    this.#owner.pieceDone(this, error);
  }

  resolved(): void {
    this.#owner.pieceResolved(this);
  }

  settled(error: SheepfsError | null, once: boolean): void {
    this.#owner.pieceIndexed(this, error, once);
  }

  pulled(): void {
    this.#owner.piecePulled(this);
  }
}
