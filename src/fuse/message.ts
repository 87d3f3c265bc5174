import { assert } from "../base/assert.ts";
import type { Clock } from "../base/clock.ts";
import { SheepfsError } from "../base/errors.ts";
import { limits } from "../base/limits.ts";
import type { Scope, Unsubscribe } from "../base/scope.ts";
import type { Transfer, Tube } from "../base/transfer.ts";
import { InHeader, OutHeader, ReadIn, resentBit, WriteIn, WriteOut } from "./abi.ts";
import { errnoOf, ioErrnoOf } from "./errno.ts";

/** Where a message's own fields begin, behind the header. */
export const bodyAt = InHeader.size;
/** Where the data of a WRITE begins. */
export const writeDataAt = InHeader.size + WriteIn.size;
/** Replies are built behind the longest request that is still needed while its reply is made. */
const replyAt = InHeader.size + ReadIn.size;
/** Where the body of a reply is built. */
export const replyBodyAt = replyAt + OutHeader.size;
/** The kernel wants room for the largest WRITE with its headers; a page keeps it round. */
export const messageBufferBytes = limits.messageBytesMax + 4096;

assert(replyBodyAt + limits.messageBytesMax <= messageBufferBytes, "a full READ reply has room");
assert(writeDataAt + limits.messageBytesMax <= messageBufferBytes, "a full WRITE has room");

/** Who lends messages out and carries their replies. */
export interface MessageOwner {
  /**
   * Sends `head[headAt, +headLength)` and `body[bodyAt, +bodyLength)` as one reply, keeping
   * neither. False when the kernel no longer wants it, which is not an error.
   */
  send(
    head: Uint8Array,
    headAt: number,
    headLength: number,
    body: Uint8Array | null,
    bodyAt: number,
    bodyLength: number,
  ): boolean;
  /** A tube that is empty, or null. */
  takeTube(): Tube | null;
  /**
   * The same as `send` for a head in memory and a body in tubes, one after the other, which it
   * empties. Where they cannot be joined it may fill the buffer behind the head.
   */
  sendTubes(head: Uint8Array, headAt: number, headLength: number, tubes: readonly Tube[]): boolean;
  giveTube(tube: Tube): void;
  /** The message is answered and its buffer free for the next one. */
  release(message: Message): void;
  /** Why a message is about to be answered with an errno. */
  failing(error: SheepfsError): void;
}

/**
 * One request of the kernel in the buffer it was read into, from arrival to answer; then used
 * again. It is its own Transfer and its own scope's owner, so that a read or write allocates
 * nothing.
 */
export class Message implements Transfer {
  readonly buffer: Uint8Array;
  readonly view: DataView;
  readonly scope: MessageScope;
  /** Bytes of the message in `buffer`. */
  bytes = 0;
  opcode = 0;
  uniqueLow = 0;
  uniqueHigh = 0;
  nodeId = 0;
  uid = 0;
  gid = 0;
  // The Transfer: see there.
  offset = 0;
  length = 0;
  at = 0;
  /** Tubes for parts of the answer, in order of these. */
  readonly #parts: { readonly tube: Tube; readonly at: number }[] = [];
  #writing = false;
  #state: "free" | "working" | "answered" = "free";
  readonly #owner: MessageOwner;

  constructor(owner: MessageOwner, clock: Clock, timeoutMs: number) {
    // The storage first and the views after it: a small array's storage may move (see sys).
    const storage = new ArrayBuffer(messageBufferBytes);
    this.buffer = new Uint8Array(storage);
    this.view = new DataView(storage);
    this.scope = new MessageScope(clock, timeoutMs);
    this.#owner = owner;
  }

  get working(): boolean {
    return this.#state === "working";
  }

  /** The kernel has sent it before, and got no answer. */
  get resent(): boolean {
    return (this.uniqueHigh & resentBit) !== 0;
  }

  /** Its number, the same when it is sent again. */
  get unique(): string {
    return `${(this.uniqueHigh & ~resentBit) >>> 0}:${this.uniqueLow}`;
  }

