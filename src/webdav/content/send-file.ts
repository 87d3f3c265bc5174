import { assert } from "../../base/assert.ts";
import type { Clock } from "../../base/clock.ts";
import { asSheepfsError, SheepfsError } from "../../base/errors.ts";
import { limits } from "../../base/limits.ts";
import type { Random } from "../../base/random.ts";
import type { Scope, Unsubscribe } from "../../base/scope.ts";
import type { Transfer } from "../../base/transfer.ts";
import type { BodyWriter } from "../../http/body-writer.ts";
import type { HttpResponse, StreamedBody } from "../../http/exchange.ts";
import type { Extent, OpenFile } from "../../tree/node.ts";
import { type BufferHolder, BufferPool, type BufferWaiter } from "./buffer-pool.ts";
import { FileHeaders } from "./file-headers.ts";

/** What all answers with a file's bytes share. */
export class FileReads {
  readonly pool = new BufferPool({
    bufferBytes: limits.davReadBytes,
    totalBytes: limits.davReadBytesMax,
  });
  readonly clock: Clock;
  readonly headers = new FileHeaders();
  readonly #spare: ReadPiece[] = [];

  readonly #random: Random;

  constructor({ clock, random }: { readonly clock: Clock; readonly random: Random }) {
    this.clock = clock;
    this.#random = random;
  }

  /** What separates the parts of one answer: nobody who writes to a file may know it before. */
  newBoundary(): string {
    return `ranges-${this.#random.u32().toString(36)}-${this.#random.u32().toString(36)}`;
  }

  piece(): ReadPiece {
    return this.#spare.pop() ?? new ReadPiece(this.clock);
  }

  keep(piece: ReadPiece): void {
    if (this.#spare.length < limits.pooledRequestsMax) this.#spare.push(piece);
  }
}

const nothing = new Uint8Array(0);

/** One read of a body, on its way or waiting to be sent. Reused; its own Transfer and scope. */
class ReadPiece implements Transfer, Scope {
  offset = 0;
  length = 0;
  buffer: Uint8Array = nothing;
  readonly at = 0;
  deadlineMs = 0;
  cancelled = false;
  state: "free" | "reading" | "ready" = "free";
  /** Bytes of it that the client's socket has. */
  sent = 0;
  #owner: FileBody | null = null;
  readonly #clock: Clock;
  readonly #listeners: (() => void)[] = [];

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  get scope(): Scope {
    return this;
  }

  begin(owner: FileBody, buffer: Uint8Array, { offset, length }: Extent): void {
    this.#owner = owner;
    this.buffer = buffer;
    this.offset = offset;
    this.length = length;
    this.sent = 0;
    this.state = "reading";
    this.cancelled = false;
    this.deadlineMs = this.#clock.nowMs() + limits.operationTimeoutMs;
  }

  lend(bytes: Uint8Array, at: number): boolean {
    return this.#owner?.lent(this, bytes, at) ?? false;
  }

  done(error: SheepfsError | null): void {
    this.#listeners.length = 0;
    this.#owner?.pieceDone(this, error);
  }

  onCancel(fn: () => void): Unsubscribe {
    if (this.cancelled) {
      fn();
      return () => {};
    }
    this.#listeners.push(fn);
    return () => {
      const index = this.#listeners.indexOf(fn);
      if (index >= 0) this.#listeners.splice(index, 1);
    };
  }

  cancel(): void {
    this.cancelled = true;
    for (const fn of this.#listeners.splice(0)) fn();
  }

  /** Takes its buffer away from it. */
  end(): Buffer {
    this.#owner = null;
    this.state = "free";
    const { buffer } = this;
    this.buffer = nothing;
    assert(buffer instanceof Buffer, "a piece has a buffer of the pool");
    return buffer;
  }
}

export interface FileBodyOptions {
  readonly reads: FileReads;
  readonly file: OpenFile;
  readonly extent: Extent;
  /** What to answer when not even the first byte can be had. */
  readonly instead: (thrown: unknown) => HttpResponse;
  /** Called once when the client's socket has all of it, before `over`. */
  readonly sent: (() => void) | null;
  /** Called once when nothing of the file is read any more. */
  readonly over: () => void;
}

/**
 * An extent of a file as a body: reads some pieces ahead of what the client takes, sends each from
 * where the cluster's answer lies when it can, and holds no more than the pieces that it has asked
 * for. What a client leaves lying is given up when others need the room, and read again later.
 */
export class FileBody implements StreamedBody, BufferWaiter, BufferHolder {
  readonly lengthBytes: number;
  readonly #options: FileBodyOptions;
  /** In the order of the file; the first is the one that is sent. */
  readonly #pieces: ReadPiece[] = [];
  #writer: BodyWriter | null = null;
  /** What is asked for next, and where it ends. */
  #next: number;
  readonly #end: number;
  #unsent: number;
  #reading = 0;
  #waiting = false;
  #blocked = false;
  /** Its pieces may be taken from it. */
  #stalled = false;
  #released = false;
  #failure: SheepfsError | null = null;
  /** While pieces are begun: what is done at once is sent when all are. */
  #filling = false;

  constructor(options: FileBodyOptions) {
    this.#options = options;
    this.lengthBytes = options.extent.length;
    this.#unsent = options.extent.length;
    this.#next = options.extent.offset;
    this.#end = options.extent.offset + options.extent.length;
  }

  send(writer: BodyWriter): void {
    this.#writer = writer;
    this.#fill();
  }

  writable(): void {
    this.#blocked = false;
    this.#moves();
    this.#drain();
  }

  instead(thrown: unknown): HttpResponse {
    return this.#options.instead(thrown);
  }

