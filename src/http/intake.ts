import type { SheepfsError } from "../base/errors.ts";
import { limits } from "../base/limits.ts";
import { Inbox } from "./inbox.ts";
import type { HttpSocket } from "./socket.ts";

const headEnd = Buffer.from("\r\n\r\n");
const cr = 0x0d;
const lf = 0x0a;

/** Why nothing comes any more; null when something may be there. */
export type Told = (why: SheepfsError | null) => void;

/**
 * What a client sends, taken off its socket as heads and bodies are asked for. What arrives unasked
 * is kept up to a bound; then the client has to wait.
 */
export class Intake {
  readonly #socket: HttpSocket;
  /** Shared by all connections: holds nothing between two calls. */
  readonly #reads: Buffer;
  readonly #inbox = new Inbox();
  #ended = false;
  #paused = false;
  #waiter: Told | null = null;

  constructor(socket: HttpSocket, reads: Buffer) {
    this.#socket = socket;
    this.#reads = reads;
  }

  /** Bytes that are kept. */
  get held(): number {
    return this.#inbox.size;
  }

  /** The client has ended its direction. */
  get ended(): boolean {
    return this.#ended;
  }

  /** A body waits for its next bytes. */
  get awaited(): boolean {
    return this.#waiter !== null;
  }

  /** What is kept, as text. */
  get heldText(): string {
    if (this.#inbox.size === 0) return "";
    const { bytes, from, to } = this.#inbox;
    return bytes.toString("latin1", from, to);
  }

  /**
   * Reads once. A head that came whole is neither kept nor copied.
   * @returns the first whole head without its empty line; null while there is none, or `ended`
   */
  readHead(): string | null {
    const reads = this.#reads;
    const count = this.#socket.read(reads, 0, reads.length);
    if (count <= 0) {
      if (count < 0) this.#ended = true;
      return null;
    }
    if (this.#inbox.size > 0) {
      this.#inbox.add(reads, 0, count);
      return this.heldHead();
    }
    const start = headStart(reads, 0, count);
    const at = findHead(reads, start, count);
    if (at < 0) {
      this.#inbox.add(reads, 0, count);
      return null;
    }
    this.#inbox.add(reads, at + headEnd.length, count);
    return reads.toString("latin1", start, at + 2);
  }

  /** The same from what is kept. */
  heldHead(): string | null {
    if (this.#inbox.size === 0) return null;
    const { bytes, from, to } = this.#inbox;
    const start = headStart(bytes, from, to);
    const at = findHead(bytes, start, to);
    if (at < 0) return null;
    this.#inbox.skip(at + headEnd.length - from);
    return bytes.toString("latin1", start, at + 2);
  }

  /** Puts what is there into `into[at, at+length)`. @returns bytes, 0 none now, -1 at the end */
  pull(into: Uint8Array, at: number, length: number): number {
    const kept = this.#inbox.take(into, at, length);
    if (kept === length) return kept;
    const count = this.#ended ? -1 : this.#socket.read(into, at + kept, length - kept);
    if (count >= 0) return kept + count;
    this.#ended = true;
    return kept === 0 ? -1 : kept;
  }

  /** Calls `told` once when `pull` has something to tell. */
  wait(told: Told): void {
    if (this.#ended || this.#inbox.size > 0) {
      told(null);
      return;
    }
    this.#waiter = told;
    this.resume();
  }

  /** Whoever waits is told. */
  tell(why: SheepfsError | null): void {
    const waiter = this.#waiter;
    this.#waiter = null;
    waiter?.(why);
  }

  /** Something has arrived while an answer is under way. */
  readAhead(): void {
    if (this.#waiter !== null) {
      this.tell(null);
      return;
    }
    if (this.#inbox.size > 0) {
      this.#pause();
      return;
    }
    this.gather();
    if (this.#ended) this.#pause();
  }

  /** Reads once and keeps it, when nothing is kept: what lies between chunks comes byte by byte. */
  gather(): void {
    if (this.#ended || this.#inbox.size > 0) return;
    const count = this.#socket.read(this.#reads, 0, this.#reads.length);
    if (count > 0) this.#inbox.add(this.#reads, 0, count);
    if (count < 0) this.#ended = true;
  }

  /** Reads up to `bytesMax` bytes and forgets them. @returns how many */
  readAway(bytesMax: number): number {
    const kept = Math.min(bytesMax, this.#inbox.size);
    this.#inbox.skip(kept);
    const length = Math.min(bytesMax - kept, this.#reads.length);
    if (length === 0) return kept;
    const count = this.#ended ? -1 : this.#socket.read(this.#reads, 0, length);
    if (count < 0) this.#ended = true;
    return kept + Math.max(0, count);
  }

  /** Forgets what is kept. */
  clear(): void {
    this.#inbox.skip(this.#inbox.size);
  }

  resume(): void {
    if (!this.#paused || this.#ended) return;
    this.#paused = false;
    this.#socket.resume();
  }

  #pause(): void {
    if (this.#paused) return;
    this.#paused = true;
    this.#socket.pause();
  }
}

/** Some clients send an empty line after a body (RFC 9112 §2.2). */
function headStart(bytes: Buffer, from: number, to: number): number {
  let start = from;
  while (start + 1 < to && bytes[start] === cr && bytes[start + 1] === lf) start += 2;
  return start;
}

/** Where the empty line behind the head at `start` is; -1 when there is none, or too late. */
function findHead(bytes: Buffer, start: number, to: number): number {
  const at = bytes.indexOf(headEnd, start);
  const end = at + headEnd.length;
  return at < 0 || end > to || end - start > limits.httpHeadBytesMax ? -1 : at;
}
