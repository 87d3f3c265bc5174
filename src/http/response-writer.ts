import { assert } from "../base/assert.ts";
import { SheepfsError } from "../base/errors.ts";
import type { MaybePromise } from "../base/maybe-promise.ts";
import type { BodyWriter } from "./body-writer.ts";
import type { HttpSocket } from "./socket.ts";

/** Whose response is written. */
export interface WriterOwner {
  /** The socket has taken all of the response. */
  sent(): void;
  /** The body may offer again. */
  mayOffer(): void;
  /** It ends here, incomplete. */
  failed(why: SheepfsError): void;
}

/** A head is encoded here on its way to the socket. */
const scratch = Buffer.allocUnsafeSlow(16 * 1024);
const nothing = new Uint8Array(0);

interface PendingWrite {
  readonly bytes: Uint8Array;
  at: number;
  length: number;
  readonly settled: PromiseWithResolvers<void> | null;
}

/** Sends one response after the other over a socket, the head together with the body's first bytes. */
export class ResponseWriter implements BodyWriter {
  readonly #socket: HttpSocket;
  readonly #owner: WriterOwner;
  #at: "resting" | "sending" | "closed" = "resting";
  /** Not yet offered to the socket. */
  #head: string | null = null;
  /** What it did not take of the head. */
  #headRest: Uint8Array | null = null;
  #bodyLeft = 0;
  #pending: PendingWrite | null = null;
  #blocked = false;
  /** Counts what was taken, for whoever looks for a reader that takes nothing. */
  progress = 0;

  constructor(socket: HttpSocket, owner: WriterOwner) {
    this.#socket = socket;
    this.#owner = owner;
  }

  /** The client has to take something before this response goes on. */
  get blocked(): boolean {
    return this.#at === "sending" && this.#blocked;
  }

  /** Nothing of the response under way has gone to the socket. */
  get untouched(): boolean {
    return this.#at === "sending" && this.#head !== null;
  }

  /** Begins a response; its head leaves with the first bytes of its body. */
  begin(head: string, bodyBytes: number): void {
    assert(this.#at === "resting" || this.untouched, "one response at a time");
    this.#at = "sending";
    this.#head = head;
    this.#bodyLeft = bodyBytes;
  }

  /** Sends a whole body, or only the head. @param bytes must not change until `sent` */
  whole(bytes: Uint8Array | null): void {
    const body = bytes ?? nothing;
    const taken = this.#push(body, 0, body.length);
    if (this.#isSent()) return;
    this.#pending = { bytes: body, at: taken, length: body.length - taken, settled: null };
  }

  offer(bytes: Uint8Array, at: number, length: number): number {
    if (this.#at !== "sending" || this.#blocked) return 0;
    assert(this.#pending === null, "one write at a time");
    const taken = this.#push(bytes, at, length);
    this.#isSent();
    return taken;
  }

  write(bytes: Uint8Array, at: number, length: number): MaybePromise<void> {
    if (this.#at !== "sending") throw new SheepfsError("cancelled", "the client is gone");
    assert(this.#pending === null, "one write at a time");
    const taken = this.#blocked ? 0 : this.#push(bytes, at, length);
    if (taken === length && this.#headRest === null) {
      this.#isSent();
      return;
    }
    const settled = Promise.withResolvers<void>();
    this.#pending = { bytes, at: at + taken, length: length - taken, settled };
    return settled.promise;
  }

  fail(why: SheepfsError): void {
    if (this.#at === "sending") this.#owner.failed(why);
  }

  /** The socket's: it takes more. */
  writable(): void {
    this.#blocked = false;
    if (this.#at !== "sending") return;
    const pending = this.#pending;
    if (pending === null) {
      // Of a head that went alone the rest goes with what the body offers next.
      this.#owner.mayOffer();
      return;
    }
    const taken = this.#push(pending.bytes, pending.at, pending.length);
    pending.at += taken;
    pending.length -= taken;
    if (pending.length > 0 || this.#headRest !== null) return;
    this.#pending = null;
    this.#isSent();
    pending.settled?.resolve();
  }

  /** Nothing is sent any more; who waits is told why. */
  close(why: SheepfsError): void {
    this.#at = "closed";
    const pending = this.#pending;
    this.#pending = null;
    this.#head = null;
    this.#headRest = null;
    pending?.settled?.reject(why);
  }

  /** @returns bytes of the body that were taken */
  #push(bytes: Uint8Array, at: number, length: number): number {
    assert(length <= this.#bodyLeft, "a body is no longer than announced");
    let taken: number;
    if (this.#head !== null) taken = this.#pushHead(this.#head, bytes, at, length);
    else if (this.#headRest !== null) taken = this.#pushRest(this.#headRest, bytes, at, length);
    else {
      taken = this.#socket.write(bytes, at, length, null, 0, 0);
      this.progress += taken;
      this.#blocked = taken < length;
    }
    this.#bodyLeft -= taken;
    return taken;
  }

  #pushHead(head: string, bytes: Uint8Array, at: number, length: number): number {
    this.#head = null;
    if (head.length > scratch.length) {
      return this.#pushRest(Buffer.from(head, "latin1"), bytes, at, length);
    }
    scratch.write(head, 0, head.length, "latin1");
    const taken = this.#socket.write(scratch, 0, head.length, bytes, at, length);
    return this.#headTaken(scratch, head.length, taken, length);
  }

  #pushRest(rest: Uint8Array, bytes: Uint8Array, at: number, length: number): number {
    const taken = this.#socket.write(rest, 0, rest.length, bytes, at, length);
    return this.#headTaken(rest, rest.length, taken, length);
  }

  #headTaken(head: Uint8Array, headLength: number, taken: number, length: number): number {
    this.progress += taken;
    this.#blocked = taken < headLength + length;
    if (taken < headLength) {
      // A copy: the scratch is the next one's.
      this.#headRest = Uint8Array.prototype.slice.call(head, taken, headLength);
      return 0;
    }
    this.#headRest = null;
    return taken - headLength;
  }

  #isSent(): boolean {
    if (this.#at !== "sending" || this.#bodyLeft > 0) return false;
    if (this.#head !== null || this.#headRest !== null) return false;
    this.#at = "resting";
    this.#pending = null;
    this.#owner.sent();
    return true;
  }
}
