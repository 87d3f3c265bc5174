import type { Address } from "../../base/address.ts";
import { SheepfsError } from "../../base/errors.ts";
import { limits } from "../../base/limits.ts";
import { attachNamed } from "../../tree/entries/attaching.ts";
import type { Volume } from "../../volume/volume.ts";
import { operation, withCore } from "../verbs/core.ts";
import { type DataPiece, dataExtents, readAhead } from "./data.ts";
import { ContentDigest } from "./digest.ts";
import { ImageReader, ImageWriter } from "./image-file.ts";

/** How far a transfer is. */
export interface TransferProgress {
  readonly doneBytes: number;
  readonly totalBytes: number;
}

export interface TransferResult {
  readonly name: string;
  readonly sizeBytes: number;
  /** That were read and written; the rest are holes. */
  readonly dataBytes: number;
  /** SHA-256 of what it holds, whichever of its zeros are holes. */
  readonly digest: string;
}

export interface ExportWish {
  readonly gateways: readonly Address[];
  /** NAME, NAME@TAG or NAME@ID. */
  readonly name: string;
  /** A path; null for `out`. */
  readonly path: string | null;
  /** Read the image again when it is on the disk. */
  readonly verify: boolean;
  /** Takes all bytes in order, zeros too; false when no more are wanted. */
  readonly out: (bytes: Uint8Array) => Promise<boolean>;
  readonly progress: (progress: TransferProgress) => void;
}

/**
 * Writes what a VDI or snapshot holds to an image. Only what was ever written is read.
 * @throws exists | not_found | no_space | corrupt when it does not read back | …
 */
export async function exportVdi(wish: ExportWish): Promise<TransferResult> {
  const { gateways, name, path } = wish;
  return await withCore(gateways, true, async (core) => {
    const line = new TextEncoder().encode(name);
    const { volume } = await attachNamed(core.volumes, line, operation());
    const { sizeBytes } = volume;
    if (path === null) return { name, ...(await stream(volume, wish)) };
    await using image = await ImageWriter.create(path);
    const { dataBytes, digest } = await transfer(volume, wish.progress, (piece) =>
      image.write(piece),
    );
    await image.finish(sizeBytes);
    if (wish.verify) await verifyImage(path, digest);
    return { name, sizeBytes, dataBytes, digest };
  });
}

/** Hands over all data in order, with a checksum of it. */
export async function transfer(
  volume: Volume,
  progress: ExportWish["progress"],
  take: (piece: DataPiece) => Promise<void>,
): Promise<{ readonly dataBytes: number; readonly digest: string }> {
  const totalBytes = await volume.allocatedBytes(operation());
  const digest = new ContentDigest();
  let dataBytes = 0;
  for await (const piece of readAhead(volume, dataExtents(volume))) {
    digest.add(piece);
    await take(piece);
    dataBytes += piece.bytes.length;
    progress({ doneBytes: dataBytes, totalBytes: Math.max(totalBytes, dataBytes) });
  }
  return { dataBytes, digest: digest.end(volume.sizeBytes) };
}

/** The same as one stream, with its zeros. */
async function stream(volume: Volume, { out, progress }: ExportWish) {
  const zeros = new Uint8Array(limits.backupPieceBytes);
  const { sizeBytes } = volume;
  let at = 0;
  const fill = async (end: number): Promise<void> => {
    while (at < end) {
      const bytes = zeros.subarray(0, Math.min(zeros.length, end - at));
      if (!(await out(bytes))) throw notWanted();
      at += bytes.length;
    }
  };
  const done = await transfer(volume, progress, async ({ offset, bytes }) => {
    await fill(offset);
    if (!(await out(bytes))) throw notWanted();
    at += bytes.length;
  });
  await fill(sizeBytes);
  return { sizeBytes, ...done };
}

function notWanted(): SheepfsError {
  return new SheepfsError("cancelled", "whoever reads the image has closed it");
}

async function verifyImage(path: string, wanted: string): Promise<void> {
  await using image = await ImageReader.open(path);
  const digest = new ContentDigest();
  for await (const piece of image.data()) digest.add(piece);
  if (digest.end(image.sizeBytes) === wanted) return;
  throw new SheepfsError("corrupt", `'${path}' does not read back as it was written`);
}
