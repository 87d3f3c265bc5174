import { closeSync, fsyncSync, ftruncateSync, openSync, renameSync, rmSync } from "node:fs";
import { type FileHandle, open } from "node:fs/promises";
import { dirname } from "node:path";
import { SheepfsError } from "../../base/errors.ts";
import { limits } from "../../base/limits.ts";
import { nextData } from "../../sys/sparse.ts";
import type { DataPiece } from "./data.ts";
import { joinedRuns } from "./digest.ts";

/** An image under way: it has its name only when it is whole and on the disk. */
export class ImageWriter implements AsyncDisposable {
  readonly #path: string;
  readonly #handle: FileHandle;
  #done = false;

  private constructor(path: string, handle: FileHandle) {
    this.#path = path;
    this.#handle = handle;
  }

  /** @throws exists | denied | not_found naming the path */
  static async create(path: string): Promise<ImageWriter> {
    const there = await open(path, "r").catch(() => null);
    if (there !== null) {
      await there.close();
      throw new SheepfsError("exists", `'${path}' exists; remove it or choose another name`);
    }
    try {
      return new ImageWriter(path, await open(partOf(path), "w"));
    } catch (thrown) {
      throw ofFile(path, thrown);
    }
  }

  /** What is all zeros becomes a hole. */
  async write(piece: DataPiece): Promise<void> {
    try {
      for (const { offset, bytes } of joinedRuns(piece)) {
        for (let done = 0; done < bytes.length; ) {
          const rest = bytes.subarray(done);
          done += (await this.#handle.write(rest, 0, rest.length, offset + done)).bytesWritten;
        }
      }
    } catch (thrown) {
      throw ofFile(this.#path, thrown);
    }
  }

  /** Durable, and under its name. */
  async finish(sizeBytes: number): Promise<void> {
    try {
      ftruncateSync(this.#handle.fd, sizeBytes);
      await this.#handle.sync();
      renameSync(partOf(this.#path), this.#path);
      const dir = openSync(dirname(this.#path), "r");
      fsyncSync(dir);
      closeSync(dir);
      this.#done = true;
    } catch (thrown) {
      throw ofFile(this.#path, thrown);
    }
  }

  /** Leaves nothing of one that was not finished. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#handle.close();
    if (!this.#done) rmSync(partOf(this.#path), { force: true });
  }
}

/** An image to read: its size, and its data in order. */
export class ImageReader implements AsyncDisposable {
  readonly sizeBytes: number;
  readonly #path: string;
  readonly #handle: FileHandle;

  private constructor(path: string, handle: FileHandle, sizeBytes: number) {
    this.#path = path;
    this.#handle = handle;
    this.sizeBytes = sizeBytes;
  }

  /** @throws not_found | denied | invalid for what is no file with a size */
  static async open(path: string): Promise<ImageReader> {
    try {
      const handle = await open(path, "r");
      const { size } = await handle.stat();
      return new ImageReader(path, handle, size);
    } catch (thrown) {
      throw ofFile(path, thrown);
    }
  }

  /** Holes are passed over; each piece has a buffer of its own. */
  async *data(): AsyncGenerator<DataPiece> {
    for (let at = 0; at < this.sizeBytes; ) {
      const found = nextData(this.#handle.fd, at);
      if (found === null) return;
      // Pieces begin where digests and holes do.
      at = Math.max(at, found.from - (found.from % limits.backupHoleBytes));
      while (at < found.end) {
        const length = Math.min(limits.backupPieceBytes, this.sizeBytes - at);
        const bytes = new Uint8Array(length);
        await this.#fill(bytes, at);
        yield { offset: at, bytes };
        at += length;
      }
    }
  }

  async #fill(bytes: Uint8Array, offset: number): Promise<void> {
    for (let done = 0; done < bytes.length; ) {
      const rest = bytes.subarray(done);
      const { bytesRead } = await this.#handle.read(rest, 0, rest.length, offset + done);
      if (bytesRead === 0) throw new SheepfsError("corrupt", `'${this.#path}' became shorter`);
      done += bytesRead;
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#handle.close();
  }
}

function partOf(path: string): string {
  return `${path}.part`;
}

/** The error of a file here, told as one of ours. */
function ofFile(path: string, thrown: unknown): SheepfsError {
  if (thrown instanceof SheepfsError) return thrown;
  const code = thrown instanceof Error && "code" in thrown ? String(thrown.code) : "";
  const text = `'${path}': ${thrown instanceof Error ? thrown.message : String(thrown)}`;
  if (code === "ENOENT") return new SheepfsError("not_found", text);
  if (code === "EACCES" || code === "EPERM") return new SheepfsError("denied", text);
  if (code === "ENOSPC" || code === "EDQUOT") return new SheepfsError("no_space", text);
  return new SheepfsError("invalid", text);
}
