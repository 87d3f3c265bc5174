import type { MaybePromise } from "../base/maybe-promise.ts";
import type { Scope, Unsubscribe } from "../base/scope.ts";
import type { Transfer } from "../base/transfer.ts";

/** The whole contract between the tree and a frontend. No Sheepdog word appears in it. */

/** Identity of a node as long as it exists; unique in the tree, never reused while referenced. */
export type NodeId = number;

export interface Attr {
  readonly kind: "dir" | "file";
  readonly sizeBytes: number;
  /** Bytes really stored, for `st_blocks`. */
  readonly allocatedBytes: number;
  /** Permission bits, e.g. 0o644. */
  readonly mode: number;
  readonly mtimeMs: number;
  readonly ctimeMs: number;
  readonly birthtimeMs: number;
}

export interface FileTraits {
  /** Random access with a true size (volumes, snapshots), or a text read from its start. */
  readonly seekable: boolean;
  /** The content never changes: a cache may keep it for ever. */
  readonly immutable: boolean;
  /** Caches between the reader and us must be passed by. */
  readonly directIo: boolean;
  /** Unit in which I/O is most natural (a text: 1). */
  readonly blockBytes: number;
  readonly writable: boolean;
  /** Writing past its end makes it longer; else it has the size that it is given. */
  readonly extensible: boolean;
}

export interface DirEntry {
  readonly name: string;
  readonly id: NodeId;
  readonly kind: "dir" | "file";
}

export interface NodeBase {
  readonly id: NodeId;
  attr(scope: Scope): MaybePromise<Attr>;
}

/** Verbs are optional members: an absent one is `not_supported`, reported by each frontend its way. */
export interface DirNode extends NodeBase {
  readonly kind: "dir";
  lookup(name: string, scope: Scope): MaybePromise<Node | null>;
  /** Everything in it, names unique; in bounded memory. */
  list(scope: Scope): AsyncIterable<DirEntry>;
  /** A name in it means the same node as long as the tree is there. */
  readonly keepsNames?: boolean;
  /** @throws exists | no_space | name_too_long */
  makeFile?(name: string, scope: Scope): MaybePromise<FileNode>;
  /** A new child that begins as `source` is and shares what it can with it. @throws not_supported | exists */
  link?(source: Node, name: string, scope: Scope): MaybePromise<Node>;
  /** @throws exists | no_space | name_too_long */
  makeDir?(name: string, scope: Scope): MaybePromise<DirNode>;
  /** What is removed here cannot be made again: it was a disk. */
  readonly removalIsFinal?: boolean;
  /** Removes a child, a directory with everything in it. @throws not_found */
  remove?(name: string, scope: Scope): MaybePromise<void>;
  /**
   * Moves a child to `toName` in `into`, which has the same verbs, over nothing that exists.
   * @throws not_found | exists | not_supported when `into` is of another kind
   */
  move?(name: string, into: DirNode, toName: string, scope: Scope): MaybePromise<void>;
}

export interface FileNode extends NodeBase {
  readonly kind: "file";
  readonly traits: FileTraits;
  /** @throws read_only | denied | not_found | whatever rendering a text can throw */
  open(mode: OpenMode, scope: Scope): MaybePromise<OpenFile>;
  /** What caches and conditions go by, known at no cost; only where a node keeps count of changes. */
  version?(): FileVersion;
  /** Facts about the file beyond its attributes, as name and text, e.g. `copies` and `2`. */
  details?(): ReadonlyMap<string, string>;
  /** @throws not_supported | too_large | read_only */
  setSize?(bytes: number, scope: Scope): Promise<void>;
}

/** One state of a file's content. */
export interface FileVersion {
  /** Differs whenever the content may differ; safe in a header field. */
  readonly tag: string;
  /** The same tag means the same bytes: nobody can write without our knowing. */
  readonly strong: boolean;
  readonly modifiedMs: number;
}

export type Node = DirNode | FileNode;
export type OpenMode = "read" | "write" | "readwrite";

export interface Extent {
  readonly offset: number;
  readonly length: number;
}

/** One open of one file. Offsets and sizes are safe integers. */
export interface OpenFile {
  /** Size as this handle sees it now: fixed for a text, the volume's present one else. */
  sizeBytes(): number;
  /** Bytes read into `into`; short only at the end of the file. */
  read(into: Uint8Array, offset: number, scope: Scope): MaybePromise<number>;
  /**
   * Bytes written, all of them or an error; `from` is borrowed until settled.
   * @throws no_space at or past the end of a volume | invalid from a control file
   */
  write(from: Uint8Array, offset: number, scope: Scope): MaybePromise<number>;
  /**
   * The same without a Promise, for seekable files; `read`/`write` stay for everybody else. The
   * caller has cut the transfer at `sizeBytes()`.
   */
  submitRead?(transfer: Transfer): void;
  submitWrite?(transfer: Transfer): void;
  /** Each close(2): a control file commits here; its error is the closer's. */
  flush(scope: Scope): Promise<void>;
  /** fsync: returns when everything accepted before it is durable. */
  sync(scope: Scope): Promise<void>;
  /** Makes the extent read as zeros and gives back what space can be. */
  discard?(extent: Extent, scope: Scope): Promise<void>;
  /** The first byte at or after `offset` that is data (or a hole); null when there is none. */
  seek?(offset: number, what: "data" | "hole", scope: Scope): MaybePromise<number | null>;
  /** Something was written that takes effect only with what is written next, or at the close. */
  unfinished?(): boolean;
  /** Last reference gone. Errors do not surface here. */
  close(): Promise<void>;
}

/** What a frontend tells caches of: raised by the tree, never called into. */
export interface TreeEvent {
  readonly id: NodeId;
  readonly what: "content" | "attr" | "children";
  /** With `children`: the directory and the name that came or went. */
  readonly child?: { readonly name: string; readonly id: NodeId };
}

export interface TreeEvents {
  on(fn: (event: TreeEvent) => void): Unsubscribe;
}

/** Space of the whole tree, for `df`. */
export interface SpaceInfo {
  readonly totalBytes: number;
  readonly freeBytes: number;
}

export interface Tree {
  readonly root: DirNode;
  readonly events: TreeEvents;
  space(scope: Scope): Promise<SpaceInfo>;
  /** The state of everything at a glance, e.g. `nodes` and `3`, in the order to be shown. */
  summary(scope: Scope): Promise<readonly SummaryLine[]>;
}

export interface SummaryLine {
  readonly label: string;
  readonly text: string;
}

/** A way to reach the tree: started with it and nothing else. */
export interface Frontend {
  readonly name: string;
  start(tree: Tree, scope: Scope): Promise<void>;
  /** Refuses new work, drains, and releases; idempotent. */
  stop(scope: Scope): Promise<void>;
}
