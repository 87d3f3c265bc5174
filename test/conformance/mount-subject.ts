import { close, constants, fsync, ftruncate, open, read, write } from "node:fs";
import { link, mkdir, readdir, rename, stat, truncate, unlink } from "node:fs/promises";
import { promisify } from "node:util";
import type { ErrorCode } from "../../src/base/errors.ts";
import { errno, errnoOf, ioErrnoOf } from "../../src/fuse/errno.ts";
import { errorText, libc, result } from "../../src/sys/libc.ts";
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
    const found = await stat(this.#mount.file(path));
    return {
      kind: found.isDirectory() ? "dir" : "file",
      sizeBytes: found.size,
      allocatedBytes: found.blocks * 512,
      mtimeMs: found.mtimeMs,
    };
  }

  async open(path: string, mode: "read" | "write" | "readwrite"): Promise<SubjectFile> {
    const full = this.#mount.file(path);
    return new MountFile(await promisify(open)(full, openFlags[mode]), full);
  }

  setSize(path: string, bytes: number): Promise<void> {
    return truncate(this.#mount.file(path), bytes);
  }

  /** What `truncate -s` does. */
  async create(path: string, bytes: number): Promise<void> {
    const flags = constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL;
    const fd = await promisify(open)(this.#mount.file(path), flags);
    await promisify(ftruncate)(fd, bytes).finally(() => promisify(close)(fd));
  }

  async makeDir(path: string): Promise<void> {
    await mkdir(this.#mount.file(path));
  }

  async remove(path: string): Promise<void> {
    await unlink(this.#mount.file(path));
  }

  async link(source: string, path: string): Promise<void> {
    await link(this.#mount.file(source), this.#mount.file(path));
  }

  async rename(source: string, path: string): Promise<void> {
    await rename(this.#mount.file(source), this.#mount.file(path));
  }

  shows(thrown: unknown, code: ErrorCode): boolean {
    if (!(thrown instanceof Error) || !("errno" in thrown)) return false;
    const number = typeof thrown.errno === "number" ? Math.abs(thrown.errno) : 0;
    // A verb that there is none of.
    if (code === "not_supported" && number === errno.EPERM) return true;
    return number === errnoOf[code] || number === ioErrnoOf(code);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#mount[Symbol.asyncDispose]();
  }
}

class MountFile implements SubjectFile {
  readonly #fd: number;
  readonly #path: string;
  #open = true;

  constructor(fd: number, path: string) {
    this.#fd = fd;
    this.#path = path;
  }

  async read(offset: number, length: number): Promise<Uint8Array> {
    const into = new Uint8Array(length);
    const { bytesRead } = await promisify(read)(this.#fd, into, 0, length, offset);
    return into.subarray(0, bytesRead);
  }

  async write(offset: number, bytes: Uint8Array): Promise<number> {
    return (await promisify(write)(this.#fd, bytes, 0, bytes.length, offset)).bytesWritten;
  }

  sync(): Promise<void> {
    return promisify(fsync)(this.#fd);
  }

  async discard(offset: number, length: number): Promise<void> {
    const range = ["--offset", String(offset), "--length", String(length)];
    const { exitCode, stderr } = await run(["fallocate", "--punch-hole", ...range, this.#path]);
    if (exitCode !== 0) throw new Error(stderr);
  }

  /** Bun's own close keeps the error of close(2) to itself. */
  async close(): Promise<void> {
    if (!this.#open) return;
    this.#open = false;
    const returned = result(libc.close(this.#fd));
    if (returned >= 0) return;
    throw Object.assign(new Error(`close: ${errorText(-returned)}`), { errno: returned });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }
}
