import {
  closeSync,
  constants,
  existsSync,
  fstatSync,
  fsyncSync,
  lstatSync,
  openSync,
  rmSync,
  statSync,
} from "node:fs";
import { type FileHandle, open } from "node:fs/promises";
import { dirname } from "node:path";
import { SheepfsError } from "../../base/errors.ts";
import { ofFile } from "../../base/file-error.ts";
import { lockFile } from "../../sys/file-lock.ts";
import { dropPages } from "../../sys/page-cache.ts";
import { renameToNew } from "../../sys/rename-new.ts";

/** A name that changes hands so often while it is opened is somebody else's. */
const opensMax = 10;

/** A file under way: it has its name only when it is whole and on the disk; until then it is `.part`. */
export class PartFile implements AsyncDisposable {
  readonly path: string;
  readonly partPath: string;
  readonly #handle: FileHandle;
  #done = false;
  /** What is there when it ends early stays there, for whoever goes on with it. */
  keep = false;

  private constructor(path: string, partPath: string, handle: FileHandle) {
    this.path = path;
    this.partPath = partPath;
    this.#handle = handle;
  }

  /**
   * @param resume goes on with a part that is there
   * @throws exists | denied | not_found naming the path
   */
  static async open(path: string, resume: boolean): Promise<{ file: PartFile; found: boolean }> {
    if (isTaken(path)) throw existsAlready(path);
    const partPath = `${path}.part`;
    try {
      for (let opens = 0; opens < opensMax; opens += 1) {
        const found = resume && existsSync(partPath);
        const handle = await openLocked(partPath);
        if (handle === null) continue;
        const file = new PartFile(path, partPath, handle);
        // Whoever had it may have finished it just now.
        if (isTaken(path)) {
          await handle.close();
          throw existsAlready(path);
        }
        if (!found) await handle.truncate(0);
        return { file, found };
      }
      throw writtenElsewhere(partPath);
    } catch (thrown) {
      throw ofFile(path, thrown);
    }
  }

  /** Whether the name still means this file. */
  get stands(): boolean {
    return isNamed(this.#handle.fd, this.partPath);
  }

  get fd(): number {
    return this.#handle.fd;
  }

  async sizeBytes(): Promise<number> {
    return (await this.#handle.stat()).size;
  }

  async write(bytes: Uint8Array, offset: number): Promise<void> {
    try {
      for (let done = 0; done < bytes.length; ) {
        const rest = bytes.subarray(done);
        done += (await this.#handle.write(rest, 0, rest.length, offset + done)).bytesWritten;
      }
    } catch (thrown) {
      throw ofFile(this.path, thrown);
    }
  }

  async truncate(sizeBytes: number): Promise<void> {
    try {
      await this.#handle.truncate(sizeBytes);
    } catch (thrown) {
      throw ofFile(this.path, thrown);
    }
  }

  /** Durable, and what is read of it next is what the disk has. */
  async toDisk(): Promise<void> {
    try {
      await this.#handle.sync();
      dropPages(this.#handle.fd);
    } catch (thrown) {
      throw ofFile(this.path, thrown);
    }
  }

  /**
   * Durable, and under its name.
   * @param converted what is to have the name instead of the part; it is taken away when it cannot
   * @throws exists when somebody else has the name by now | stale when the part was taken away
   */
  async finish(converted: string = this.partPath): Promise<void> {
    try {
      if (converted === this.partPath) await this.#handle.sync();
      else syncPath(converted);
      this.#refuseTaken();
      if (!renameToNew(converted, this.path)) throw madeMeanwhile(this.path);
      syncPath(dirname(this.path));
      this.#done = true;
      if (converted !== this.partPath) rmSync(this.partPath, { force: true });
    } catch (thrown) {
      if (converted !== this.partPath) rmSync(converted, { force: true });
      throw ofFile(this.path, thrown);
    }
  }

  #refuseTaken(): void {
    if (this.stands) return;
    this.keep = false;
    const text = `'${this.partPath}' was removed or replaced by somebody else while it was written`;
    throw new SheepfsError("stale", `${text}; begin anew`);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    // While it is locked, as another one's would be removed later.
    if (!this.#done && !this.keep && this.stands) rmSync(this.partPath, { force: true });
    await this.#handle.close();
  }
}

/**
 * @returns null when it is not what the name means: whoever had it locked until then has finished it, or
 *   given it up
 * @throws busy
 */
async function openLocked(partPath: string): Promise<FileHandle | null> {
  const handle = await open(partPath, constants.O_RDWR | constants.O_CREAT, 0o666);
  try {
    if (!lockFile(handle.fd)) throw writtenElsewhere(partPath);
    const named = isNamed(handle.fd, partPath);
    // A finished file, by another name too, whose maker was killed before it took this one away.
    const shared = named && fstatSync(handle.fd).nlink > 1;
    if (shared) rmSync(partPath);
    if (named && !shared) return handle;
  } catch (thrown) {
    await handle.close();
    throw thrown;
  }
  await handle.close();
  return null;
}

function isNamed(fd: number, path: string): boolean {
  const named = statSync(path, { bigint: true, throwIfNoEntry: false });
  if (named === undefined) return false;
  const own = fstatSync(fd, { bigint: true });
  return own.ino === named.ino && own.dev === named.dev;
}

function writtenElsewhere(partPath: string): SheepfsError {
  return new SheepfsError("busy", `'${partPath}' is being written by another process`);
}

function madeMeanwhile(path: string): SheepfsError {
  const text = `'${path}' was made by somebody else meanwhile, and is left as it is`;
  return new SheepfsError("exists", `${text}; remove it or choose another name`);
}

/** A link that leads nowhere has the name too. */
function isTaken(path: string): boolean {
  return lstatSync(path, { throwIfNoEntry: false }) !== undefined;
}

function existsAlready(path: string): SheepfsError {
  return new SheepfsError("exists", `'${path}' exists; remove it or choose another name`);
}

function syncPath(path: string): void {
  const fd = openSync(path, "r");
  try {
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
}
