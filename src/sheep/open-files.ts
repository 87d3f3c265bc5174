import { closeSync, constants, mkdirSync, openSync } from "node:fs";
import { dirname } from "node:path";
import { SheepfsError } from "../base/errors.ts";
import { limits } from "../base/limits.ts";
import { diskError, hasCode, openExisting } from "./files.ts";

/** Descriptors kept open by path, the least recently used closed first. */
export class OpenFiles {
  readonly #fds = new Map<string, number>();
  #closed = false;

  /** @returns null when there is no such file */
  get(path: string): number | null {
    const open = this.#fds.get(path);
    if (open === undefined) {
      if (this.#closed) throw closedError();
      const fd = openExisting(path);
      if (fd !== null) this.#keep(path, fd);
      return fd;
    }
    // A map's order is that of insertion: the last one used goes to the end.
    this.#fds.delete(path);
    this.#fds.set(path, open);
    return open;
  }

  /** Opens the file, made if missing with the folder it is in. */
  make(path: string): number {
    const open = this.get(path);
    if (open !== null) return open;
    const fd = createFile(path);
    this.#keep(path, fd);
    return fd;
  }

  /** Forgets the descriptor: the file is gone, or another has taken its name. */
  drop(path: string): void {
    const fd = this.#fds.get(path);
    if (fd === undefined) return;
    this.#fds.delete(path);
    closeSync(fd);
  }

  /** Nothing is opened any more. */
  close(): void {
    this.#closed = true;
    for (const fd of this.#fds.values()) closeSync(fd);
    this.#fds.clear();
  }

  #keep(path: string, fd: number): void {
    if (this.#fds.size >= limits.sheepOpenFilesMax) {
      for (const [oldest, oldFd] of this.#fds) {
        this.#fds.delete(oldest);
        closeSync(oldFd);
        break;
      }
    }
    this.#fds.set(path, fd);
  }
}

/** For what goes on after the cluster was formatted anew, or the sheep stopped. */
export function closedError(): SheepfsError {
  return new SheepfsError("unavailable", "the store is closed");
}

function createFile(path: string): number {
  const flags = constants.O_RDWR | constants.O_CREAT;
  try {
    return openSync(path, flags, 0o600);
  } catch (error) {
    if (!hasCode(error, "ENOENT")) throw diskError(error, `create ${path}`);
  }
  try {
    mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
    return openSync(path, flags, 0o600);
  } catch (error) {
    throw diskError(error, `create ${path}`);
  }
}
