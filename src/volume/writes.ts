import { asSheepfsError, SheepfsError } from "../base/errors.ts";
import { limits } from "../base/limits.ts";
import { RangeLock } from "../base/ranges.ts";
import type { Scope } from "../base/scope.ts";
import type { Transfer } from "../base/transfer.ts";
import { waitWithin } from "../base/waiting.ts";
import type { VolumeCore } from "./core.ts";
import { SnapshotFollower } from "./follow.ts";
import { Generations } from "./generations.ts";
import { IndexWriter } from "./index-writer.ts";
import { interrupted, Leaving } from "./leaving.ts";
import type { Job, JobMode, Piece, PieceOwner } from "./piece.ts";
import { holeSlot, lockEnd, lockStart, lockUnitBytes, unloadedSlot, writeKind } from "./plan.ts";
import { Quiet } from "./quiet.ts";
import { isGone, objectRemoved } from "./removal.ts";
import { boundsError, isOfBlock, RequestPool } from "./requests.ts";
import { WaitingPieces } from "./waiting.ts";

/** What zeros are written from. */
const zeros = new Uint8Array(limits.pieceBytesMax);

/**
 * Writes of one volume. A piece claims its range, in the order of arrival where ranges overlap; the
 * first write of a block claims all of it until its object and its slot are acknowledged. When the
 * VDI has become a snapshot, whatever is not acknowledged waits for the new one and is planned anew.
 */
export class WritePath implements PieceOwner {
  readonly generations = new Generations();
  readonly #core: VolumeCore;
  readonly #pool = new RequestPool();
  readonly #lock = new RangeLock();
  readonly #waiting: WaitingPieces;
  readonly #follower: SnapshotFollower;
  readonly #leaving = new Leaving();
  #writer: IndexWriter;
  /** Pieces at the store. */
  #inflight = 0;
  /** Pieces that hold their range and wait for the volume's new VDI, or until nobody holds back. */
  #parked: Piece[] = [];
  #following: Promise<void> | null = null;
  /** How many hold back what is not sent yet. */
  #holders = 0;
  /** Nothing is at the store and no slot is being written: what the VDI got is known. */
  readonly #quiet = new Quiet(() => this.#inflight === 0 && this.#writer.idle);

