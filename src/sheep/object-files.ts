import { closeSync, constants, openSync, renameSync } from "node:fs";
import { dirname, join } from "node:path";
import {
  diskError,
  hasCode,
  readFolder,
  readPadded,
  syncDirectory,
  syncFile,
  unlinkIfThere,
  writeAll,
  yieldToOthers,
} from "./files.ts";
import type { OpenFiles } from "./open-files.ts";
import { type ObjectKind, objectKinds } from "./record.ts";

/** An object that is a file of its own. */
export interface ObjectName {
  readonly kind: ObjectKind;
  readonly vid: number;
  readonly index: number;
}

/** A write into an object, and how large the object is. */
export interface ObjectWrite {
  readonly data: Uint8Array;
  readonly offset: number;
  readonly objectBytes: number;
}

const letterOf: Record<ObjectKind, string> = {
  [objectKinds.data]: "d",
  [objectKinds.vmstate]: "v",
  [objectKinds.attr]: "a",
  [objectKinds.index]: "i",
};

/** Copied at once; a part of zeros stays a hole. */
const copyBytes = 64 * 1024;
/** Copied before other requests have their turn. */
const copyTurnBytes = 4 * 1024 * 1024;
const zeros = Buffer.alloc(copyBytes);

/** Where they are, in the store's folder. */
export const objectsFolder = "objects";

/** Data, VM state, attribute and index objects: a sparse file each, shorter than its object. */
export class ObjectFiles {
  readonly #dir: string;
  readonly #open: OpenFiles;
  /** Written since the last sync. */
  #dirty = new Set<string>();
  /** Folders in which names have changed since then. */
  #dirtyFolders = new Set<string>();
  #copies = 0;

  constructor(dir: string, open: OpenFiles) {
    this.#dir = dir;
    this.#open = open;
  }

  get dirty(): boolean {
    return this.#dirty.size > 0 || this.#dirtyFolders.size > 0;
  }

  exists(name: ObjectName): boolean {
    return this.#open.get(this.#path(name)) !== null;
  }

  /** Fills `into[at, at+length)`. @returns false when there is no such object */
  read(name: ObjectName, into: Uint8Array, at: number, length: number, offset: number): boolean {
    const fd = this.#open.get(this.#path(name));
    if (fd === null) return false;
    readPadded(fd, into, at, length, offset);
    return true;
  }

  /** @returns false when there is no such object */
  write(name: ObjectName, data: Uint8Array, offset: number): boolean {
    const path = this.#path(name);
    const fd = this.#open.get(path);
    if (fd === null) return false;
    this.#dirty.add(path);
    writeAll(fd, data, 0, data.length, offset);
    return true;
  }

