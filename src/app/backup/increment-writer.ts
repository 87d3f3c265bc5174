import { asSheepfsError, SheepfsError } from "../../base/errors.ts";
import { limits } from "../../base/limits.ts";
import type { DataPiece } from "./data.ts";
import { ContentSum, pieceSum, sumBytes, sumHex } from "./digest.ts";
import {
  encodeEnd,
  encodeHead,
  encodePart,
  type IncrementAbout,
  type IncrementEnd,
  type PartHead,
  partKinds,
  sumFrom,
} from "./increment-format.ts";
import { IncrementReader, type WholePart } from "./increment-reader.ts";
import { PartFile } from "./part-file.ts";
import { type StateId, sameState, stateText } from "./state-id.ts";

/** Takes bytes in order. */
export type Append = (bytes: Uint8Array) => Promise<void>;

/** The parts of an increment as they are made, in order. */
export class IncrementWriter {
  /** Where it goes on. */
  readonly from: number;
  readonly about: IncrementAbout;
  readonly #append: Append;
  readonly #sum: ContentSum;
  #seal: Uint8Array;
  #parts: number;
  #dataBytes: number;
  #zeroBytes: number;

  constructor(append: Append, about: IncrementAbout, whole: Omit<WholePart, "fileBytes">) {
    this.#append = append;
    this.about = about;
    this.from = whole.nextOffset;
    this.#sum = new ContentSum(whole.sum);
    this.#seal = whole.seal;
    this.#parts = whole.parts;
    this.#dataBytes = whole.dataBytes;
    this.#zeroBytes = whole.zeroBytes;
  }

  static async begin(append: Append, about: IncrementAbout): Promise<IncrementWriter> {
    const { bytes, seal } = encodeHead(about);
    await append(bytes);
    const none = { parts: 0, dataBytes: 0, zeroBytes: 0, nextOffset: 0 };
    return new IncrementWriter(append, about, { ...none, seal, sum: sumFrom(about.base.sum) });
  }

  /** Bytes that are not what the base has there. */
  async data(piece: DataPiece, beforeSum: bigint): Promise<void> {
    const { offset, bytes } = piece;
    const part = { kind: partKinds.data, offset, length: bytes.length };
    await this.#part({ ...part, beforeSum: sumBytes(beforeSum) }, bytes);
    this.#dataBytes += bytes.length;
    this.#sum.subtractSum(beforeSum);
    this.#sum.addSum(pieceSum(piece));
    this.#parts += 1;
  }

  /** The same that are zeros now. */
  async zeros(offset: number, length: number, beforeSum: bigint): Promise<void> {
    const part = { kind: partKinds.zeros, offset, length, beforeSum: sumBytes(beforeSum) };
    await this.#part(part, new Uint8Array(0));
    this.#zeroBytes += length;
    this.#sum.subtractSum(beforeSum);
    this.#parts += 1;
  }

  async end(): Promise<IncrementEnd> {
    const end = {
      ...{ parts: this.#parts, dataBytes: this.#dataBytes, zeroBytes: this.#zeroBytes },
      sum: sumHex(this.#sum.value),
      digest: this.#sum.digest(this.about.sizeBytes),
    };
    const text = encodeEnd(end);
    const part = { kind: partKinds.end, offset: 0, length: text.length };
    await this.#part({ ...part, beforeSum: sumBytes(0n) }, text);
    return end;
  }

  async #part(part: PartHead, payload: Uint8Array): Promise<void> {
    const { head, seal } = encodePart(part, payload, this.#seal);
    await this.#append(head);
    if (payload.length > 0) await this.#append(payload);
    this.#seal = seal;
  }
}

interface StatePair {
  readonly base: StateId;
  readonly state: StateId;
}

/** A file that an increment is written to, or gone on with. */
export interface IncrementFile {
  readonly file: PartFile;
  readonly append: Append;
  /** What is there already; null for a new one. */
  readonly begun: { readonly about: IncrementAbout; readonly whole: WholePart } | null;
}

/** @throws exists | denied | not_found | invalid when the part is of other states | corrupt */
export async function openIncrementFile(
  path: string,
  wanted: StatePair,
  resume: boolean,
): Promise<IncrementFile> {
  const { file, found } = await PartFile.open(path, resume);
  let at = 0;
  const append = async (bytes: Uint8Array): Promise<void> => {
    await file.write(bytes, at);
    at += bytes.length;
  };
  // One that ends in its head has nothing to go on with.
  if (!found || (await file.sizeBytes()) < limits.incrementTextBytesMax) {
    await file.truncate(0);
    return { file, append, begun: null };
  }
  try {
    file.keep = true;
    const begun = await begunPart(file.partPath, wanted);
    at = begun.whole.fileBytes;
    await file.truncate(at);
    return { file, append, begun };
  } catch (thrown) {
    await file[Symbol.asyncDispose]();
    const { code, message } = asSheepfsError(thrown);
    const text = `${message}; remove '${file.partPath}' to begin anew`;
    throw new SheepfsError(code, text, { cause: thrown });
  }
}

async function begunPart(path: string, wanted: StatePair) {
  await using reader = await IncrementReader.open(path);
  const { about } = reader;
  if (sameState(about.base, wanted.base) && sameState(about.state, wanted.state)) {
    return { about, whole: await reader.whole() };
  }
  const is = `from ${stateText(about.base)} to ${stateText(about.state)}`;
  const text = `'${path}' goes ${is} as they were then`;
  throw new SheepfsError("invalid", text);
}
