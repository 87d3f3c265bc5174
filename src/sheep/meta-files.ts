import { closeSync, constants, ftruncateSync, openSync, statSync } from "node:fs";
import { dirname, join } from "node:path";
import { assert } from "../base/assert.ts";
import {
  readFolder,
  readPadded,
  syncDirectory,
  syncFile,
  unlinkIfThere,
  writeAll,
} from "./files.ts";
import type { OpenFiles } from "./open-files.ts";
import { type MetaKind, metaKinds } from "./record.ts";

/** Which file of metadata. */
export interface MetaName {
  readonly kind: MetaKind;
  readonly vid: number;
  readonly index: number;
}

const pageBytes = 512;

/** What has changed since the layer below it. */
interface Layer {
  readonly pages: Map<number, Uint8Array>;
  /** What lies below does not count any more. */
  hidesBelow: boolean;
}

interface MetaFile {
  readonly path: string;
  /** Changed since the last freeze. */
  active: Layer | null;
  /** On its way to the disk. */
  frozen: Layer | null;
  /** Of the file with all changes; -1 when there is none. */
  bytes: number;
}

const folderOf: Record<MetaKind, string> = {
  [metaKinds.inode]: "inodes",
  [metaKinds.ledgers]: "ledgers",
  [metaKinds.deepLedger]: "deep-ledgers",
  [metaKinds.deleted]: "deleted",
};

/** Where they are, in the store's folder. */
export const metaFolders: readonly string[] = Object.values(folderOf);

/**
 * The files of metadata, with what has changed kept in memory until it may be written: what lies
 * on the disk must never be ahead of the journal, or power loss would leave half of a change.
 */
export class MetaFiles {
  readonly #dir: string;
  readonly #open: OpenFiles;
  /** Those that have changes; all others are as they lie on the disk. */
  readonly #changed = new Map<string, MetaFile>();
  #dirtyPages = 0;

  constructor(dir: string, open: OpenFiles) {
    this.#dir = dir;
    this.#open = open;
  }

  /** Pages that the next freeze has to carry over. */
  get dirtyPages(): number {
    return this.#dirtyPages;
  }

  /** Bytes of the file, -1 when there is none. */
  bytes(name: MetaName): number {
    const path = this.#path(name);
    return this.#changed.get(path)?.bytes ?? bytesOnDisk(path);
  }

  /** Fills `into[at, at+length)`; what was never written is zeros. */
  read(name: MetaName, into: Uint8Array, at: number, length: number, offset: number): void {
    const path = this.#path(name);
    const file = this.#changed.get(path);
    if (file === undefined) {
      this.#readDisk(path, into, at, length, offset);
      return;
    }
    const { active, frozen } = file;
    const hidden = active?.hidesBelow === true || frozen?.hidesBelow === true;
    if (hidden) into.fill(0, at, at + length);
    else this.#readDisk(path, into, at, length, offset);
    if (frozen !== null && active?.hidesBelow !== true) {
      overlay(frozen.pages, into, at, length, offset);
    }
    if (active !== null) overlay(active.pages, into, at, length, offset);
  }

  write(name: MetaName, offset: number, bytes: Uint8Array): void {
    const file = this.#touch(name);
    for (let done = 0; done < bytes.length; ) {
      const number = Math.floor((offset + done) / pageBytes);
      const from = (offset + done) % pageBytes;
      const length = Math.min(pageBytes - from, bytes.length - done);
      const page = this.#page(name, file, number, length === pageBytes);
      page.set(bytes.subarray(done, done + length), from);
      done += length;
    }
    file.bytes = Math.max(file.bytes, offset + bytes.length);
  }

  forget(name: MetaName): void {
    const file = this.#touch(name);
    this.#dirtyPages -= file.active?.pages.size ?? 0;
    file.active = { pages: new Map(), hidesBelow: true };
    file.bytes = -1;
  }

