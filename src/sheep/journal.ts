import { constants, closeSync, fstatSync, fsyncSync, ftruncateSync, openSync } from "node:fs";
import { join } from "node:path";
import { crc32 } from "node:zlib";
import { SheepfsError } from "../base/errors.ts";
import { limits } from "../base/limits.ts";
import { readPadded, syncFile, writeAll } from "./files.ts";
import { decodeRecord, encodeRecord, type JournalEntry } from "./record.ts";

/** What a start finds in the journal, oldest record first. */
export interface JournalContent {
  readonly records: ReadonlyArray<{ readonly position: number; readonly entries: JournalEntry[] }>;
  /** Position after the last record. */
  readonly end: number;
  /** The machine's boot under which it was written; null for a new journal. */
  readonly boot: string | null;
}

const headerBytes = 4096;
const headerMagic = 0x73686a68;

/**
 * The log of metadata changes: two files that take turns, so that one is written while what the
 * other holds is carried over to its place. A record is in the file before its change is applied
 * or acknowledged. The files are filled with zeros when they are made and then written in place:
 * a full disk does not stop what frees space.
 */
export class Journal {
  readonly #fds: readonly [number, number];
  readonly #boot: string;
  #active: 0 | 1 = 0;
  #base = 0;
  #used = 0;

  private constructor(fds: readonly [number, number], boot: string) {
    this.#fds = fds;
    this.#boot = boot;
  }

  /** Opens the journal in `dir`, made if missing. Call `restart` before the first append. */
  static open(dir: string, boot: string): { journal: Journal; content: JournalContent } {
    const fds = [openFile(join(dir, "journal-a")), openFile(join(dir, "journal-b"))] as const;
    return { journal: new Journal(fds, boot), content: readContent(fds) };
  }

  /** Where the next record goes: grows for ever. */
  get position(): number {
    return this.#base + this.#used;
  }

  /** Bytes in the file that is being written. */
  get usedBytes(): number {
    return this.#used;
  }

  /** Begins anew at `position` after everything older has found its place. */
  restart(position: number): void {
    this.#active = 0;
    this.#writeHeader(1, 0, null);
    this.#writeHeader(0, position, this.#boot);
    for (const fd of this.#fds) fsyncSync(fd);
    this.#base = position;
    this.#used = 0;
  }

  /** Goes on in the other file, whose old content is no longer needed. */
  switch(): void {
    const { position } = this;
    const next = this.#active === 0 ? 1 : 0;
    this.#writeHeader(next, position, this.#boot);
    this.#active = next;
    this.#base = position;
    this.#used = 0;
  }

  /**
   * @returns the position of the record
   * @throws no_space with the journal as it was | overload
   */
  append(entries: readonly JournalEntry[]): number {
    const { position } = this;
    const bytes = encodeRecord(position, entries);
    if (this.#used + bytes.length > limits.sheepJournalBytesMax) {
      // The other half is still being carried over; a client asks again.
      throw journalFull();
    }
    // A record that was written in part is not one: its sum is wrong, and the next replaces it.
    writeAll(this.#fds[this.#active], bytes, 0, bytes.length, headerBytes + this.#used);
    this.#used += bytes.length;
    return position;
  }

  /** Makes everything appended so far survive power loss. */
  async sync(): Promise<void> {
    await Promise.all(this.#fds.map((fd) => syncFile(fd)));
  }

  close(): void {
    for (const fd of this.#fds) closeSync(fd);
  }

  #writeHeader(file: 0 | 1, base: number, boot: string | null): void {
    const bytes = new Uint8Array(128);
    const view = new DataView(bytes.buffer);
    if (boot !== null) {
      view.setUint32(0, headerMagic, true);
      view.setUint32(4, base % 0x1_0000_0000, true);
      view.setUint32(8, Math.floor(base / 0x1_0000_0000), true);
      new TextEncoder().encodeInto(boot, bytes.subarray(16, 64));
      view.setUint32(12, crc32(bytes.subarray(16)), true);
    }
    const fd = this.#fds[file];
    writeAll(fd, bytes, 0, bytes.length, 0);
    if (fstatSync(fd).size > headerBytes + 4 * limits.sheepJournalBytes) {
      ftruncateSync(fd, headerBytes + limits.sheepJournalBytes);
    }
  }
}

function openFile(path: string): number {
  const fd = openSync(path, constants.O_RDWR | constants.O_CREAT, 0o600);
  if (fstatSync(fd).size === 0) {
    const zeros = new Uint8Array(headerBytes + limits.sheepJournalBytes);
    writeAll(fd, zeros, 0, zeros.length, 0);
  }
  return fd;
}

interface JournalFile {
  readonly base: number;
  readonly boot: string;
  readonly bytes: Uint8Array;
}

function readJournalFile(fd: number): JournalFile | null {
  const bytes = new Uint8Array(fstatSync(fd).size);
  readPadded(fd, bytes, 0, bytes.length, 0);
  const view = new DataView(bytes.buffer);
  if (bytes.length < headerBytes || view.getUint32(0, true) !== headerMagic) return null;
  if (view.getUint32(12, true) !== crc32(bytes.subarray(16, 128))) return null;
  const boot = new TextDecoder().decode(bytes.subarray(16, 64)).replace(/\0+$/, "");
  const base = view.getUint32(8, true) * 0x1_0000_0000 + view.getUint32(4, true);
  return { base, boot, bytes };
}

function readContent(fds: readonly number[]): JournalContent {
  const files = fds.map((fd) => readJournalFile(fd)).filter((file) => file !== null);
  files.sort((a, b) => a.base - b.base);
  const records: Array<{ position: number; entries: JournalEntry[] }> = [];
  let end = files[0]?.base ?? 0;
  for (const file of files) {
    // A gap means that power was lost while the older file's tail was not on disk yet: what
    // follows it can not have been promised to anybody.
    if (file.base !== end) break;
    for (let at = headerBytes; ; ) {
      const record = decodeRecord(file.bytes, at, end);
      if (record === null) break;
      records.push({ position: end, entries: record.entries });
      at += record.length;
      end += record.length;
    }
  }
  return { records, end, boot: files.at(-1)?.boot ?? null };
}

function journalFull(): Error {
  return new SheepfsError("overload", "the journal of metadata is full; ask again");
}