  /** Makes the object zeros around the data, whatever was there before. */
  create(name: ObjectName, write: ObjectWrite): void {
    const path = this.#path(name);
    if (this.#open.get(path) === null) {
      this.#note(path);
      const fd = this.#open.make(path);
      this.#orUndo(path, path, () => writeAll(fd, write.data, 0, write.data.length, write.offset));
      return;
    }
    const copy = this.#newCopy(path);
    this.#orUndo(copy, copy, () => {
      const fd = this.#open.make(copy);
      writeAll(fd, write.data, 0, write.data.length, write.offset);
    });
    this.#replace(copy, path);
  }

  /** Makes the object what `source`, which exists, is, with the data laid over it. */
  async createFrom(source: ObjectName, name: ObjectName, write: ObjectWrite): Promise<void> {
    const from = this.#path(source);
    const path = this.#path(name);
    const copy = this.#newCopy(path);
    this.#open.make(copy);
    // Descriptors of their own: the shared ones may be closed while others have their turn.
    const fds = [openSync(from, constants.O_RDONLY), openSync(copy, constants.O_RDWR)] as const;
    try {
      await copyAround(fds[0], fds[1], write);
      writeAll(fds[1], write.data, 0, write.data.length, write.offset);
      this.#replace(copy, path);
    } catch (error) {
      this.#open.drop(copy);
      unlinkIfThere(copy);
      throw diskError(error, `copy ${from}`);
    } finally {
      for (const fd of fds) closeSync(fd);
    }
  }

  /** @returns false when there was no such object */
  remove(name: ObjectName): boolean {
    const path = this.#path(name);
    this.#open.drop(path);
    this.#dirty.delete(path);
    if (!unlinkIfThere(path)) return false;
    this.#dirtyFolders.add(dirname(path));
    return true;
  }

  /** Makes everything written so far survive power loss. */
  async sync(): Promise<void> {
    const files = this.#dirty;
    const folders = this.#dirtyFolders;
    this.#dirty = new Set();
    this.#dirtyFolders = new Set();
    try {
      await eachOf(files, 4, async (path) => {
        const fd = openOwn(path);
        if (fd === null) return;
        try {
          await syncFile(fd);
        } finally {
          closeSync(fd);
        }
      });
      await eachOf(folders, 4, async (path) => {
        if (openOwnFolder(path)) await syncDirectory(path);
      });
    } catch (error) {
      for (const path of files) this.#dirty.add(path);
      for (const path of folders) this.#dirtyFolders.add(path);
      throw error;
    }
  }

  /** Every object there is, by vid. */
  *list(): Generator<ObjectName> {
    for (const folder of readFolder(join(this.#dir, objectsFolder))) {
      if (/^[0-9a-f]{6}$/.test(folder)) yield* this.listOf(Number.parseInt(folder, 16));
    }
  }

  /** Every object of one vid. */
  *listOf(vid: number): Generator<ObjectName> {
    const kinds = Object.values(objectKinds);
    for (const file of readFolder(join(this.#dir, objectsFolder, hexVid(vid)))) {
      const kind = kinds.find((known) => letterOf[known] === file[0]);
      if (kind === undefined || !/^.[0-9a-f]{8}$/.test(file)) continue;
      yield { kind, vid, index: Number.parseInt(file.slice(1), 16) };
    }
  }

  /** Removes what a start finds of copies that were never finished. */
  removeUnfinished(): void {
    const objects = join(this.#dir, objectsFolder);
    for (const folder of readFolder(objects)) {
      for (const file of readFolder(join(objects, folder))) {
        if (file.includes("~")) unlinkIfThere(join(objects, folder, file));
      }
    }
  }

  #newCopy(path: string): string {
    this.#copies += 1;
    return `${path}~${this.#copies}`;
  }

  #replace(copy: string, path: string): void {
    renameSync(copy, path);
    this.#open.drop(copy);
    this.#open.drop(path);
    this.#note(path);
  }

  #note(path: string): void {
    this.#dirty.add(path);
    const folder = dirname(path);
    this.#dirtyFolders.add(folder).add(dirname(folder));
  }

  /** Leaves no half-made file behind. */
  #orUndo(path: string, made: string, act: () => void): void {
    try {
      act();
    } catch (error) {
      this.#open.drop(made);
      unlinkIfThere(made);
      throw diskError(error, `write ${path}`);
    }
  }

  #path({ kind, vid, index }: ObjectName): string {
    return `${this.#dir}/${objectsFolder}/${hexVid(vid)}/${letterOf[kind]}${index.toString(16).padStart(8, "0")}`;
  }
}

function hexVid(vid: number): string {
  return vid.toString(16).padStart(6, "0");
}

/** Copies what the write will not cover. */
async function copyAround(source: number, target: number, write: ObjectWrite): Promise<void> {
  const end = write.offset + write.data.length;
  await copyRange(source, target, 0, write.offset);
  await copyRange(source, target, end, write.objectBytes);
}

async function copyRange(source: number, target: number, from: number, end: number): Promise<void> {
  const buffer = Buffer.allocUnsafeSlow(copyBytes);
  let turnEnd = from + copyTurnBytes;
  for (let at = from; at < end; at += copyBytes) {
    const length = Math.min(copyBytes, end - at);
    readPadded(source, buffer, 0, length, at);
    const isHole = buffer.compare(zeros, 0, length, 0, length) === 0;
    if (!isHole) writeAll(target, buffer, 0, length, at);
    if (at >= turnEnd) {
      turnEnd += copyTurnBytes;
      await yieldToOthers();
    }
  }
}

function openOwn(path: string): number | null {
  try {
    return openSync(path, constants.O_RDONLY);
  } catch (error) {
    // Removed since it was written.
    if (hasCode(error, "ENOENT")) return null;
    throw diskError(error, `open ${path}`);
  }
}

function openOwnFolder(path: string): boolean {
  const fd = openOwn(path);
  if (fd !== null) closeSync(fd);
  return fd !== null;
}

/** Runs `act` on all, so many at a time; the first error ends it when those under way are done. */
async function eachOf(
  paths: ReadonlySet<string>,
  atOnce: number,
  act: (path: string) => Promise<void>,
): Promise<void> {
  const rest = paths.values();
  const worker = async (): Promise<void> => {
    for (const path of rest) await act(path);
  };
  const done = await Promise.allSettled(Array.from({ length: atOnce }, worker));
  for (const result of done) if (result.status === "rejected") throw result.reason;
}
