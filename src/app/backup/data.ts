import { limits } from "../../base/limits.ts";
import type { Extent } from "../../volume/discard.ts";
import type { Volume } from "../../volume/volume.ts";
import { operation } from "../verbs/core.ts";

/** Some bytes of a volume or an image, lent until the next are asked for. */
export interface DataPiece {
  readonly offset: number;
  readonly bytes: Uint8Array;
}

/** What was ever written of a volume, in order, as its index alone tells. */
export async function* dataExtents(volume: Volume): AsyncGenerator<Extent> {
  for (let at = 0; ; ) {
    const from = await volume.seek(at, "data", operation());
    if (from === null) return;
    const end = (await volume.seek(from, "hole", operation())) ?? volume.sizeBytes;
    yield { offset: from, length: end - from };
    at = end;
    if (at >= volume.sizeBytes) return;
  }
}

/**
 * The bytes of extents, in order, with as many reads under way as a cluster needs to be busy.
 * @throws whatever reading throws
 */
export async function* readAhead(
  volume: Volume,
  extents: AsyncIterable<Extent>,
): AsyncGenerator<DataPiece> {
  const free: Uint8Array[] = [];
  for (let count = 0; count < limits.backupInflightMax; count += 1) {
    free.push(new Uint8Array(limits.backupPieceBytes));
  }
  const pending: Promise<LentPiece>[] = [];
  for await (const extent of cut(extents)) {
    let buffer = free.pop();
    if (buffer === undefined) {
      const done = await pending.shift();
      if (done === undefined) throw new Error("a buffer is free or in use");
      yield done;
      buffer = done.buffer;
    }
    const reading = readPiece(volume, extent, buffer);
    // One behind a failure is not waited for.
    reading.catch(() => {});
    pending.push(reading);
  }
  for (const next of pending) yield await next;
}

interface LentPiece extends DataPiece {
  readonly buffer: Uint8Array;
}

async function readPiece(
  volume: Volume,
  { offset, length }: Extent,
  buffer: Uint8Array,
): Promise<LentPiece> {
  const bytes = buffer.subarray(0, length);
  await volume.read(bytes, offset, operation());
  return { offset, bytes, buffer };
}

async function* cut(extents: AsyncIterable<Extent>): AsyncGenerator<Extent> {
  for await (const { offset, length } of extents) {
    for (let done = 0; done < length; done += limits.backupPieceBytes) {
      yield { offset: offset + done, length: Math.min(limits.backupPieceBytes, length - done) };
    }
  }
}
