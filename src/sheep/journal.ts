import { closeSync, constants, fstatSync, fsyncSync, ftruncateSync, openSync } from "node:fs";
import { join } from "node:path";
import { crc32 } from "node:zlib";
import { SheepfsError } from "../base/errors.ts";
import { limits } from "../base/limits.ts";
import { bytes, struct, u32, u64 } from "../base/struct.ts";
import { readPadded, syncFile, writeAll } from "./files.ts";
import { closedError } from "./open-files.ts";
import { decodeRecord, encodeRecord, type JournalEntry } from "./record.ts";

/** What a start finds in the journal, oldest record first. */
export interface JournalContent {
  readonly records: ReadonlyArray<{ readonly position: number; readonly entries: JournalEntry[] }>;
  /** Position after the last record. */
  readonly end: number;
}

const headerBytes = 4096;
const headerMagic = 0x73686a68;
const headerLayout = struct(
  { magic: u32(0), sum: u32(4), base: u64(8), boot: bytes(16, 48) },
  { size: 64 },
);
/** Two places that take turns, so that one is whole whenever power is lost. */
const marksAt = [1024, 2048] as const;
const markMagic = 0x73686a6d;
const markLayout = struct({ magic: u32(0), sum: u32(4), position: u64(8) }, { size: 16 });

/**
 * The log of metadata changes: two files that take turns, so that one is written while what the
 * other holds is carried over to its place. A record is in the file before its change is applied
 * or acknowledged. The files are filled with zeros when they are made and then written in place:
 * a full disk does not stop what frees space.
 */
export class Journal {
  readonly #fds: readonly [number, number];
  readonly #boot: string;
  #active: 0 | 1;
  #base = 0;
  #used = 0;
  #marks = 0;
  #closed = false;

  private constructor(fds: readonly [number, number], boot: string, newest: 0 | 1) {
    this.#fds = fds;
    this.#boot = boot;
    this.#active = newest;
  }

  /**
   * Opens the journal in `dir`, made if missing. Call `restart` before the first append.
   * @param boot the machine's boot: what an earlier one left counts only as far as it was synced
   */
  static open(dir: string, boot: string): { journal: Journal; content: JournalContent } {
    const fds = [openFile(join(dir, "journal-a")), openFile(join(dir, "journal-b"))] as const;
    const files = [readJournalFile(fds[0]), readJournalFile(fds[1])] as const;
    const newest = (files[0]?.base ?? -1) > (files[1]?.base ?? -1) ? 0 : 1;
    return { journal: new Journal(fds, boot, newest), content: readContent(files, boot) };
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
    const newest = this.#active;
    this.#begin(position);
    // Only now: as long as there is an older file, the newer one must be there too.
    writeAll(this.#fds[newest], new Uint8Array(headerBytes), 0, headerBytes, 0);
    fsyncSync(this.#fds[newest]);
  }

  /** Goes on in the other file, whose old content is no longer needed. */
  switch(): void {
    this.#begin(this.position);
  }

  /**
   * @returns the position of the record
   * @throws no_space with the journal as it was | overload
   */
  append(entries: readonly JournalEntry[]): number {
    // Another file may have the descriptor's number by now.
    if (this.#closed) throw closedError();
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

  /**
   * Makes everything appended so far survive power loss, then notes that what is before
   * `position` does, data included.
   */
  async sync(position: number): Promise<void> {
    if (this.#closed) throw closedError();
    await Promise.all(this.#fds.map((fd) => syncFile(fd)));
    const mark = summed(markLayout.encode({ magic: markMagic, position }));
    this.#marks += 1;
    // In the file that is written now: the other one may be used anew any moment.
    const fd = this.#fds[this.#active];
    writeAll(fd, mark, 0, mark.length, marksAt[this.#marks % 2 === 0 ? 0 : 1]);
    await syncFile(fd);
  }

  /** A descriptor on the file system that it is on. */
  get fd(): number {
    return this.#fds[0];
  }

  close(): void {
    this.#closed = true;
    for (const fd of this.#fds) closeSync(fd);
  }

  #begin(base: number): void {
    const next = this.#active === 0 ? 1 : 0;
    const boot = new TextEncoder().encode(this.#boot).subarray(0, 48);
    const header = headerLayout.encode({ magic: headerMagic, base, boot });
    const page = new Uint8Array(headerBytes);
    page.set(summed(header));
    const fd = this.#fds[next];
    writeAll(fd, page, 0, page.length, 0);
    if (fstatSync(fd).size > headerBytes + 4 * limits.sheepJournalBytes) {
      ftruncateSync(fd, headerBytes + limits.sheepJournalBytes);
    }
    fsyncSync(fd);
    this.#active = next;
    this.#base = base;
    this.#used = 0;
  }
}

/** Puts in the sum over a struct whose field for it is the second. */
function summed(struct: Uint8Array<ArrayBuffer>): Uint8Array<ArrayBuffer> {
  new DataView(struct.buffer).setUint32(4, sumOf(struct), true);
  return struct;
}

function sumOf(struct: Uint8Array): number {
  return crc32(struct.subarray(8)) >>> 0;
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
  /** What is before it had been synced. */
  readonly syncedTo: number;
  readonly bytes: Uint8Array;
}

function readJournalFile(fd: number): JournalFile | null {
  const bytes = new Uint8Array(fstatSync(fd).size);
  readPadded(fd, bytes, 0, bytes.length, 0);
  const view = new DataView(bytes.buffer);
  if (bytes.length < headerBytes) return null;
  const { magic, sum, base, boot } = headerLayout.read(view, 0);
  if (magic !== headerMagic || sum !== sumOf(bytes.subarray(0, headerLayout.size))) return null;
  let syncedTo = 0;
  for (const at of marksAt) {
    const mark = markLayout.read(view, at);
    const isWhole = mark.sum === sumOf(bytes.subarray(at, at + markLayout.size));
    if (mark.magic === markMagic && isWhole) syncedTo = Math.max(syncedTo, mark.position);
  }
  return { base, boot: new TextDecoder().decode(boot).replace(/\0+$/, ""), syncedTo, bytes };
}

function readContent(found: readonly (JournalFile | null)[], boot: string): JournalContent {
  const files = found.filter((file) => file !== null).sort((a, b) => a.base - b.base);
  const syncedTo = Math.max(0, ...files.map((file) => file.syncedTo));
  const records: Array<{ position: number; entries: JournalEntry[] }> = [];
  let end = files[0]?.base ?? 0;
  for (const file of files) {
    // A gap means that power was lost while the older file's tail was not on disk yet: what
    // follows it can not have been promised to anybody.
    if (file.base !== end) break;
    for (let at = headerBytes; ; ) {
      const record = decodeRecord(file.bytes, at, end);
      if (record === null) break;
      if (file.boot === boot || end < syncedTo) {
        records.push({ position: end, entries: record.entries });
      }
      at += record.length;
      end += record.length;
    }
  }
  return { records, end: Math.max(end, ...files.map((file) => file.base)) };
}

function journalFull(): Error {
  return new SheepfsError("overload", "the journal of metadata is full; ask again");
}