  constructor(core: VolumeCore) {
    this.#core = core;
    this.#writer = this.#newWriter();
    this.#follower = new SnapshotFollower(core);
    this.#waiting = new WaitingPieces(core.ports.clock, (piece, error) => {
      this.#waiting.remove(piece);
      this.#finish(piece, this.#error(piece, error));
    });
  }

  submit(transfer: Transfer): void {
    const refused = boundsError(transfer, this.#core.geometry.sizeBytes, this.#core.title);
    if (refused === null) this.#begin(transfer, "data");
    else transfer.done(refused);
  }

  /**
   * Makes bytes zero: `zeros` in part of a block, `clear` in a whole one, which becomes a hole; or
   * `settle`s its slot.
   */
  submitZeros(
    transfer: Omit<Transfer, "buffer" | "at" | "lend">,
    mode: Exclude<JobMode, "data">,
  ): void {
    this.#begin(
      {
        offset: transfer.offset,
        length: transfer.length,
        scope: transfer.scope,
        buffer: zeros,
        at: 0,
        lend: () => false,
        done: (error) => transfer.done(error),
      },
      mode,
    );
  }

  /**
   * Writes the slots of which an update failed, as far as what others read of them would differ from
   * what is read here. One of which that fails again stays as it is: the first failure was told.
   * @throws cancelled | timed_out
   */
  async settleSlots(scope: Scope): Promise<void> {
    const core = this.#core;
    const { objectBytes, blockCount } = core.geometry;
    const owed = [...core.touched.owedWithin(0, blockCount)];
    for (let at = 0; at < owed.length; at += limits.discardBlocksInflightMax) {
      const settles = owed.slice(at, at + limits.discardBlocksInflightMax).map((index) => {
        const extent = { offset: index * objectBytes, length: 1, scope: core.newScope() };
        return new Promise<void>((done) => {
          this.submitZeros({ ...extent, done: () => done() }, "settle");
        });
      });
      await core.whileWanted(scope, () => Promise.all(settles));
    }
  }

  /**
   * Moves the volume to the working VDI that its name means now; shared by all who notice.
   * @throws read_only when there is none | stale | corrupt | unavailable
   */
  follow(): Promise<void> {
    this.#following ??= this.#follow();
    return this.#following;
  }

  /** The same; when a move fails that was under way before, what it met with may be over. */
  followAnew(): Promise<void> {
    return this.#following === null ? this.follow() : this.#following.catch(() => this.follow());
  }

  /**
   * Holds back what is not sent yet, until `release`: once it resolves, nothing is under way, and
   * what was acknowledged is all that there is.
   * @throws cancelled | timed_out, and nothing is held back
   */
  async hold(scope: Scope): Promise<void> {
    const { clock } = this.#core.ports;
    this.#holders += 1;
    const what = `${this.#core.title}: writes under way`;
    // How a move that was under way ends is told to whoever waits for it.
    const moved = this.#following?.catch(() => {}) ?? Promise.resolve();
    try {
      await waitWithin(
        moved.then(() => this.#quiet.until()),
        scope,
        { clock, what },
      );
    } catch (thrown) {
      this.release();
      throw thrown;
    }
  }

  /**
   * @param doubt why it is not known whether the VDI has become a snapshot: what only changes slots
   *   ends with it, as no sheep would refuse that
   */
  release(doubt: SheepfsError | null = null): void {
    this.#holders -= 1;
    if (this.#holders === 0 && this.#following === null) this.#resume(null, doubt);
  }

  /** Blocks that may get a slot although nobody waits for that any more. */
  begunWithin(from: number, end: number): Iterable<number> {
    return this.#leaving.within(from, end);
  }

  close(): void {
    this.#waiting.close();
  }

  pieceGranted(piece: Piece): void {
    this.#waiting.remove(piece);
    this.#plan(piece);
  }

  pieceDone(piece: Piece, error: SheepfsError | null): void {
    this.#inflight -= 1;
    if (error === null) this.#stored(piece);
    else if (error.code === "read_only") this.#refused(piece, error);
    else if (error.code === "stale" && !error.inDoubt) void this.#missing(piece, error);
    else this.#finish(piece, this.#error(piece, error));
    this.#quiet.check();
  }

  pieceIndexed(piece: Piece, error: SheepfsError | null, once: boolean): void {
    const { touched, ports } = this.#core;
    if (touched.isLeaving(piece.index)) {
      this.#core.clearedAtMs = ports.clock.nowMs();
      if (!once) touched.markRemovedTwice(piece.index);
    }
    if (error === null) {
      this.#core.slotChanged(piece.index, piece.slot, piece.value);
      this.#finish(piece, null);
      return;
    }
    this.#core.slotUnsure(piece.index, piece.slot, piece.value);
    this.#finish(piece, this.#error(piece, error));
  }

  piecePulled(piece: Piece): void {
    this.#park(piece);
  }

  pieceResolved(piece: Piece): void {
    if (!piece.inDoubt) {
      piece.resolvedEarly = true;
      return;
    }
    this.generations.doubtOver();
    // It may have landed after the slot was last read.
    if (piece.indexing && piece.vid === this.#core.vid) {
      this.#core.clearedAtMs = this.#core.ports.clock.nowMs();
      this.#core.slotUnsure(piece.index, piece.slot, piece.value);
    }
    this.#free(piece);
  }

  #begin(transfer: Transfer, mode: JobMode): void {
    const job = this.#pool.job(transfer, mode, this.#core.geometry.objectBytes);
    job.generation = this.generations.enter();
    this.#pump(job);
  }

  #pump(job: Job): void {
    job.beginning = true;
    while (job.error === null && job.pieces < limits.piecesInflightMax && job.cursor.next()) {
      job.pieces += 1;
      this.#claim(this.#pool.piece(this, job));
    }
    job.beginning = false;
    if (job.pieces > 0) {
      this.#leaving.check(job);
      return;
    }
    const { transfer, error, generation, left } = job;
    job.unsubscribe?.();
    this.#pool.freeJob(job);
    if (generation !== null) this.generations.leave(generation);
    if (!left) transfer.done(error);
  }

  #claim(piece: Piece): void {
    const whole = isOfBlock(piece.job.mode);
    piece.start = whole ? 0 : lockStart(piece.offset);
    piece.end = whole ? this.#core.geometry.objectBytes : lockEnd(piece.offset, piece.length);
    if (this.#lock.acquire(piece)) this.#plan(piece);
    else this.#waiting.add(piece);
  }

  /** Decides what the piece does now that it has its range; called again whenever that may change. */
  #plan(piece: Piece): void {
    const core = this.#core;
    if (core.failure !== null) {
      this.#finish(piece, core.failure);
      return;
    }
    if (piece.job.left) {
      this.#finish(piece, interrupted());
      return;
    }
    if (this.#following !== null || this.#holders > 0) {
      this.#park(piece);
      return;
    }
    const slot = core.index.get(piece.index);
    if (slot === unloadedSlot) {
      void this.#load(piece);
      return;
    }
    piece.slot = slot;
    const { mode } = piece.job;
    const isHole = slot === holeSlot && !core.touched.isOwed(piece.index);
    if (mode !== "data" && isHole) this.#finish(piece, null);
    else if (mode === "settle") this.#settle(piece);
    else if (mode === "clear") this.#clear(piece);
    else if (core.touched.isLeaving(piece.index)) void this.#awaitRemoval(piece);
    else this.#write(piece);
  }

  #write(piece: Piece): void {
    const core = this.#core;
    const { objectBytes } = core.geometry;
    const kind = writeKind(piece.slot, core.vid, piece.length === objectBytes);
    const whole = piece.start === 0 && piece.end === objectBytes;
    if (kind === "write" && !core.touched.isOwed(piece.index)) {
      if (whole) {
        const end = lockEnd(piece.offset, piece.length);
        this.#lock.shrink(piece, lockStart(piece.offset), end);
      }
    } else {
      if (!whole && !this.#widen(piece)) return;
    }
    piece.cowVid = kind === "cow" ? piece.slot : 0;
    this.#send(piece, kind);
  }

  /** Claims the whole object; false when that must be waited for. */
  #widen(piece: Piece): boolean {
    // It may be granted, and planned, before `widen` returns.
    this.#waiting.add(piece);
    if (!this.#lock.widen(piece, 0, this.#core.geometry.objectBytes)) return false;
    this.#waiting.remove(piece);
    return true;
  }

  #settle(piece: Piece): void {
    const { touched, vid } = this.#core;
    const { index, slot } = piece;
    const isOwed = touched.isOwed(index);
    // An update that nobody has seen may not have been made, and stays as it is.
    if (isOwed && touched.isLeaving(index) && slot === vid) void this.#settleLeaving(piece);
    else if (!isOwed || (slot !== vid && slot !== holeSlot)) this.#finish(piece, null);
    else if (slot === vid) this.#index(piece, slot);
    else if (touched.isLeaving(index)) this.#clear(piece);
    else this.#finish(piece, null);
  }

  /** A discard failed, and its slot is as before: when its object is gone all the same, it was made. */
  async #settleLeaving(piece: Piece): Promise<void> {
    const { touched } = this.#core;
    try {
      if (!(await isGone(this.#core, piece.index))) {
        this.#finish(piece, null);
        return;
      }
    } catch (error) {
      this.#finish(piece, this.#error(piece, asSheepfsError(error)));
      return;
    }
    this.#core.slotPutBack(touched, piece.index);
    this.#plan(piece);
  }

  #clear(piece: Piece): void {
    const core = this.#core;
    if (core.geometry.kind === "btree") {
      // Nobody counts references there: an object without a slot would stay for ever. It is
      // replaced by one of zeros, which takes the space of what is sent.
      piece.cowVid = 0;
      piece.length = Math.min(lockUnitBytes, piece.length);
      this.#send(piece, "create");
      return;
    }
    // Of an update that failed some copies may name an object of ours.
    const isOwed = core.touched.isOwed(piece.index);
    // Should it fail, we know that there was one.
    if (piece.slot === core.vid) core.touched.sawCreated(piece.index);
    if (piece.slot === core.vid || isOwed) {
      core.touched.markLeaving(piece.index);
      if (isOwed) core.touched.markRemovedTwice(piece.index);
      core.lastCleared = piece.index;
    }
    this.#index(piece, holeSlot);
  }

  #send(piece: Piece, kind: "write" | "create" | "cow"): void {
    const { header, ports } = this.#core;
    piece.kind = kind;
    piece.indexing = false;
    piece.vid = header.vid;
    piece.copies = header.copies;
    piece.copyPolicy = header.copyPolicy;
    this.#inflight += 1;
    ports.store.submit(piece);
  }

  #stored(piece: Piece): void {
    const { vid, touched } = this.#core;
    const isNamed = piece.kind === "write" || piece.slot === vid;
    if (isNamed && !touched.isOwed(piece.index)) this.#finish(piece, null);
    // Its index is the old VDI's: done again in the new one.
    else if (this.#following !== null) this.#park(piece);
    else this.#index(piece, vid);
  }

  #index(piece: Piece, value: number): void {
    piece.vid = this.#core.vid;
    piece.value = value;
    piece.indexing = true;
    this.#writer.add(piece);
    this.#leaving.setAside(piece);
  }

  /** Somebody made a snapshot of the VDI; or the piece was under way when that was noticed. */
  #refused(piece: Piece, error: SheepfsError): void {
    piece.snapshots += 1;
    if (piece.snapshots > limits.snapshotRetriesMax) {
      this.#finish(piece, this.#error(piece, error));
    } else if (this.#following === null && piece.vid !== this.#core.vid) {
      this.#plan(piece);
    } else {
      this.#park(piece);
      // Whoever is parked is told how it ends.
      this.follow().catch(() => {});
    }
  }

  async #follow(): Promise<void> {
    let failure: SheepfsError | null = null;
    try {
      this.#writer.pull();
      // The promise of this very move is known only when its first step has returned.
      await Promise.resolve();
      await this.#quiet.until();
      await this.#follower.follow();
      this.#writer = this.#newWriter();
    } catch (error) {
      const { code, message } = asSheepfsError(error);
      // What of the move may still land is the follower's matter: none of the pieces can.
      failure = new SheepfsError(code, message, { cause: error });
    }
    this.#following = null;
    this.#resume(failure);
    if (failure !== null) throw failure;
  }

  /** What was set aside goes on, or ends with a failure. */
  #resume(failure: SheepfsError | null, doubt: SheepfsError | null = null): void {
    const parked = this.#parked;
    this.#parked = [];
    for (const piece of parked) {
      this.#leaving.takeBack(piece);
      const { mode } = piece.job;
      const refused = mode === "clear" || mode === "settle" ? (failure ?? doubt) : failure;
      if (refused === null) this.#plan(piece);
      else this.#finish(piece, this.#error(piece, refused));
    }
  }

  async #load(piece: Piece): Promise<void> {
    try {
      await this.#core.whileWanted(piece.scope, (scope) => this.#core.loadSlot(piece.index, scope));
    } catch (error) {
      this.#finish(piece, this.#error(piece, asSheepfsError(error)));
      return;
    }
    this.#plan(piece);
  }

  async #awaitRemoval(piece: Piece): Promise<void> {
    const { touched, vid } = this.#core;
    try {
      const { index } = piece;
      const once = !touched.isOwed(index) && !touched.isRemovedTwice(index);
      const removal = await this.#core.whileWanted(piece.scope, () =>
        objectRemoved(this.#core, index, once),
      );
      if (removal === "gone" && piece.slot === vid) this.#core.slotPutBack(touched, piece.index);
    } catch (error) {
      this.#finish(piece, this.#error(piece, asSheepfsError(error)));
      return;
    }
    touched.unmarkLeaving(piece.index);
    this.#plan(piece);
  }

  /** The slot names an object that is not there: one of them is out of date. */
  async #missing(piece: Piece, error: SheepfsError): Promise<void> {
    try {
      if (piece.reloaded) {
        const text = "the index names an object that does not exist";
        throw new SheepfsError("corrupt", text, { cause: error });
      }
      piece.reloaded = true;
      if (piece.vid === this.#core.vid) {
        await this.#core.whileWanted(piece.scope, () => this.#core.reloadSlot(piece.index));
      }
    } catch (failure) {
      this.#finish(piece, this.#error(piece, asSheepfsError(failure)));
      return;
    }
    this.#plan(piece);
  }

  #newWriter(): IndexWriter {
    const core = this.#core;
    return new IndexWriter(
      core.index,
      () => core.newScope(),
      () => this.#quiet.check(),
    );
  }

  #error(piece: Piece, error: SheepfsError): SheepfsError {
    return this.#core.ioError(error, "write", { index: piece.index, within: piece.offset });
  }

  #park(piece: Piece): void {
    this.#parked.push(piece);
    this.#leaving.setAside(piece);
  }

  #finish(piece: Piece, error: SheepfsError | null): void {
    const { job } = piece;
    this.#leaving.takeBack(piece);
    job.pieces -= 1;
    if (error !== null) job.error ??= error;
    if (error?.inDoubt === true && !piece.resolvedEarly) {
      piece.inDoubt = true;
      this.generations.doubt();
    } else this.#free(piece);
    if (!job.beginning) this.#pump(job);
  }

  #free(piece: Piece): void {
    this.#lock.release(piece);
    this.#pool.freePiece(piece);
  }
}
