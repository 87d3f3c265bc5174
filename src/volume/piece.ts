import type { SheepfsError } from "../base/errors.ts";
import type { RangeHold } from "../base/ranges.ts";
import type { Scope } from "../base/scope.ts";
import type { Transfer } from "../base/transfer.ts";
import { PieceCursor } from "./plan.ts";
import type { ObjectRequest } from "./ports.ts";

/** Who runs the pieces: called back by them. */
export interface PieceOwner {
  pieceGranted(piece: Piece): void;
  pieceDone(piece: Piece, error: SheepfsError | null): void;
  pieceResolved(piece: Piece): void;
}

/** Writes accepted between two syncs. */
export interface Generation {
  /** Writes of it that are not settled. */
  count: number;
}

/** One transfer under way, cut into pieces. Reused. */
export class Job {
  transfer: Transfer;
  readonly cursor = new PieceCursor();
  writes = false;
  /** Pieces begun and not settled. */
  pieces = 0;
  error: SheepfsError | null = null;
  generation: Generation | null = null;
  /** True while its pieces are being begun: what settles meanwhile does not finish it. */
  beginning = false;

  constructor(transfer: Transfer) {
    this.transfer = transfer;
  }
}

/** One piece of a transfer: at once the request to the store and the claim on its range. Reused. */
export class Piece implements ObjectRequest, RangeHold {
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

  job: Job;
  /** It claims or holds a range. */
  locked = false;
  /** Its index part was read anew because an object was missing. */
  reloaded = false;
  /** How often it met a snapshot. */
  snapshots = 0;
  /** Settled for its job, its range closed until the store knows that it can no longer land. */
  inDoubt = false;
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
    this.at = transfer.at + cursor.done;
    this.scope = transfer.scope;
    this.cowVid = 0;
    this.locked = false;
    this.reloaded = false;
    this.snapshots = 0;
    this.inDoubt = false;
  }

  granted(): void {
    this.#owner.pieceGranted(this);
  }

  lend(bytes: Uint8Array, at: number): boolean {
    // Only a transfer of one piece can be answered from where the bytes lie.
    return this.length === this.job.transfer.length && this.job.transfer.lend(bytes, at);
  }

  done(error: SheepfsError | null): void {
    this.#owner.pieceDone(this, error);
  }

  resolved(): void {
    this.#owner.pieceResolved(this);
  }
}
