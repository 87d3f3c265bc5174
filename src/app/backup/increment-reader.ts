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
export interface ChangedPlace {
  readonly offset: number;
  readonly length: number;
  /** Of what the base has there. */
  readonly beforeSum: bigint;
}

/** The same with what is there now. */
export interface ChangedPart extends ChangedPlace {
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

/** What a reading has come to so far. */
interface Walk {
  whole: WholePart;
  /** Of all headers, so that they can be compared without what is between them. */
  readonly heads: Bun.CryptoHasher;
  end: { readonly says: IncrementEnd; readonly seal: Uint8Array } | null;
}

/** What tells this content from any other. */
interface Checked {
  readonly heads: Uint8Array;
  readonly seal: Uint8Array;
}

/**
 * An increment to read. Nothing of it is to be believed before `checked`; what is read later has to be
 * what was checked, since the file may have been written to meanwhile.
 */
export class IncrementReader implements AsyncDisposable {
  readonly about: IncrementAbout;
  readonly #path: string;
  readonly #file: ImageReader;
  readonly #seal: Uint8Array;
  readonly #at: number;
  #checked: Checked | null = null;

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
    const walk = this.#walk();
    for await (const _ of this.#sealedParts(walk)) {
      progress(walk.whole.fileBytes, this.#file.sizeBytes);
    }
    const { whole, end, heads } = walk;
    if (end === null) throw damaged(this.#path, `only ${whole.fileBytes} bytes of it are whole`);
    const { says, seal } = end;
    const counts = whole.parts === says.parts && whole.dataBytes === says.dataBytes;
    if (!counts || whole.zeroBytes !== says.zeroBytes || sumHex(whole.sum) !== says.sum) {
      throw damaged(this.#path, "its end contradicts it");
    }
    this.#checked = { heads: heads.digest(), seal };
    return says;
  }

  /** How much of a file that was cut short can be gone on with. */
  async whole(): Promise<WholePart> {
    const walk = this.#walk();
    for await (const _ of this.#sealedParts(walk));
    return walk.whole;
  }

  /**
   * What changed, in order. The seal of each part is compared again before it is handed over.
   * @throws corrupt when it is not what was checked
   */
  async *parts(): AsyncGenerator<ChangedPart> {
    const walk = this.#walk();
    yield* this.#sealedParts(walk);
    if (walk.end === null || !same(walk.end.seal, this.#checked?.seal)) throw this.#changed();
  }

  /**
   * Where it changes something, in order. Seals are of the data too, which is not read for this: these are
   * the places that were checked when the last one is passed without an error.
   * @throws corrupt when they are not
   */
  async *places(): AsyncGenerator<ChangedPlace> {
    const heads = new Bun.CryptoHasher("sha256");
    for (let at = this.#at; ; ) {
      if (at + IncrementPart.size > this.#file.sizeBytes) throw this.#changed();
      const head = await this.#file.read(at, IncrementPart.size);
      heads.update(head);
      const { kind, offset, length, beforeSum } = decodePart(head);
      if (kind === partKinds.end) break;
      yield { offset, length, beforeSum: sumOf(beforeSum) };
      at += IncrementPart.size + (kind === partKinds.data ? length : 0);
    }
    if (!same(heads.digest(), this.#checked?.heads)) throw this.#changed();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#file[Symbol.asyncDispose]();
  }

  #walk(): Walk {
    const none = { parts: 0, dataBytes: 0, zeroBytes: 0, nextOffset: 0 };
    const sum = sumFrom(this.about.base.sum);
    return {
      whole: { ...none, fileBytes: this.#at, seal: this.#seal, sum },
      heads: new Bun.CryptoHasher("sha256"),
      end: null,
    };
  }

  /** Ends with the end, which it notes, or where it is cut short or not what was written. */
  async *#sealedParts(walk: Walk): AsyncGenerator<ChangedPart> {
    const sum = new ContentSum(walk.whole.sum);
    for (;;) {
      const { whole } = walk;
      const next = await this.#sealed(whole);
      if (next === null) return;
      const { head, kind, offset, length, payload, seal } = next;
      walk.heads.update(head);
      const fileBytes = whole.fileBytes + IncrementPart.size + payload.length;
      if (kind === partKinds.end) {
        if (fileBytes !== this.#file.sizeBytes)
          throw damaged(this.#path, "there is more behind it");
        walk.end = { says: decodeEnd(payload, this.#path), seal };
        return;
      }
      if (!this.#fits({ offset, bytes: payload }, next, whole)) throw this.#misplaced(offset);
      const beforeSum = sumOf(next.beforeSum);
      sum.subtractSum(beforeSum);
      if (kind === partKinds.data) sum.addSum(pieceSum({ offset, bytes: payload }));
      walk.whole = {
        ...{ fileBytes, seal, sum: sum.value, nextOffset: offset + length },
        parts: whole.parts + 1,
        dataBytes: whole.dataBytes + payload.length,
        zeroBytes: whole.zeroBytes + (kind === partKinds.zeros ? length : 0),
      };
      const bytes = kind === partKinds.data ? payload : null;
      yield { offset, length, beforeSum, bytes };
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
    const isSealed = same(sealOf(head, payload, before), seal);
    return isSealed ? { ...part, head, payload, seal } : null;
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

  #changed(): SheepfsError {
    return damaged(this.#path, "it is not what it was when it was checked just before");
  }
}

function same(bytes: Uint8Array, others: Uint8Array | undefined): boolean {
  return others !== undefined && Buffer.compare(bytes, others) === 0;
}
