import { readFileSync, rmSync, type Stats, writeFileSync } from "node:fs";
import { type FileHandle, open, stat } from "node:fs/promises";
import { SheepfsError } from "../../base/errors.ts";
import { ofFile } from "../../base/file-error.ts";
import { limits } from "../../base/limits.ts";
import { nextData } from "../../sys/sparse.ts";
import type { DataPiece } from "./data.ts";
import { ContentSum, joinedRuns, pieceSum, sumHex } from "./digest.ts";
import { PartFile } from "./part-file.ts";
import { type StateId, sameState, stateIdFrom, stateText } from "./state-id.ts";

/** What is known of a part, beside it: how far it is, and what it holds so far. */
interface PartNotes {
  readonly source: StateId;
  readonly sizeBytes: number;
  /** Of the source, when it was begun. */
  readonly heldBytes: number;
  /** All before this offset is there. */
  readonly doneBytes: number;
  readonly sum: string;
}

type PartAbout = Pick<PartNotes, "source" | "sizeBytes" | "heldBytes">;

/** A raw image under way. One of a snapshot can be gone on with after whatever ended it. */
export class ImageWriter implements AsyncDisposable {
  readonly sum: ContentSum;
  /** Where it goes on. */
  readonly from: number;
  readonly #file: PartFile;
  readonly #about: PartAbout;
  #doneBytes: number;
  #notedBytes = 0;
  #underWay: UnderWay | null = null;

  private constructor(file: PartFile, about: PartAbout, at: Begun) {
    this.#file = file;
    this.#about = about;
    this.sum = at.sum;
    this.from = at.doneBytes;
    this.#doneBytes = at.doneBytes;
    this.#notedBytes = at.doneBytes;
    file.keep = at.doneBytes > 0;
  }

  /** @throws exists | denied | not_found | invalid when the part is of another state | corrupt */
  static async create(path: string, about: PartAbout, resume: boolean): Promise<ImageWriter> {
    const { file, found } = await PartFile.open(path, resume);
    let begun: Begun = { doneBytes: 0, sum: new ContentSum() };
    try {
      const notes = found ? notesIn(file) : null;
      if (notes !== null) {
        file.keep = true;
        begun = await checkedPart(file, notes, about);
      }
      await file.truncate(begun.doneBytes);
      const image = new ImageWriter(file, about, begun);
      image.note();
      return image;
    } catch (thrown) {
      await file[Symbol.asyncDispose]();
      throw thrown;
    }
  }

  /** What of it is left when it does not end; null when nothing is. */
  get left(): string | null {
    return this.#file.keep && this.#file.stands ? this.#file.partPath : null;
  }

  get partPath(): string {
    return this.#file.partPath;
  }

  /** In order; it is still being written when this returns. What is all zeros becomes a hole. */
  async write(piece: DataPiece): Promise<void> {
    await this.#settle();
    const ended = this.#writeRuns(piece);
    // Whoever comes next is told.
    ended.catch(() => {});
    const end = piece.offset + piece.bytes.length;
    this.#underWay = { ended, end, sum: pieceSum(piece) };
  }

