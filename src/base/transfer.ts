import type { SheepfsError } from "./errors.ts";
import type { Scope } from "./scope.ts";

/**
 * A place inside the kernel that a long answer can be put in on its way from a socket to a reader,
 * without a copy in our memory. What is in it never changes.
 */
export interface Tube {
  /** Bytes in it. */
  readonly bytes: number;
  /** Moves all of it to `into[at, at+bytes)`. */
  drain(into: Uint8Array, at: number): void;
  /** Throws away what is in it. */
  clear(): void;
}

/** What filling a tube gives when it takes no more although there is more. */
export const tubeFull = -2;

/**
 * One block read or write under way, passed by submission: no Promise, closure or view per
 * operation. The submitter owns the object and its buffer and may reuse both after `done`.
 */
export interface Transfer {
  /** Byte offset in the file. */
  readonly offset: number;
  /** Bytes wanted, more than 0. The submitter has cut it at the end of the file. */
  readonly length: number;
  /** A read fills `buffer[at, at+length)`; a write borrows it until `done`. */
  readonly buffer: Uint8Array;
  readonly at: number;
  readonly scope: Scope;
  /**
   * Reads only, at most once and before `done`: offers the whole answer where it lies,
   * `bytes[at, at+length)`, valid during the call only. True when it was taken, so that `buffer`
   * need not be filled.
   */
  lend(bytes: Uint8Array, at: number): boolean;
  /**
   * Reads only, as often as wanted before `done`: an empty tube for `buffer[at, at+length)`, a part
   * of the answer. By `done` it has all of that part, or is empty and the part in the buffer. Null
   * where the buffer is to be filled; lent until `done`.
   */
  tube?(at: number, length: number): Tube | null;
  /** Called exactly once, possibly before the submitting call returns (a hole, an error). */
  done(error: SheepfsError | null): void;
}
