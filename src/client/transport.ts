import type { Address } from "../base/address.ts";
import type { SheepfsError } from "../base/errors.ts";
import type { Tube } from "../base/transfer.ts";

/** Byte streams to a sheep as a port: the real one is in `sys/`, the simulation has another. */
export interface Transport {
  /**
   * Begins to connect and returns at once; `events.open` or `events.close` follows, never before
   * `connect` has returned.
   */
  connect(to: Address, events: LinkEvents): Link;
}

export interface Link {
  /** Reads what has arrived into `into[at, at+length)`: bytes read, 0 none now, -1 end of stream. */
  read(into: Uint8Array, at: number, length: number): number;
  /** Reads into a tube as `read` does into memory; `tubeFull` when that cannot go on. */
  pour?(tube: Tube, length: number): number;
  /**
   * Sends `head[headAt, +headLength)` then `body[bodyAt, +bodyLength)` in one system call, without
   * keeping either: returns how many bytes of the two were taken. What was not taken is the
   * caller's to offer again after `events.writable`.
   */
  write(
    head: Uint8Array,
    headAt: number,
    headLength: number,
    body: Uint8Array | null,
    bodyAt: number,
    bodyLength: number,
  ): number;
  /** Asks for one `events.flush` at the end of the present burst of events: gathers small writes. */
  flushSoon(): void;
  /** Stops `events.readable` until `resume`: back-pressure to the peer. */
  pause(): void;
  resume(): void;
  /**
   * Closes at once; no event follows. What the peer does not have yet never reaches it: an orderly
   * close would let the kernel go on sending writes that have been replayed elsewhere.
   */
  destroy(): void;
}

export interface LinkEvents {
  open(): void;
  /** Bytes can be read; called again as long as some are left unread. */
  readable(): void;
  /** Called once after a `write` that did not take everything. */
  writable(): void;
  flush(): void;
  /**
   * The last event. `why` is null when the peer ended the stream in order; `refused` is true when
   * the connection was refused: nobody listens there, so a sheep that did is gone.
   */
  close(why: SheepfsError | null, refused?: boolean): void;
}
