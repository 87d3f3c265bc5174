import type { SheepfsError } from "../base/errors.ts";
import type { Scope } from "../base/scope.ts";
import type { Tube } from "../base/transfer.ts";
import type { DataObjectHeader } from "../wire/header.ts";

/**
 * One request on one data object, passed by submission. The submitter owns it and may reuse it
 * after `done` (after `resolved` when `done` said inDoubt).
 */
export interface ObjectRequest extends DataObjectHeader {
  /** A read fills `buffer[at, at+length)`; the others borrow it until `done`. */
  readonly buffer: Uint8Array;
  readonly at: number;
  readonly scope: Scope;
  /** Reads only: offers the whole answer where it lies, during the call; true when it was taken. */
  lend(bytes: Uint8Array, at: number): boolean;
  /** Reads only; see Transfer.tube. */
  tube?(): Tube | null;
  /** Called exactly once, never before `submit` returns. */
  done(error: SheepfsError | null): void;
  /** Only after `done` with an error that is `inDoubt`: the write can no longer land. */
  resolved(): void;
}
