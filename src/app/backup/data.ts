import { assert } from "../../base/assert.ts";
import { SheepfsError } from "../../base/errors.ts";
import { limits } from "../../base/limits.ts";
import type { Progress } from "../../base/progress.ts";
import type { Extent } from "../../volume/discard.ts";
import type { Volume } from "../../volume/volume.ts";
import { operation } from "../verbs/core.ts";
import { aligned, dataExtents } from "./differences.ts";
import { ContentSum } from "./digest.ts";
import { stateIdOf } from "./state-id.ts";

/** Some bytes of a volume or an image, lent until the ones after the next are asked for. */
export interface DataPiece {
  readonly offset: number;
  readonly bytes: Uint8Array;
}

/** Told again and again; it throws when there is to be no more. */
export type TellProgress = (progress: Progress) => void;

/** The same bytes of a state and of the one before it. */
export interface PiecePair {
  readonly after: DataPiece;
  readonly before: DataPiece;
}

/**
 * The bytes of extents, in order, with as many reads under way as a cluster needs to be busy.
 * @throws whatever reading throws
 */
export async function* readAhead(
  volume: Volume,
  extents: AsyncIterable<Extent>,
): AsyncGenerator<DataPiece> {
  for await (const { offset, buffers } of readTogether([volume], extents)) {
    const [bytes] = buffers;
    if (bytes !== undefined) yield { offset, bytes };
  }
}

/** The same of two states; where the first ends it goes on with zeros. */
export async function* readPairs(
  { before, after }: { readonly before: Volume; readonly after: Volume },
  extents: AsyncIterable<Extent>,
): AsyncGenerator<PiecePair> {
  for await (const { offset, buffers } of readTogether([before, after], extents)) {
    const [old, bytes] = buffers;
    if (old === undefined || bytes === undefined) continue;
    yield { before: { offset, bytes: old }, after: { offset, bytes } };
  }
}

/** Hands over all data from `from` on, in order. @returns how much there was */
export async function readAll(
  volume: Volume,
  how: { readonly from: number; readonly progress: TellProgress },
  take: (piece: DataPiece) => Promise<void>,
): Promise<number> {
  const extents = (): AsyncGenerator<Extent> =>
    aligned(dataExtents(volume, how.from), volume.sizeBytes);
  const totalBytes = await bytesOf(extents());
  let dataBytes = 0;
  for await (const piece of readAhead(volume, extents())) {
    await take(piece);
    dataBytes += piece.bytes.length;
    how.progress({ doneBytes: dataBytes, totalBytes });
  }
  return dataBytes;
}

export async function bytesOf(extents: AsyncIterable<Extent>): Promise<number> {
  let bytes = 0;
  for await (const { length } of extents) bytes += length;
  return bytes;
}

/**
 * Bytes of the objects that a state has, to see later whether it still has them: whoever deletes a
 * snapshot makes holes of them first, and until then it is read like any other.
 */
export async function heldBytes(volume: Volume): Promise<number> {
  return await bytesOf(dataExtents(volume));
}

/** @throws stale when a snapshot has not what it had: what was read of it may be zeros instead of that */
export async function refuseCleared(volume: Volume, heldBefore: number): Promise<void> {
  const held = await heldBytes(volume);
  if (!volume.header.isSnapshot || held === heldBefore) return;
  const { name, tag } = stateIdOf(volume.header);
  const text = `'${name}@${tag}' has objects of ${held} bytes and had ${heldBefore}`;
  throw new SheepfsError(
    "stale",
    `${text}: somebody deletes it, and what is read of it is not whole`,
  );
}

/** The checksum of all that a volume holds. */
export async function volumeSum(volume: Volume, progress: TellProgress): Promise<ContentSum> {
  const sum = new ContentSum();
  await readAll(volume, { from: 0, progress }, async (piece) => sum.add(piece));
  return sum;
}

interface Reading {
  readonly offset: number;
  /** One for each volume. */
  readonly buffers: readonly Uint8Array[];
  readonly whole: readonly Uint8Array[];
}

async function* readTogether(
  volumes: readonly Volume[],
  extents: AsyncIterable<Extent>,
): AsyncGenerator<Reading> {
  const free: (readonly Uint8Array[])[] = [];
  for (let count = 0; count <= limits.backupInflightMax; count += 1) {
    free.push(volumes.map(() => new Uint8Array(limits.backupPieceBytes)));
  }
  const pending: Promise<Reading>[] = [];
  let lent: readonly Uint8Array[] | null = null;
  for await (const extent of cut(extents)) {
    if (pending.length === limits.backupInflightMax) {
      const done = await pending.shift();
      assert(done !== undefined, "what is under way is known");
      yield done;
      // Whoever has the one before may have gone on with it until now.
      if (lent !== null) free.push(lent);
      lent = done.whole;
    }
    const whole = free.pop();
    assert(
      whole !== undefined,
      "there is a buffer for each that is under way, and for one that is lent",
    );
    const reading = readPieces(volumes, extent, whole);
    // One behind a failure is not waited for.
    reading.catch(() => {});
    pending.push(reading);
  }
  for (const next of pending) yield await next;
}

async function readPieces(
  volumes: readonly Volume[],
  { offset, length }: Extent,
  whole: readonly Uint8Array[],
): Promise<Reading> {
  const buffers = whole.map((buffer) => buffer.subarray(0, length));
  await Promise.all(
    volumes.map(async (volume, at) => {
      const bytes = buffers[at] ?? new Uint8Array(0);
      const read = await volume.read(bytes, offset, operation());
      bytes.fill(0, read);
    }),
  );
  return { offset, buffers, whole };
}

/** In pieces that end where those of other extents can begin. */
async function* cut(extents: AsyncIterable<Extent>): AsyncGenerator<Extent> {
  for await (const { offset, length } of extents) {
    const end = offset + length;
    for (let at = offset; at < end; ) {
      const next = Math.min(at - (at % limits.backupPieceBytes) + limits.backupPieceBytes, end);
      yield { offset: at, length: next - at };
      at = next;
    }
  }
}
