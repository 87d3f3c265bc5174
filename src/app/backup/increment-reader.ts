import type { SheepfsError } from "../../base/errors.ts";
import { limits } from "../../base/limits.ts";
import type { DataPiece } from "./data.ts";
import { ContentSum, pieceSum, sumHex, sumOf } from "./digest.ts";
import { ImageReader } from "./image-file.ts";
import {
  damaged,
  decodeAbout,
  decodeEnd,
  decodeHead,
  decodePart,
  type IncrementAbout,
  type IncrementEnd,
  IncrementHead,
  IncrementPart,
  partKinds,
  sealOf,
  sumFrom,
} from "./increment-format.ts";

/** One extent that changed. */
export interface ChangedPart {
  readonly offset: number;
  readonly length: number;
  /** Of what the base has there. */
  readonly beforeSum: bigint;
  /** Null when it became zeros. */
  readonly bytes: Uint8Array | null;
}

/** How far a file that was cut short is whole, and what it makes until there. */
export interface WholePart {
  readonly fileBytes: number;
  readonly seal: Uint8Array;
  readonly parts: number;
  readonly dataBytes: number;
  readonly zeroBytes: number;
  /** Behind the last part. */
  readonly nextOffset: number;
  readonly sum: bigint;
}

/** An increment to read. Nothing of it is to be believed before `checked`. */
export class IncrementReader implements AsyncDisposable {
  readonly about: IncrementAbout;
  readonly #path: string;
  readonly #file: ImageReader;
  readonly #seal: Uint8Array;
  readonly #at: number;

  private constructor(
    path: string,
    file: ImageReader,
    head: { readonly about: IncrementAbout; readonly seal: Uint8Array; readonly at: number },
  ) {
    this.#path = path;
    this.#file = file;
    this.about = head.about;
    this.#seal = head.seal;
    this.#at = head.at;
  }

  /**
   * @param title how messages call it, which may be a copy of a stream
   * @throws not_found | invalid for another file | not_supported | corrupt
   */
  static async open(path: string, title: string = path): Promise<IncrementReader> {
    const file = await ImageReader.open(path);
    try {
      const length = Math.min(IncrementHead.size, file.sizeBytes);
      const { textBytes, seal } = decodeHead(await file.read(0, length), title);
      const at = IncrementHead.size + textBytes;
      if (at > file.sizeBytes) throw damaged(title, "its head");
      const about = decodeAbout(await file.read(IncrementHead.size, textBytes), seal, title);
      return new IncrementReader(title, file, { about, seal, at });
    } catch (thrown) {
      await file[Symbol.asyncDispose]();
      throw thrown;
    }
  }

  /**
   * Reads all of it once.
   * @param progress told how many bytes of the file were read
   * @throws corrupt when anything of it is not as it was written
   */
  async checked(progress: (doneBytes: number, totalBytes: number) => void): Promise<IncrementEnd> {
    const { whole, end } = await this.#scan(progress);
    if (end === null) throw damaged(this.#path, `only ${whole.fileBytes} bytes of it are whole`);
    const counts = whole.parts === end.parts && whole.dataBytes === end.dataBytes;
    if (!counts || whole.zeroBytes !== end.zeroBytes || sumHex(whole.sum) !== end.sum) {
      throw damaged(this.#path, "its end contradicts it");
    }
    return end;
  }

  /** How much of a file that was cut short can be gone on with. */
  async whole(): Promise<WholePart> {
    return (await this.#scan(() => {})).whole;
  }

  /** What changed, in order. @param payloads whether bytes are read; else all parts have none */
  async *parts(payloads: boolean): AsyncGenerator<ChangedPart> {
    for (let at = this.#at; ; ) {
      const part = decodePart(await this.#file.read(at, IncrementPart.size));
      const { kind, offset, length } = part;
      if (kind === partKinds.end) return;
      at += IncrementPart.size;
      const isData = kind === partKinds.data;
      const bytes = isData && payloads ? await this.#file.read(at, length) : null;
      yield { offset, length, beforeSum: sumOf(part.beforeSum), bytes };
      if (isData) at += length;
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#file[Symbol.asyncDispose]();
  }

  async #scan(
    progress: (doneBytes: number, totalBytes: number) => void,
  ): Promise<{ readonly whole: WholePart; readonly end: IncrementEnd | null }> {
    const sum = new ContentSum(sumFrom(this.about.base.sum));
    const none = { parts: 0, dataBytes: 0, zeroBytes: 0, nextOffset: 0 };
    let whole: WholePart = { ...none, fileBytes: this.#at, seal: this.#seal, sum: sum.value };
    for (;;) {
      const next = await this.#sealed(whole);
      if (next === null) return { whole, end: null };
      const { kind, offset, length, beforeSum, payload, seal } = next;
      const fileBytes = whole.fileBytes + IncrementPart.size + payload.length;
      if (kind === partKinds.end) {
        if (fileBytes !== this.#file.sizeBytes)
          throw damaged(this.#path, "there is more behind it");
        return { whole, end: decodeEnd(payload, this.#path) };
      }
      if (!this.#fits({ offset, bytes: payload }, next, whole)) throw this.#misplaced(offset);
      sum.subtractSum(sumOf(beforeSum));
      if (kind === partKinds.data) sum.addSum(pieceSum({ offset, bytes: payload }));
      whole = {
        ...{ fileBytes, seal, sum: sum.value, nextOffset: offset + length },
        parts: whole.parts + 1,
        dataBytes: whole.dataBytes + payload.length,
        zeroBytes: whole.zeroBytes + (kind === partKinds.zeros ? length : 0),
      };
      progress(fileBytes, this.#file.sizeBytes);
    }
  }

  /** The part behind what is whole; null when that is cut short or not what was written. */
  async #sealed({ fileBytes: at, seal: before }: WholePart) {
    const { sizeBytes } = this.#file;
    if (at + IncrementPart.size > sizeBytes) return null;
    const head = await this.#file.read(at, IncrementPart.size);
    const { checksum: seal, ...part } = decodePart(head);
    const bytes = part.kind === partKinds.zeros ? 0 : part.length;
    const most =
      part.kind === partKinds.end ? limits.incrementTextBytesMax : limits.backupPieceBytes;
    if (bytes > most || at + IncrementPart.size + bytes > sizeBytes) return null;
    const payload = await this.#file.read(at + IncrementPart.size, bytes);
    return Buffer.compare(sealOf(head, payload, before), seal) === 0
      ? { ...part, payload, seal }
      : null;
  }

  /** Sealed by whoever made it; that does not make it something that can be applied. */
  #fits(
    piece: DataPiece,
    { kind, length }: { kind: number; length: number },
    whole: WholePart,
  ): boolean {
    const { sizeBytes } = this.about;
    const end = piece.offset + length;
    const unit = limits.backupHoleBytes;
    const known = kind === partKinds.data || kind === partKinds.zeros;
    const inOrder = piece.offset >= whole.nextOffset && length > 0 && end <= sizeBytes;
    return known && inOrder && piece.offset % unit === 0 && (end % unit === 0 || end === sizeBytes);
  }

  #misplaced(offset: number): SheepfsError {
    return damaged(this.#path, `a part at offset ${offset} cannot be`);
  }
}
