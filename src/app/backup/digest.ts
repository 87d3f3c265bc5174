import { limits } from "../../base/limits.ts";
import type { DataPiece } from "./data.ts";

const zeros = new Uint8Array(limits.backupHoleBytes);

/**
 * A checksum of what a volume or image holds, whichever of its zeros are holes: SHA-256 over each run of
 * `backupHoleBytes` that is not all zeros, with its offset before it, and the size at the end.
 */
export class ContentDigest {
  readonly #hash = new Bun.CryptoHasher("sha256");
  readonly #head = new DataView(new ArrayBuffer(8));

  /** Pieces come in order, and begin at multiples of `backupHoleBytes`. */
  add(piece: DataPiece): void {
    for (const { offset, bytes } of dataRuns(piece)) {
      this.#number(offset);
      this.#hash.update(bytes);
    }
  }

  /** In hexadecimal. */
  end(sizeBytes: number): string {
    this.#number(sizeBytes);
    return this.#hash.digest("hex");
  }

  #number(value: number): void {
    this.#head.setBigUint64(0, BigInt(value), true);
    this.#hash.update(new Uint8Array(this.#head.buffer));
  }
}

/** The runs of a piece that are not all zeros. */
function* dataRuns({ offset, bytes }: DataPiece): Generator<DataPiece> {
  for (let at = 0; at < bytes.length; at += limits.backupHoleBytes) {
    const run = bytes.subarray(at, at + limits.backupHoleBytes);
    if (Buffer.compare(run, zeros.subarray(0, run.length)) === 0) continue;
    yield { offset: offset + at, bytes: run };
  }
}

/** The same with neighbours joined, for whoever writes them. */
export function* joinedRuns(piece: DataPiece): Generator<DataPiece> {
  let from = -1;
  let end = -1;
  const joined = (): DataPiece => ({
    offset: piece.offset + from,
    bytes: piece.bytes.subarray(from, end),
  });
  for (const run of dataRuns(piece)) {
    const at = run.offset - piece.offset;
    if (from >= 0 && at !== end) {
      yield joined();
      from = -1;
    }
    if (from < 0) from = at;
    end = at + run.bytes.length;
  }
  if (from >= 0) yield joined();
}