  /** The vids that have an inode on the disk; what has changed since is not looked at. */
  inodesOnDisk(): number[] {
    const folder = join(this.#dir, folderOf[metaKinds.inode]);
    const names = readFolder(folder).filter((name) => /^[0-9a-f]{6}$/.test(name));
    return names.map((name) => Number.parseInt(name, 16));
  }

  /** From now on changes are kept apart from what is there, which `carryOver` writes. */
  freeze(): void {
    for (const file of this.#changed.values()) {
      assert(file.frozen === null, "one half is carried over before the next");
      file.frozen = file.active;
      file.active = null;
    }
    this.#dirtyPages = 0;
  }

  /** Writes what is frozen to its place, where it survives power loss. Again after a failure. */
  async carryOver(): Promise<void> {
    const folders = new Set<string>();
    for (const [path, file] of this.#changed) {
      if (file.frozen === null) continue;
      await this.#carryOverFile(path, file.frozen, folders);
      file.frozen = null;
      if (file.active === null) this.#changed.delete(path);
    }
    for (const folder of folders) await syncDirectory(folder);
  }

  async #carryOverFile(path: string, layer: Layer, folders: Set<string>): Promise<void> {
    const isNew = bytesOnDisk(path) < 0;
    if (layer.hidesBelow && layer.pages.size === 0) {
      this.#open.drop(path);
      unlinkIfThere(path);
      if (!isNew) folders.add(dirname(path));
      return;
    }
    if (isNew) folders.add(dirname(path)).add(dirname(dirname(path)));
    this.#open.make(path);
    // A descriptor of its own: the shared one may be closed while this waits for the disk.
    const fd = openSync(path, constants.O_RDWR);
    try {
      if (layer.hidesBelow) ftruncateSync(fd, 0);
      writePages(fd, layer.pages);
      await syncFile(fd);
    } finally {
      closeSync(fd);
    }
  }

  #page(name: MetaName, file: MetaFile, number: number, whole: boolean): Uint8Array {
    file.active ??= { pages: new Map(), hidesBelow: false };
    const known = file.active.pages.get(number);
    if (known !== undefined) return known;
    const page = new Uint8Array(pageBytes);
    if (!whole) this.read(name, page, 0, pageBytes, number * pageBytes);
    file.active.pages.set(number, page);
    this.#dirtyPages += 1;
    return page;
  }

  #touch(name: MetaName): MetaFile {
    const path = this.#path(name);
    const known = this.#changed.get(path);
    if (known !== undefined) return known;
    const file: MetaFile = { path, active: null, frozen: null, bytes: bytesOnDisk(path) };
    this.#changed.set(path, file);
    return file;
  }

  #readDisk(path: string, into: Uint8Array, at: number, length: number, offset: number): void {
    const fd = this.#open.get(path);
    if (fd === null) into.fill(0, at, at + length);
    else readPadded(fd, into, at, length, offset);
  }

  #path({ kind, vid, index }: MetaName): string {
    const folder = join(this.#dir, folderOf[kind]);
    const vidText = vid.toString(16).padStart(6, "0");
    if (kind !== metaKinds.deepLedger) return `${folder}/${vidText}`;
    return `${folder}/${vidText}/${index.toString(16).padStart(8, "0")}`;
  }
}

function overlay(
  pages: ReadonlyMap<number, Uint8Array>,
  into: Uint8Array,
  at: number,
  length: number,
  offset: number,
): void {
  const first = Math.floor(offset / pageBytes);
  const last = Math.floor((offset + length - 1) / pageBytes);
  const lay = (number: number, page: Uint8Array): void => {
    const start = Math.max(offset, number * pageBytes);
    const end = Math.min(offset + length, (number + 1) * pageBytes);
    const from = start - number * pageBytes;
    into.set(page.subarray(from, from + end - start), at + start - offset);
  };
  if (pages.size < last - first) {
    for (const [number, page] of pages) if (number >= first && number <= last) lay(number, page);
    return;
  }
  for (let number = first; number <= last; number += 1) {
    const page = pages.get(number);
    if (page !== undefined) lay(number, page);
  }
}

/** Pages that follow each other are one write. */
function writePages(fd: number, pages: ReadonlyMap<number, Uint8Array>): void {
  const numbers = [...pages.keys()].sort((a, b) => a - b);
  const runPages = 256;
  const buffer = new Uint8Array(runPages * pageBytes);
  for (let at = 0; at < numbers.length; ) {
    const first = numbers[at] ?? 0;
    let count = 0;
    while (count < runPages && numbers[at + count] === first + count) {
      buffer.set(pages.get(first + count) ?? [], count * pageBytes);
      count += 1;
    }
    writeAll(fd, buffer, 0, count * pageBytes, first * pageBytes);
    at += count;
  }
}

function bytesOnDisk(path: string): number {
  return statSync(path, { throwIfNoEntry: false })?.size ?? -1;
}
