import { assert } from "../base/assert.ts";
import type { Clock } from "../base/clock.ts";
import { SheepfsError } from "../base/errors.ts";
import { limits } from "../base/limits.ts";
import type { Logger } from "../base/log.ts";
import type { Tube } from "../base/transfer.ts";
import { InHeader } from "./abi.ts";
import { errno } from "./errno.ts";
import { Message, type MessageOwner, messageBufferBytes } from "./message.ts";
import { TroubleLog } from "./trouble-log.ts";

/** The device as a port: system calls that give a count or a negative errno. `sys/` has the real one. */
export interface FuseDevice {
  /** One whole message into `into[at, at+length)`. */
  read(into: Uint8Array, at: number, length: number): number;
  /** One whole reply from two places. */
  write(
    head: Uint8Array,
    headAt: number,
    headLength: number,
    body: Uint8Array | null,
    bodyAt: number,
    bodyLength: number,
  ): number;
  /** Where it takes a reply's body from tubes: `send` gives what `write` does, and empties them. */
  readonly tubes?: {
    take(): Tube | null;
    give(tube: Tube): void;
    send(head: Uint8Array, headAt: number, headLength: number, tubes: readonly Tube[]): number;
  };
  /** Whether `readable` is called while there is something to read. */
  watch(watching: boolean): void;
  close(): void;
}

export interface ChannelEvents {
  message(message: Message): void;
  /** The last event: null when it was unmounted, else what went wrong. */
  ended(why: SheepfsError | null): void;
}

/**
 * The flow of messages from the kernel and of replies to it. Every message under way owns one
 * buffer; when all are taken nothing more is read, and the kernel keeps its callers waiting.
 */
export class Channel implements MessageOwner {
  readonly #device: FuseDevice;
  readonly #events: ChannelEvents;
  readonly #clock: Clock;
  readonly #timeoutMs: number;
  readonly #log: Logger;
  readonly #trouble: TroubleLog;
  readonly #messages: Message[] = [];
  /** Used last, taken first: as few buffers as possible are touched. */
  readonly #free: Message[] = [];
  #state: "reading" | "full" | "ended" = "reading";
  #whenIdle: (() => void)[] = [];
  #stopped = false;

  constructor(
    device: FuseDevice,
    events: ChannelEvents,
    ports: { readonly clock: Clock; readonly log: Logger; readonly timeoutMs: number },
  ) {
    this.#device = device;
    this.#events = events;
    this.#clock = ports.clock;
    this.#timeoutMs = ports.timeoutMs;
    this.#log = ports.log;
    this.#trouble = new TroubleLog(ports.clock, ports.log);
  }

  /** All that were ever needed, those under way among them. */
  get messages(): readonly Message[] {
    return this.#messages;
  }

  get inFlight(): number {
    return this.#messages.length - this.#free.length;
  }

  /** Called by the reactor: takes what the kernel has, until it has nothing more. */
  readable(): void {
    if (this.#stopped) return;
    for (let count = 0; count < limits.messagesPerBurstMax; count += 1) {
      const message = this.#take();
      if (message === null) return;
      const bytes = this.#device.read(message.buffer, 0, messageBufferBytes);
      if (bytes <= 0) {
        this.#free.push(message);
        if (!this.#readsOn(bytes)) return;
      } else if (bytes < InHeader.size) {
        this.#free.push(message);
        this.#end(new SheepfsError("corrupt", `a message of ${bytes} bytes from /dev/fuse`));
        return;
      } else {
        message.begin(bytes);
        this.#events.message(message);
      }
    }
  }

  send(
    head: Uint8Array,
    headAt: number,
    headLength: number,
    body: Uint8Array | null,
    bodyAt: number,
    bodyLength: number,
  ): boolean {
    if (this.#state === "ended") return false;
    const sent = this.#device.write(head, headAt, headLength, body, bodyAt, bodyLength);
    return this.#taken(sent, headLength + bodyLength);
  }

  takeTube(): Tube | null {
    return this.#device.tubes?.take() ?? null;
  }

  giveTube(tube: Tube): void {
    this.#device.tubes?.give(tube);
  }

  sendTubes(head: Uint8Array, headAt: number, headLength: number, tubes: readonly Tube[]): boolean {
    const { tubes: device } = this.#device;
    assert(device !== undefined, "who gave the tubes takes them");
    if (this.#state === "ended") return false;
    return this.#taken(device.send(head, headAt, headLength, tubes), headLength);
  }

  #taken(sent: number, bytes: number): boolean {
    if (sent >= 0) return true;
    // The request was aborted, or the mount is gone: nobody waits for this answer.
    if (sent !== -errno.ENOENT && sent !== -errno.ENODEV && sent !== -errno.EPERM) {
      this.#log.error(`the kernel refused a reply of ${bytes} bytes: errno ${-sent}`);
    }
    return false;
  }

  failing(error: SheepfsError): void {
    this.#trouble.note(error);
  }

  release(message: Message): void {
    this.#free.push(message);
    if (this.#state === "full") {
      this.#state = "reading";
      this.#device.watch(!this.#stopped);
    }
    if (this.inFlight === 0) {
      for (const fn of this.#whenIdle.splice(0)) fn();
    }
  }

  /** Calls `fn` once no message is under way. */
  onIdle(fn: () => void): void {
    if (this.inFlight === 0) fn();
    else this.#whenIdle.push(fn);
  }

  /** Reads no more. Messages under way can still be answered until `close`. */
  stopReading(): void {
    this.#stopped = true;
    if (this.#state !== "ended") this.#device.watch(false);
  }

  /** Reads again after `stopReading`. */
  goOn(): void {
    this.#stopped = false;
    if (this.#state === "reading") this.#device.watch(true);
  }

  /** Gives the device back: what is unanswered fails in the kernel. */
  close(): void {
    if (this.#state !== "ended") this.#end(null);
    this.#device.close();
  }

  #take(): Message | null {
    if (this.#state !== "reading") return null;
    const message = this.#free.pop();
    if (message !== undefined) return message;
    if (this.#messages.length < limits.messagesInflightMax) {
      const fresh = new Message(this, this.#clock, this.#timeoutMs);
      this.#messages.push(fresh);
      return fresh;
    }
    this.#state = "full";
    this.#device.watch(false);
    return null;
  }

  /** What a read that gave no message means; false when there is nothing to read now. */
  #readsOn(result: number): boolean {
    assert(this.#state === "reading", "only who reads is told");
    switch (-result) {
      case errno.EAGAIN:
        return false;
      // A request taken back before it was read, and a signal.
      case errno.ENOENT:
      case errno.EINTR:
        return true;
      case 0:
      case errno.ENODEV:
      case errno.ECONNABORTED:
        this.#end(null);
        return false;
      default:
        this.#end(new SheepfsError("internal", `reading /dev/fuse failed: errno ${-result}`));
        return false;
    }
  }

  #end(why: SheepfsError | null): void {
    this.#device.watch(false);
    this.#state = "ended";
    this.#events.ended(why);
  }
}