  release(): void {
    if (this.#released) return;
    this.#released = true;
    this.#writer = null;
    if (this.#waiting) this.#options.reads.pool.leave(this);
    this.#moves();
    // The one that is being lent has its answer already.
    for (const piece of this.#pieces) {
      if (piece.state === "reading" && piece.sent < piece.length) piece.cancel();
    }
    this.#dropReady();
    if (this.#reading === 0) this.#options.over();
  }

  granted(buffer: Buffer): void {
    this.#waiting = false;
    this.#begin(buffer);
    this.#fill();
  }

  surrender(): void {
    const [first] = this.#pieces;
    assert(this.#reading === 0 && first !== undefined, "only what is read is given up");
    this.#stalled = false;
    this.#next = first.offset + first.sent;
    this.#dropReady();
  }

  /** The piece's: its answer lies at `bytes[at, …)`, for now. */
  lent(piece: ReadPiece, bytes: Uint8Array, at: number): boolean {
    const writer = this.#writer;
    if (writer === null || piece !== this.#pieces[0] || this.#blocked) return false;
    const { length } = piece;
    // What is offered last ends the answer, and releases us.
    piece.sent = length;
    const taken = writer.offer(bytes, at, length);
    if (taken < length) {
      piece.sent = taken;
      this.#blocked = true;
      // Behind a release there is nobody to keep it for, but its buffer is still the piece's.
      copy(bytes, at + taken, at + length, piece.buffer, taken);
    }
    this.#took(taken);
    return true;
  }

  /** The piece's: it was read, or could not be. */
  pieceDone(piece: ReadPiece, error: SheepfsError | null): void {
    this.#reading -= 1;
    piece.state = "ready";
    if (error !== null) this.#failure ??= error;
    if (this.#released) {
      this.#dropReady();
      if (this.#reading === 0) this.#options.over();
      return;
    }
    if (!this.#filling) this.#drain();
  }

  /** Sends what is there, in order, and asks for more. */
  #drain(): void {
    for (;;) {
      const [piece] = this.#pieces;
      const writer = this.#writer;
      if (piece === undefined || piece.state !== "ready" || writer === null) break;
      if (this.#failure !== null) {
        writer.fail(this.#failure);
        return;
      }
      if (piece.sent < piece.length && !this.#blocked) {
        const from = piece.sent;
        piece.sent = piece.length;
        const taken = writer.offer(piece.buffer, from, piece.length - from);
        if (!this.#released) {
          piece.sent = from + taken;
          if (piece.sent < piece.length) this.#blocked = true;
        }
        this.#took(taken);
        if (this.#released) return;
      }
      if (piece.sent < piece.length) break;
      this.#pieces.shift();
      this.#free(piece);
    }
    if (!this.#released) this.#fill();
  }

  /** Asks for what may be asked for. */
  #fill(): void {
    if (this.#filling || this.#released) return;
    const { pool } = this.#options.reads;
    this.#filling = true;
    while (this.#mayRead()) {
      const buffer = pool.take(this);
      if (buffer === null) {
        this.#waiting = true;
        break;
      }
      this.#begin(buffer);
    }
    this.#filling = false;
    // What was there at once, a hole or a text.
    if (this.#pieces[0]?.state === "ready" && !this.#blocked) this.#drain();
    else if (this.#blocked && this.#reading === 0 && this.#pieces.length > 0) {
      this.#stalled = true;
      pool.stalled(this);
    }
  }

  #moves(): void {
    if (this.#stalled) this.#options.reads.pool.moves(this);
    this.#stalled = false;
  }

  #mayRead(): boolean {
    if (this.#waiting || this.#failure !== null || this.#next === this.#end) return false;
    const held = this.#pieces.length;
    if (held === 0) return !this.#blocked;
    return held < limits.davReadsAheadMax && this.#options.reads.pool.plenty;
  }

  #begin(buffer: Buffer): void {
    const { reads, file } = this.#options;
    const length = Math.min(reads.pool.bufferBytes, this.#end - this.#next);
    const piece = reads.piece();
    piece.begin(this, buffer, { offset: this.#next, length });
    this.#next += length;
    this.#pieces.push(piece);
    this.#reading += 1;
    if (file.submitRead !== undefined) file.submitRead(piece);
    else void readText(file, piece);
  }

  #took(bytes: number): void {
    this.#unsent -= bytes;
    if (bytes > 0 && this.#unsent === 0) this.#options.sent?.();
  }

  #dropReady(): void {
    const pieces = this.#pieces;
    let kept = 0;
    for (let at = 0; at < pieces.length; at += 1) {
      const piece = pieces[at];
      if (piece === undefined) continue;
      if (piece.state === "ready") this.#free(piece);
      else {
        pieces[kept] = piece;
        kept += 1;
      }
    }
    pieces.length = kept;
  }

  #free(piece: ReadPiece): void {
    const { reads } = this.#options;
    const buffer = piece.end();
    reads.keep(piece);
    reads.pool.give(buffer);
  }
}

async function readText(file: OpenFile, piece: ReadPiece): Promise<void> {
  try {
    const into = piece.buffer.subarray(0, piece.length);
    const count = await file.read(into, piece.offset, piece);
    const short = new SheepfsError("internal", "a file is shorter than it was when it was opened");
    piece.done(count === piece.length ? null : short);
  } catch (thrown) {
    piece.done(asSheepfsError(thrown));
  }
}

function copy(from: Uint8Array, start: number, end: number, into: Uint8Array, at: number): void {
  // A Buffer copies between two arrays without a view of either.
  if (from instanceof Buffer) from.copy(into, at, start, end);
  else into.set(from.subarray(start, end), at);
}
