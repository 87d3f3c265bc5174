import type { ErrorCode } from "../../src/base/errors.ts";
import type { TestCluster } from "../support/cluster.ts";

/** What a stat shows, of what every way to the tree can show. */
export interface SubjectStat {
  readonly kind: "dir" | "file";
  readonly sizeBytes: number;
  readonly allocatedBytes: number;
  readonly mtimeMs: number;
}

/** One open file. */
export interface SubjectFile extends AsyncDisposable {
  /** Short only at the end of the file. */
  read(offset: number, length: number): Promise<Uint8Array>;
  /** @returns bytes written, fewer only where the file ends */
  write(offset: number, bytes: Uint8Array): Promise<number>;
  sync(): Promise<void>;
  discard(offset: number, length: number): Promise<void>;
  close(): Promise<void>;
}

/** The tree as somebody sees it who comes one certain way. Paths are relative to the root. */
export interface Subject extends AsyncDisposable {
  /** Names, sorted. */
  list(path: string): Promise<string[]>;
  stat(path: string): Promise<SubjectStat>;
  open(path: string, mode: "read" | "write" | "readwrite"): Promise<SubjectFile>;
  setSize(path: string, bytes: number): Promise<void>;
  /** A new file of that size. */
  create(path: string, bytes: number): Promise<void>;
  makeDir(path: string): Promise<void>;
  /** Of a file. */
  remove(path: string): Promise<void>;
  /** `path` becomes what `source` is, without a byte being copied. */
  link(source: string, path: string): Promise<void>;
  /** `path` is what `source` was until now, which is not there any more. */
  rename(source: string, path: string): Promise<void>;
  /** Whether a failure is how this way shows that code. */
  shows(thrown: unknown, code: ErrorCode): boolean;
}

export interface SubjectOptions {
  readonly pageCache: boolean;
  readonly readOnly: boolean;
  readonly attach: readonly string[];
}

/** One way to the tree. */
export interface SubjectKind {
  readonly name: string;
  /** Why it cannot be gone here, or null. */
  readonly cannotRun: string | null;
  /** Cases, by name, that it has no way to express, and why: they are no cases of it. */
  readonly cannot?: Readonly<Record<string, string>>;
  start(cluster: TestCluster, options: SubjectOptions): Promise<Subject>;
}
