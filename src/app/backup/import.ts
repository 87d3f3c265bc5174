import type { Address } from "../../base/address.ts";
import { asSheepfsError, SheepfsError } from "../../base/errors.ts";
import { limits } from "../../base/limits.ts";
import { attachNamed } from "../../tree/entries/attaching.ts";
import { unescapeName } from "../../tree/names.ts";
import type { Volume } from "../../volume/volume.ts";
import { operation, withCore } from "../verbs/core.ts";
import { deleteOneVdi, makeVdi } from "../verbs/vdis.ts";
import type { DataPiece } from "./data.ts";
import { ContentDigest, joinedRuns } from "./digest.ts";
import { type ExportWish, type TransferResult, transfer } from "./export.ts";
import { ImageReader } from "./image-file.ts";

export interface ImportWish {
  readonly gateways: readonly Address[];
  /** Of the new VDI. */
  readonly name: string;
  readonly objectBytes: number | null;
  readonly copies: number | null;
  /** An image; null for `input`. */
  readonly path: string | null;
  /** Of the VDI; null for that of the image, which a stream does not have. */
  readonly sizeBytes: number | null;
  readonly verify: boolean;
  readonly input: () => AsyncIterable<Uint8Array>;
  readonly progress: ExportWish["progress"];
}

/**
 * Makes a VDI of an image. Zeros are not written. A VDI that could not be filled is deleted again.
 * @throws exists | no_space when the image is larger than the VDI | corrupt when it does not read back |
 *   invalid | …
 */
export async function importVdi(wish: ImportWish): Promise<TransferResult> {
  unescapeName(wish.name);
  if (wish.path === null) {
    if (wish.sizeBytes === null) {
      throw new SheepfsError("invalid", "a stream has no size to be seen: give '--size'");
    }
    return await intoNew(wish, wish.sizeBytes, inPieces(wish.input()));
  }
  await using image = await ImageReader.open(wish.path);
  const sizeBytes = wish.sizeBytes ?? image.sizeBytes;
  if (sizeBytes < image.sizeBytes) {
    const text = `'${wish.path}' has ${image.sizeBytes} bytes, more than ${sizeBytes}`;
    throw new SheepfsError("no_space", text);
  }
  return await intoNew(wish, sizeBytes, image.data());
}

async function intoNew(
  wish: ImportWish,
  sizeBytes: number,
  pieces: AsyncIterable<DataPiece>,
): Promise<TransferResult> {
  const { gateways, name, objectBytes, copies } = wish;
  await makeVdi(gateways, { name, sizeBytes, objectBytes, copies });
  try {
    return await fillVdi(wish, sizeBytes, pieces);
  } catch (thrown) {
    const error = asSheepfsError(thrown);
    try {
      await deleteOneVdi(gateways, name, () => {});
    } catch (also) {
      const left = `the unfinished VDI '${name}' is still there: ${asSheepfsError(also).message}`;
      throw new SheepfsError(error.code, `${error.message}; ${left}`, { cause: thrown });
    }
    throw thrown;
  }
}

async function fillVdi(
  wish: ImportWish,
  sizeBytes: number,
  pieces: AsyncIterable<DataPiece>,
): Promise<TransferResult> {
  const { gateways, name, progress } = wish;
  return await withCore(gateways, false, async (core) => {
    const line = new TextEncoder().encode(name);
    const { volume } = await attachNamed(core.volumes, line, operation());
    const digest = new ContentDigest();
    let dataBytes = 0;
    const count = (piece: DataPiece): void => {
      if (piece.offset + piece.bytes.length > sizeBytes) {
        throw new SheepfsError(
          "no_space",
          `there is more than the ${sizeBytes} bytes of '${name}'`,
        );
      }
      digest.add(piece);
      dataBytes += piece.bytes.length;
      progress({ doneBytes: dataBytes, totalBytes: sizeBytes });
    };
    await writeAll(volume, pieces, count);
    await volume.flush(operation());
    const written = digest.end(sizeBytes);
    if (wish.verify) {
      const read = await transfer(volume, progress, async () => {});
      if (read.digest !== written) {
        throw new SheepfsError("corrupt", `VDI '${name}' does not read back as it was written`);
      }
    }
    return { name, sizeBytes, dataBytes, digest: written };
  });
}

/** With as many writes under way as a cluster needs to be busy. */
async function writeAll(
  volume: Volume,
  pieces: AsyncIterable<DataPiece>,
  count: (piece: DataPiece) => void,
): Promise<void> {
  const writing = new Set<Promise<void>>();
  const failures: unknown[] = [];
  const write = async (piece: DataPiece): Promise<void> => {
    try {
      for (const { offset, bytes } of joinedRuns(piece)) {
        await volume.write(bytes, offset, operation());
      }
    } catch (thrown) {
      failures.push(thrown);
    }
  };
  for await (const piece of pieces) {
    if (failures.length > 0) break;
    count(piece);
    const one = write(piece).finally(() => writing.delete(one));
    writing.add(one);
    if (writing.size >= limits.backupInflightMax) await Promise.race(writing);
  }
  await Promise.all(writing);
  if (failures.length > 0) throw failures[0];
}

/** A stream in pieces that begin where holes and digests do. */
async function* inPieces(input: AsyncIterable<Uint8Array>): AsyncGenerator<DataPiece> {
  let buffer = new Uint8Array(limits.backupPieceBytes);
  let filled = 0;
  let offset = 0;
  for await (const bytes of input) {
    for (let rest = bytes; rest.length > 0; ) {
      const taken = rest.subarray(0, buffer.length - filled);
      buffer.set(taken, filled);
      filled += taken.length;
      rest = rest.subarray(taken.length);
      if (filled < buffer.length) continue;
      yield { offset, bytes: buffer };
      offset += filled;
      filled = 0;
      buffer = new Uint8Array(limits.backupPieceBytes);
    }
  }
  if (filled > 0) yield { offset, bytes: buffer.subarray(0, filled) };
}