  /** Takes the `bytes` that were read into the buffer as the next request. */
  begin(bytes: number): void {
    assert(this.#state === "free", "a message is begun once");
    const view = this.view;
    const field = InHeader.offsets;
    this.#state = "working";
    this.bytes = bytes;
    this.opcode = view.getUint32(field.opcode, true);
    this.uniqueLow = view.getUint32(field.uniqueLow, true);
    this.uniqueHigh = view.getUint32(field.uniqueHigh, true);
    this.nodeId =
      view.getUint32(field.nodeIdLow, true) +
      view.getUint32(field.nodeIdHigh, true) * 0x1_0000_0000;
    this.uid = view.getUint32(field.uid, true);
    this.gid = view.getUint32(field.gid, true);
    this.scope.begin();
  }

  /** The 32-bit field at `offset` of the message's own struct. */
  u32(offset: number): number {
    return this.view.getUint32(bodyAt + offset, true);
  }

  /**
   * The 64-bit field at `offset` of the message's own struct.
   * @throws too_large beyond what is exact; nothing that we serve is so large
   */
  u64(offset: number): number {
    const high = this.view.getUint32(bodyAt + offset + 4, true);
    if (high > 0x1f_ffff) throw new SheepfsError("too_large", "an offset beyond 2^53");
    return this.view.getUint32(bodyAt + offset, true) + high * 0x1_0000_0000;
  }

  /** Becomes the transfer of a read into the place of its own reply. */
  asRead(offset: number, length: number): Transfer {
    this.#writing = false;
    this.offset = offset;
    this.length = length;
    this.at = replyBodyAt;
    return this;
  }

  /** Becomes the transfer of a write from where the kernel's data lies. */
  asWrite(offset: number, length: number): Transfer {
    this.#writing = true;
    this.offset = offset;
    this.length = length;
    this.at = writeDataAt;
    return this;
  }

  /** Transfer: the answer of a read goes to the kernel from where it lies. */
  lend(bytes: Uint8Array, at: number): boolean {
    assert(!this.#writing && this.#state === "working", "only a read not yet answered is lent to");
    this.#header(0, this.length);
    this.#state = "answered";
    this.#owner.send(this.buffer, replyAt, OutHeader.size, bytes, at, this.length);
    return true;
  }

  /** Transfer: the end of the read or write. */
  done(error: SheepfsError | null): void {
    if (this.#state === "answered") this.#release();
    else if (error !== null) this.failIo(error);
    else if (this.#writing) this.replyWritten(this.length);
    else if (this.#parts.length > 0) this.#replyParts();
    else this.reply(this.length);
  }

  /** Transfer: a tube for a part of a read's answer. */
  tube(at: number, length: number): Tube | null {
    assert(!this.#writing && this.#state === "working", "only a read has tubes");
    assert(at >= this.at && at + length <= this.at + this.length, "a part lies in the answer");
    const tube = this.#owner.takeTube();
    if (tube !== null) this.#parts.push({ tube, at });
    return tube;
  }

  /** All of the answer is in tubes, or some of it in the buffer. */
  #replyParts(): void {
    const parts = this.#parts.filter((part) => part.tube.bytes > 0).sort((a, b) => a.at - b.at);
    let bytes = 0;
    for (const part of parts) bytes += part.tube.bytes;
    assert(bytes <= this.length, "tubes have no more than the answer");
    if (bytes < this.length) {
      for (const { tube, at } of parts) tube.drain(this.buffer, at);
      this.reply(this.length);
      return;
    }
    const tubes = parts.map((part) => part.tube);
    this.#header(0, this.length);
    this.#state = "answered";
    this.#owner.sendTubes(this.buffer, replyAt, OutHeader.size, tubes);
    this.#release();
  }

  replyWritten(bytes: number): void {
    this.view.setUint32(replyBodyAt + WriteOut.offsets.size, bytes, true);
    this.view.setUint32(replyBodyAt + 4, 0, true);
    this.reply(WriteOut.size);
  }

  /**
   * Answers with `bodyBytes` that were put at `replyBodyAt`, and gives the message back.
   * @returns false when the kernel no longer wants it: what the answer told of is not held by it
   */
  reply(bodyBytes: number): boolean {
    assert(this.#state === "working", "a message is answered once");
    this.#header(0, bodyBytes);
    this.#state = "answered";
    const taken = this.#owner.send(this.buffer, replyAt, OutHeader.size + bodyBytes, null, 0, 0);
    this.#release();
    return taken;
  }

  /** Answers with what the error is to a program, says why in the log, gives the message back. */
  failWith(error: SheepfsError): void {
    this.#owner.failing(error);
    this.fail(errnoOf[error.code]);
  }

  /** The same for reading, writing and making durable. */
  failIo(error: SheepfsError): void {
    this.#owner.failing(error);
    this.fail(ioErrnoOf(error.code));
  }

  /** Answers with an error and gives the message back. */
  fail(error: number): void {
    assert(this.#state === "working", "a message is answered once");
    assert(error > 0, "an errno");
    this.#header(error, 0);
    this.#state = "answered";
    this.#owner.send(this.buffer, replyAt, OutHeader.size, null, 0, 0);
    this.#release();
  }

  /** Gives back a message that wants no answer (FORGET, INTERRUPT). */
  drop(): void {
    assert(this.#state === "working", "a message is dropped once");
    this.#release();
  }

  #header(error: number, bodyBytes: number): void {
    const view = this.view;
    view.setUint32(replyAt, OutHeader.size + bodyBytes, true);
    view.setInt32(replyAt + OutHeader.offsets.error, -error, true);
    view.setUint32(replyAt + OutHeader.offsets.uniqueLow, this.uniqueLow, true);
    view.setUint32(replyAt + OutHeader.offsets.uniqueHigh, this.uniqueHigh, true);
  }

  #release(): void {
    this.#state = "free";
    for (const { tube } of this.#parts) this.#owner.giveTube(tube);
    this.#parts.length = 0;
    this.scope.end();
    this.#owner.release(this);
  }
}

/** A scope that is used again for each message; nobody may keep it past the answer. */
class MessageScope implements Scope {
  deadlineMs = 0;
  cancelled = false;
  readonly #clock: Clock;
  readonly #timeoutMs: number;
  readonly #listeners: (() => void)[] = [];

  constructor(clock: Clock, timeoutMs: number) {
    this.#clock = clock;
    this.#timeoutMs = timeoutMs;
  }

  begin(): void {
    this.deadlineMs = this.#clock.nowMs() + this.#timeoutMs;
    this.cancelled = false;
  }

  end(): void {
    this.#listeners.length = 0;
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
    if (this.cancelled) return;
    this.cancelled = true;
    for (const fn of this.#listeners.splice(0)) fn();
  }
}
