import { constants } from "node:fs";
import { type FileHandle, open, readdir, stat, truncate } from "node:fs/promises";
import type { ErrorCode } from "../../src/base/errors.ts";
import { errnoOf, ioErrnoOf } from "../../src/fuse/errno.ts";
import type { TestCluster } from "../support/cluster.ts";
import { cannotMount, mountSheepfs, type TestMount } from "../support/mount.ts";
import { run } from "../support/process.ts";
import type { Subject, SubjectFile, SubjectKind, SubjectOptions, SubjectStat } from "./subject.ts";

/** The tree as the kernel shows it to programs. */
export const mountKind: SubjectKind = {
  name: "mount",
  cannotRun: cannotMount,
  start: async (cluster, options) => new MountSubject(await mount(cluster, options)),
};

function mount(cluster: TestCluster, options: SubjectOptions): Promise<TestMount> {
  const args = options.attach.flatMap((name) => ["--attach", name]);
  if (options.pageCache) args.push("--page-cache");
  if (options.readOnly) args.push("--read-only");
  return mountSheepfs(cluster, { args });
}

const openFlags = {
  read: constants.O_RDONLY,
  write: constants.O_WRONLY | constants.O_TRUNC,
  readwrite: constants.O_RDWR,
} as const;

class MountSubject implements Subject {
  readonly #mount: TestMount;

  constructor(mounted: TestMount) {
    this.#mount = mounted;
  }

  async list(path: string): Promise<string[]> {
    return (await readdir(this.#mount.file(path))).sort();
  }

  async stat(path: string): Promise<SubjectStat> {
    const { size, blocks, mtimeMs, ...rest } = await stat(this.#mount.file(path));
    const kind = rest.isDirectory() ? "dir" : "file";
    return { kind, sizeBytes: size, allocatedBytes: blocks * 512, mtimeMs };
  }

  async open(path: string, mode: "read" | "write" | "readwrite"): Promise<SubjectFile> {
    const full = this.#mount.file(path);
    return new MountFile(await open(full, openFlags[mode]), full);
  }

  setSize(path: string, bytes: number): Promise<void> {
    return truncate(this.#mount.file(path), bytes);
  }

  shows(thrown: unknown, code: ErrorCode): boolean {
    if (!(thrown instanceof Error) || !("errno" in thrown)) return false;
    const number = typeof thrown.errno === "number" ? Math.abs(thrown.errno) : 0;
    return number === errnoOf[code] || number === ioErrnoOf(code);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#mount[Symbol.asyncDispose]();
  }
}

class MountFile implements SubjectFile {
  readonly #handle: FileHandle;
  readonly #path: string;
  #open = true;

  constructor(handle: FileHandle, path: string) {
    this.#handle = handle;
    this.#path = path;
  }

  async read(offset: number, length: number): Promise<Uint8Array> {
    const into = new Uint8Array(length);
    const { bytesRead } = await this.#handle.read(into, 0, length, offset);
    return into.subarray(0, bytesRead);
  }

  async write(offset: number, bytes: Uint8Array): Promise<number> {
    return (await this.#handle.write(bytes, 0, bytes.length, offset)).bytesWritten;
  }

  sync(): Promise<void> {
    return this.#handle.sync();
  }

  async discard(offset: number, length: number): Promise<void> {
    const range = ["--offset", String(offset), "--length", String(length)];
    const { exitCode, stderr } = await run(["fallocate", "--punch-hole", ...range, this.#path]);
    if (exitCode !== 0) throw new Error(stderr);
  }

  async close(): Promise<void> {
    if (!this.#open) return;
    this.#open = false;
    await this.#handle.close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }
}
