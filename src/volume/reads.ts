import { asSheepfsError, SheepfsError } from "../base/errors.ts";
import { limits } from "../base/limits.ts";
import type { Transfer } from "../base/transfer.ts";
import type { VolumeCore } from "./core.ts";
import type { Job, Piece, PieceOwner } from "./piece.ts";
import { holeSlot, unloadedSlot } from "./plan.ts";
import { boundsError, RequestPool } from "./requests.ts";

/**
 * Reads of one volume: holes are zeros with no request, all else is read from the VDI that its slot
 * names. Reads take no lock: beside a write they see old bytes or new ones.
 */
export class ReadPath implements PieceOwner {
  readonly #core: VolumeCore;
  readonly #pool = new RequestPool();

  constructor(core: VolumeCore) {
    this.#core = core;
  }

  submit(transfer: Transfer): void {
    const { geometry, title } = this.#core;
    const refused = boundsError(transfer, geometry.sizeBytes, title);
    if (refused !== null) {
      transfer.done(refused);
      return;
    }
    this.#pump(this.#pool.job(transfer, "data", geometry.objectBytes));
  }

  pieceDone(piece: Piece, error: SheepfsError | null): void {
    if (error === null) this.#settle(piece, null);
    else if (error.code === "stale") void this.#missing(piece, error);
    else this.#settle(piece, this.#error(piece, error));
  }

  pieceGranted(): void {}

  pieceResolved(): void {}

  pieceIndexed(): void {}

  piecePulled(): void {}

  #pump(job: Job): void {
    job.beginning = true;
    while (job.error === null && job.pieces < limits.piecesInflightMax && job.cursor.next()) {
      this.#next(job);
    }
    job.beginning = false;
    if (job.pieces > 0) return;
    const { transfer, error } = job;
    this.#pool.freeJob(job);
    transfer.done(error);
  }

  #next(job: Job): void {
    const { cursor, transfer } = job;
    if (this.#core.index.get(cursor.index) === holeSlot) {
      const at = transfer.at + cursor.done;
      transfer.buffer.fill(0, at, at + cursor.length);
      return;
    }
    job.pieces += 1;
    this.#send(this.#pool.piece(this, job));
  }

  #send(piece: Piece): void {
    const { failure } = this.#core;
    if (failure !== null) {
      this.#settle(piece, failure);
      return;
    }
    const slot = this.#core.index.get(piece.index);
    if (slot === unloadedSlot) {
      void this.#load(piece);
      return;
    }
    if (slot === holeSlot) {
      piece.buffer.fill(0, piece.at, piece.at + piece.length);
      this.#settle(piece, null);
      return;
    }
    piece.kind = "read";
    piece.vid = slot;
    piece.copies = this.#core.header.copies;
    piece.copyPolicy = this.#core.header.copyPolicy;
    this.#core.ports.store.submit(piece);
  }

  async #load(piece: Piece): Promise<void> {
    try {
      await this.#core.whileWanted(piece.scope, (scope) => this.#core.loadSlot(piece.index, scope));
    } catch (error) {
      this.#settle(piece, this.#error(piece, asSheepfsError(error)));
      return;
    }
    this.#send(piece);
  }

  /** The slot says there is an object, the sheep that there is none: one of them is out of date. */
  async #missing(piece: Piece, error: SheepfsError): Promise<void> {
    try {
      if (piece.reloaded) {
        throw new SheepfsError("corrupt", "the index names an object that does not exist", {
          cause: error,
        });
      }
      // A discard or a snapshot may have changed the slot since the read was sent.
      if (this.#core.index.get(piece.index) === piece.vid) {
        piece.reloaded = true;
        await this.#core.whileWanted(piece.scope, () => this.#core.reloadSlot(piece.index));
      }
    } catch (failure) {
      this.#settle(piece, this.#error(piece, asSheepfsError(failure)));
      return;
    }
    this.#send(piece);
  }

  #error(piece: Piece, error: SheepfsError): SheepfsError {
    return this.#core.ioError(error, "read", { index: piece.index, within: piece.offset });
  }

  #settle(piece: Piece, error: SheepfsError | null): void {
    const { job } = piece;
    this.#pool.freePiece(piece);
    job.pieces -= 1;
    if (error !== null) job.error ??= error;
    if (!job.beginning) this.#pump(job);
  }
}
