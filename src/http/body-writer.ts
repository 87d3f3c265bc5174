import type { SheepfsError } from "../base/errors.ts";
import type { MaybePromise } from "../base/maybe-promise.ts";

/** Where a streamed body goes: the client's socket, with its back-pressure. */
export interface BodyWriter {
  /**
   * Offers bytes that may change after the call (a lent answer): returns how many the socket took.
   * What was not taken is the caller's to keep and to pass to `write`, or to offer again after the
   * body's `writable`, which follows.
   */
  offer(bytes: Uint8Array, at: number, length: number): number;
  /**
   * Sends all of the bytes, which must not change until the returned Promise (if any) settles.
   * @throws cancelled when the client is gone | timed_out when it takes nothing for too long
   */
  write(bytes: Uint8Array, at: number, length: number): MaybePromise<void>;
  /** Ends a body that goes on after `send` has returned: the rest cannot be had. */
  fail(why: SheepfsError): void;
}
