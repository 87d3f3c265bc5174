import type { SheepfsError } from "./errors.ts";
import type { Scope } from "./scope.ts";

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
  /** Called exactly once, possibly before the submitting call returns (a hole, an error). */
  done(error: SheepfsError | null): void;
}
