import { closeSync, constants, existsSync, fsyncSync, openSync, renameSync, rmSync } from "node:fs";
import { type FileHandle, open } from "node:fs/promises";
import { dirname } from "node:path";
import { SheepfsError } from "../../base/errors.ts";
import { lockFile } from "../../sys/file-lock.ts";
import { ofFile } from "./file-error.ts";

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
    refuseExisting(path);
    const partPath = `${path}.part`;
    const found = resume && existsSync(partPath);
    try {
      const handle = await open(partPath, constants.O_RDWR | constants.O_CREAT, 0o666);
      const file = new PartFile(path, partPath, handle);
      if (!lockFile(handle.fd)) {
        await handle.close();
        throw new SheepfsError("busy", `'${partPath}' is being written by another process`);
      }
      // Whoever had it may have finished it just now.
      if (existsSync(path)) {
        await handle.close();
        refuseExisting(path);
      }
      if (!found) await handle.truncate(0);
      return { file, found };
    } catch (thrown) {
      throw ofFile(path, thrown);
    }
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

  /**
   * Durable, and under its name.
   * @param converted what is to have the name instead of the part
   */
  async finish(converted: string = this.partPath): Promise<void> {
    try {
      if (converted === this.partPath) await this.#handle.sync();
      else syncPath(converted);
      renameSync(converted, this.path);
      syncPath(dirname(this.path));
      this.#done = true;
      if (converted !== this.partPath) rmSync(this.partPath, { force: true });
    } catch (thrown) {
      throw ofFile(this.path, thrown);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#handle.close();
    if (!this.#done && !this.keep) rmSync(this.partPath, { force: true });
  }
}

function refuseExisting(path: string): void {
  if (!existsSync(path)) return;
  throw new SheepfsError("exists", `'${path}' exists; remove it or choose another name`);
}

function syncPath(path: string): void {
  const fd = openSync(path, "r");
  try {
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
}