  async #writeRuns(piece: DataPiece): Promise<void> {
    for (const { offset, bytes } of joinedRuns(piece)) await this.#file.write(bytes, offset);
  }

  async #settle(): Promise<void> {
    const underWay = this.#underWay;
    if (underWay === null) return;
    this.#underWay = null;
    await underWay.ended;
    this.sum.addSum(underWay.sum);
    this.#doneBytes = underWay.end;
    if (this.#doneBytes - this.#notedBytes >= limits.backupNotesBytes) this.note();
  }

  /** All is written; it has its name when it is finished. */
  async fill(): Promise<void> {
    await this.#settle();
    await this.#file.truncate(this.#about.sizeBytes);
    this.#doneBytes = this.#about.sizeBytes;
  }

  /** See PartFile.toDisk. */
  async toDisk(): Promise<void> {
    await this.#file.toDisk();
  }

  /** See PartFile.finish. */
  async finish(converted?: string): Promise<void> {
    await this.#file.finish(converted);
    this.#file.keep = false;
    rmSync(notesOf(this.#file), { force: true });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#underWay?.ended.catch(() => {});
    // Before it is anybody else's.
    if (!this.#file.keep && this.#file.stands) rmSync(notesOf(this.#file), { force: true });
    await this.#file[Symbol.asyncDispose]();
  }

  /** Keeps what there is, unless it is of a working VDI, which may change before somebody goes on. */
  note(): void {
    if (this.#about.source.taken === null || !this.#file.stands) return;
    this.#notedBytes = this.#doneBytes;
    const notes: PartNotes = {
      ...this.#about,
      doneBytes: this.#doneBytes,
      sum: sumHex(this.sum.value),
    };
    try {
      writeFileSync(notesOf(this.#file), `${JSON.stringify(notes)}\n`);
      if (this.#doneBytes > 0) this.#file.keep = true;
    } catch (thrown) {
      throw ofFile(this.#file.path, thrown);
    }
  }
}

/** A piece that is being written: what counts when it is. */
interface UnderWay {
  readonly ended: Promise<void>;
  readonly end: number;
  readonly sum: bigint;
}

interface Begun {
  readonly doneBytes: number;
  readonly sum: ContentSum;
}

/** A part that holds what its notes say, which may be older. @throws invalid | corrupt */
async function checkedPart(file: PartFile, notes: PartNotes, about: PartAbout): Promise<Begun> {
  const advice = `remove '${file.partPath}' to begin anew`;
  if (!sameState(notes.source, about.source) || notes.sizeBytes !== about.sizeBytes) {
    const [is, wanted] = [stateText(notes.source), stateText(about.source)];
    const text = `'${file.partPath}' is of ${is} as it was then, and not of this ${wanted}`;
    throw new SheepfsError("invalid", `${text}; ${advice}`);
  }
  if (notes.heldBytes !== about.heldBytes) {
    const text = `the ${stateText(about.source)} that '${file.partPath}' was begun from had more then`;
    throw new SheepfsError("stale", `${text}: somebody deletes it`);
  }
  const sum = new ContentSum();
  await using image = await ImageReader.open(file.partPath);
  for await (const { offset, bytes } of image.data()) {
    if (offset >= notes.doneBytes) break;
    sum.add({ offset, bytes: bytes.subarray(0, notes.doneBytes - offset) });
  }
  if (sumHex(sum.value) === notes.sum) return { doneBytes: notes.doneBytes, sum };
  const text = `'${file.partPath}' does not hold what was written to it; ${advice}`;
  throw new SheepfsError("corrupt", text);
}

function notesOf({ partPath }: PartFile): string {
  return `${partPath}.json`;
}

function notesIn(file: PartFile): PartNotes | null {
  try {
    const path = notesOf(file);
    const notes = JSON.parse(readFileSync(path, "utf8")) as PartNotes;
    stateIdFrom(notes.source, path);
    const whole = [notes.doneBytes, notes.sizeBytes, notes.heldBytes].every(Number.isSafeInteger);
    return whole && /^[0-9a-f]{32}$/.test(notes.sum) ? notes : null;
  } catch {
    return null;
  }
}

/** A device or pipe says that it has 0 bytes, and would be taken for an image of zeros. */
function refuseSizeless(path: string, found: Stats): void {
  if (found.isDirectory()) throw new SheepfsError("is_directory", `'${path}' is a directory`);
  if (found.isFile()) return;
  const advice = `give its bytes as a stream: FILE is '-', and '< ${path}' behind the line`;
  throw new SheepfsError("invalid", `'${path}' is no regular file; ${advice}`);
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
      // Before it is opened, as opening a pipe waits for whoever writes to it.
      refuseSizeless(path, await stat(path));
      const handle = await open(path, "r");
      return new ImageReader(path, handle, (await handle.stat()).size);
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
        yield { offset: at, bytes: await this.read(at, length) };
        at += length;
      }
    }
  }

  /** @throws corrupt when it is shorter */
  async read(offset: number, length: number): Promise<Uint8Array<ArrayBuffer>> {
    const bytes = new Uint8Array(length);
    for (let done = 0; done < length; ) {
      const rest = bytes.subarray(done);
      const { bytesRead } = await this.#handle.read(rest, 0, rest.length, offset + done);
      if (bytesRead === 0) throw new SheepfsError("corrupt", `'${this.#path}' became shorter`);
      done += bytesRead;
    }
    return bytes;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#handle.close();
  }
}
