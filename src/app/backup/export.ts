import { resolve } from "node:path";
import type { Address } from "../../base/address.ts";
import { asSheepfsError, SheepfsError } from "../../base/errors.ts";
import { limits } from "../../base/limits.ts";
import type { Volume } from "../../volume/volume.ts";
import { openNamed, withCore } from "../verbs/core.ts";
import { heldBytes, readAll, refuseCleared, type TellProgress } from "./data.ts";
import { ContentSum } from "./digest.ts";
import { ImageReader, ImageWriter } from "./image-file.ts";
import { convertTo, qcow2SectorBytes, refuseWithoutQemu } from "./qemu-img.ts";
import { stateIdOf } from "./state-id.ts";

export type ImageFormat = "raw" | "qcow2";

export interface TransferResult {
  readonly name: string;
  readonly sizeBytes: number;
  /** That were read and written; the rest are holes, or were there already. */
  readonly dataBytes: number;
  /** Of what it holds, whichever of its zeros are holes. */
  readonly digest: string;
}

export interface ExportWish {
  readonly gateways: readonly Address[];
  /** NAME, NAME@TAG or NAME@ID. */
  readonly name: string;
  /** A path; null for `out`, which is raw. */
  readonly path: string | null;
  readonly format: ImageFormat;
  /** Read the image again when it is on the disk. */
  readonly verify: boolean;
  /** Go on with what an earlier one of the same snapshot has left. */
  readonly resume: boolean;
  /** Takes all bytes in order, zeros too; false when no more are wanted. */
  readonly out: (bytes: Uint8Array) => Promise<boolean>;
  readonly progress: TellProgress;
  /** Told what is otherwise than may be thought. */
  readonly note: (text: string) => void;
}

/**
 * Writes what a VDI or snapshot holds to an image. Only what was ever written is read.
 * @throws exists | not_found | no_space | invalid when there is nothing to go on with | corrupt when it
 *   does not read back | …
 */
export async function exportVdi(wish: ExportWish): Promise<TransferResult> {
  const { gateways, name, path } = wish;
  if (wish.format === "qcow2") refuseWithoutQemu();
  return await withCore(gateways, true, async (core) => {
    const volume = await openNamed(core, name);
    if (path === null) return { name, ...(await stream(volume, wish)) };
    return { name, ...(await toImage(volume, path, wish)) };
  });
}

async function toImage(
  volume: Volume,
  path: string,
  { name, format, resume, verify, progress, note }: ExportWish,
): Promise<Omit<TransferResult, "name">> {
  const { sizeBytes } = volume;
  const source = stateIdOf(volume.header);
  const held = await heldBytes(volume);
  if (resume && source.taken === null) throw mayHaveChanged(name);
  await using image = await ImageWriter.create(
    path,
    { source, sizeBytes, heldBytes: held },
    resume,
  );
  try {
    const { from } = image;
    const dataBytes = await readAll(volume, { from, progress }, (piece) => image.write(piece));
    await image.fill();
    await refuseCleared(volume, held);
    const digest = image.sum.digest(sizeBytes);
    if (verify) {
      await image.toDisk();
      await verifyImage(image.partPath, digest);
    }
    if (format === "raw") await image.finish();
    else {
      const watching = {
        check: (): void => progress({ doneBytes: sizeBytes, totalBytes: sizeBytes }),
        quietMs: limits.qemuQuietMs,
      };
      const target = { path: `${path}.${format}.part`, format, compare: verify };
      await convertTo(target, image.partPath, watching);
      await image.finish(resolve(target.path));
      const over = sizeBytes % qcow2SectorBytes;
      if (over > 0) {
        const larger = `'${path}' has ${sizeBytes - over + qcow2SectorBytes} bytes`;
        note(`${larger}, as qcow2 counts sectors; import it with '--size ${sizeBytes}'`);
      }
    }
    return { sizeBytes, dataBytes, digest };
  } catch (thrown) {
    image.note();
    if (image.left === null) throw thrown;
    const error = asSheepfsError(thrown);
    const left = `'${image.left}' is the beginning of it: go on with '--resume', or remove it`;
    throw new SheepfsError(error.code, `${error.message}; ${left}`, { cause: thrown });
  }
}

export function mayHaveChanged(name: string): SheepfsError {
  const text = `'${name}' may have been written to since an earlier export of it began`;
  return new SheepfsError(
    "invalid",
    `${text}: leave '--resume' away, or make a snapshot and export that: ${name}@TAG`,
  );
}

/** The same as one stream, with its zeros. */
async function stream(
  volume: Volume,
  { out, progress }: ExportWish,
): Promise<Omit<TransferResult, "name">> {
  const zeros = new Uint8Array(limits.backupPieceBytes);
  const { sizeBytes } = volume;
  const sum = new ContentSum();
  const held = await heldBytes(volume);
  let at = 0;
  let taking = Promise.resolve(true);
  // One is taken while the next is read.
  const give = async (bytes: Uint8Array): Promise<void> => {
    if (!(await taking)) throw notWanted();
    taking = out(bytes);
    taking.catch(() => {});
    at += bytes.length;
  };
  const fill = async (end: number): Promise<void> => {
    while (at < end) await give(zeros.subarray(0, Math.min(zeros.length, end - at)));
  };
  const dataBytes = await readAll(volume, { from: 0, progress }, async (piece) => {
    await fill(piece.offset);
    await give(piece.bytes);
    sum.add(piece);
  });
  await fill(sizeBytes);
  if (!(await taking)) throw notWanted();
  await refuseCleared(volume, held);
  return { sizeBytes, dataBytes, digest: sum.digest(sizeBytes) };
}

export function notWanted(): SheepfsError {
  return new SheepfsError("cancelled", "whoever reads the image has closed it");
}

async function verifyImage(path: string, wanted: string): Promise<void> {
  await using image = await ImageReader.open(path);
  const sum = new ContentSum();
  for await (const piece of image.data()) sum.add(piece);
  if (sum.digest(image.sizeBytes) === wanted) return;
  throw new SheepfsError("corrupt", `'${path}' does not read back as it was written`);
}
