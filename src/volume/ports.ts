import type { SheepfsError } from "../base/errors.ts";
import type { Scope } from "../base/scope.ts";
import type { Tube } from "../base/transfer.ts";
import type { DataObjectHeader } from "../wire/header.ts";
import type { InodeHeader } from "../wire/inode.ts";

/**
 * One request on one object. The submitter owns the object and may reuse it after `done` (after
 * `resolved` when `done` said inDoubt). Numbers only: vid < 2^24, index < 2^32, and
 * offset + length within the object.
 */
export interface ObjectRequest extends DataObjectHeader {
  /** A read fills `buffer[at, at+length)`; the others borrow it until `done`. */
  readonly buffer: Uint8Array;
  readonly at: number;
  readonly scope: Scope;
  /** Reads only; see Transfer.lend. */
  lend(bytes: Uint8Array, at: number): boolean;
  /** Reads only; see Transfer.tube. */
  tube?(): Tube | null;
  /**
   * Called exactly once, never before `submit` returns. A write whose replayed copy might still
   * be executed is not done before that is excluded, or fails with `inDoubt`.
   */
  done(error: SheepfsError | null): void;
  /** Only after `done` with an error that is `inDoubt`: the write can no longer land. */
  resolved(): void;
}

/** What a volume needs of a cluster. Reads and writes are idempotent; creates are not. */
export interface ObjectStore {
  submit(request: ObjectRequest): void;
  /** Fills `into` from byte `offset` of the inode object of `vid`. */
  readInode(vid: number, offset: number, into: Uint8Array, scope: Scope): Promise<void>;
  /**
   * Writes part of the inode object of `vid`; `bytes` borrowed until settled. After a rejection that
   * is `inDoubt`, `resolved` is called when the write can no longer land.
   * @returns whether it was executed once at most
   */
  writeInode(
    vid: number,
    offset: number,
    bytes: Uint8Array,
    scope: Scope,
    resolved?: () => void,
  ): Promise<boolean>;
  /**
   * Returns when what was to be removed for slots that were cleared is removed, or never is.
   * @param clearedAtMs when the last of these writes had ended
   * @throws timed_out | cancelled when that is not to be found out
   */
  removalsOver(clearedAtMs: number, scope: Scope): Promise<void>;
  /** Reads `into.length` bytes of a hypervolume's index node. */
  readIndexNode(vid: number, number: number, into: Uint8Array, scope: Scope): Promise<void>;
  /** Like `writeInode`, of an index node; `create` makes the object. */
  writeIndexNode(
    request: { vid: number; number: number; offset: number; create: boolean },
    bytes: Uint8Array,
    scope: Scope,
    resolved?: () => void,
  ): Promise<void>;
  /** FLUSH_VDI. Resolves when what was acknowledged before the call is durable. */
  flush(vid: number, scope: Scope): Promise<void>;
}

/** How a volume learns which vid a name means now. */
export interface VdiResolver {
  /**
   * The working VDI of that name, whatever snapshots it has; with a tag or id, that snapshot.
   * @throws not_found | unavailable | not_ready
   */
  resolve(name: VdiName, scope: Scope): Promise<InodeHeader>;
}

/** Raw bytes of a VDI's name (1 to 255, no NUL) and, for a snapshot, its tag or id. */
export interface VdiName {
  readonly name: Uint8Array;
  readonly snapshot: { readonly tag: Uint8Array } | { readonly id: number } | null;
  /** Where it has to be this one, and no later one of the name. */
  readonly vid?: number;
}
