import {
  closeSync,
  constants,
  fsync,
  fsyncSync,
  mkdirSync,
  openSync,
  readdirSync,
  readSync,
  unlinkSync,
  writeSync,
} from "node:fs";
import { dirname, resolve } from "node:path";
import { SheepfsError } from "../base/errors.ts";

/** True for an error of the file system with this code. */
export function hasCode(thrown: unknown, code: string): boolean {
  return thrown instanceof Error && "code" in thrown && thrown.code === code;
}

/** The same failure in our words: a full disk is the one that clients are told about. */
export function diskError(thrown: unknown, what: string): SheepfsError {
  if (thrown instanceof SheepfsError) return thrown;
  const full = hasCode(thrown, "ENOSPC") || hasCode(thrown, "EDQUOT") || hasCode(thrown, "EFBIG");
  const text = thrown instanceof Error ? thrown.message : String(thrown);
  return new SheepfsError(full ? "no_space" : "corrupt", `${what}: ${text}`, { cause: thrown });
}

/** Opens for reading and writing; null when there is no such file. */
export function openExisting(path: string): number | null {
  try {
    return openSync(path, constants.O_RDWR);
  } catch (error) {
    if (hasCode(error, "ENOENT")) return null;
    throw diskError(error, `open ${path}`);
  }
}

/** Fills `into[at, at+length)` from `position`; what is behind the end of the file is zeros. */
export function readPadded(
  fd: number,
  into: Uint8Array,
  at: number,
  length: number,
  position: number,
): void {
  let done = 0;
  try {
    while (done < length) {
      const count = readSync(fd, into, at + done, length - done, position + done);
      if (count === 0) break;
      done += count;
    }
  } catch (error) {
    throw diskError(error, "read");
  }
  if (done < length) into.fill(0, at + done, at + length);
}

/** @throws no_space | corrupt */
export function writeAll(
  fd: number,
  from: Uint8Array,
  at: number,
  length: number,
  position: number,
): void {
  let done = 0;
  try {
    while (done < length) {
      done += writeSync(fd, from, at + done, length - done, position + done);
    }
  } catch (error) {
    throw diskError(error, "write");
  }
}

/** Makes a file's bytes survive power loss without holding up other requests. */
export async function syncFile(fd: number): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    // Not fdatasync: it may leave out the new length of a file that grew on some file systems.
    fsync(fd, (error) => (error === null ? resolve() : reject(diskError(error, "fsync"))));
  });
}

/** Makes the names in a directory survive power loss. */
export async function syncDirectory(path: string): Promise<void> {
  const fd = openSync(path, constants.O_RDONLY);
  try {
    await syncFile(fd);
  } finally {
    closeSync(fd);
  }
}

/** Like `syncDirectory`, for the start, when nobody waits. */
export function syncDirectoryNow(path: string): void {
  const fd = openSync(path, constants.O_RDONLY);
  try {
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
}

/** Makes a folder and those that it is in where they are missing, so that they survive power loss. */
export function makeFolder(path: string): void {
  const first = mkdirSync(path, { recursive: true, mode: 0o700 });
  if (first === undefined) return;
  for (let made = resolve(path); made !== dirname(resolve(first)); made = dirname(made)) {
    syncDirectoryNow(dirname(made));
  }
}

/** The names in a folder in order; none when there is no folder. */
export function readFolder(path: string): string[] {
  try {
    return readdirSync(path).sort();
  } catch (error) {
    if (hasCode(error, "ENOENT")) return [];
    throw diskError(error, `read ${path}`);
  }
}

/** @returns false when there is no such file */
export function unlinkIfThere(path: string): boolean {
  try {
    unlinkSync(path);
    return true;
  } catch (error) {
    if (hasCode(error, "ENOENT")) return false;
    throw diskError(error, `remove ${path}`);
  }
}

/** Lets other requests run between two parts of a long one. */
export async function yieldToOthers(): Promise<void> {
  await new Promise<void>((resolve) => {
    setImmediate(resolve);
  });
}
