import { limits } from "../../base/limits.ts";
import type { DataPiece } from "./data.ts";

const runBytes = limits.backupHoleBytes;
const zeros = new Uint8Array(runBytes);
const modulus = 2n ** 256n;

/**
 * A checksum of what a volume or image holds, whichever of its zeros are holes: the sum, modulo 2^256, of
 * the SHA-256 of each run of `backupHoleBytes` that is not all zeros, with its offset before it and
 * zeros behind it where the volume ends. Being a sum it can be told of parts, in any order, and of what
 * is changed without what is not. It is there to find errors: who wants to forge one may find a way.
 */
export class ContentSum {
  #sum: bigint;
  readonly #run = new Uint8Array(8 + runBytes);
  readonly #offset = new DataView(this.#run.buffer, 0, 8);

  constructor(sum = 0n) {
    this.#sum = sum;
  }

  get value(): bigint {
    return this.#sum;
  }

  /** Pieces begin at multiples of `backupHoleBytes`, and end there or where all ends. */
  add(piece: DataPiece): void {
    for (const run of dataRuns(piece)) this.addSum(this.#hash(run));
  }

  addSum(sum: bigint): void {
    this.#sum = (this.#sum + sum) % modulus;
  }

  subtractSum(sum: bigint): void {
    this.#sum = (this.#sum + modulus - sum) % modulus;
  }

  /** With the size, as people see it. */
  digest(sizeBytes: number): string {
    this.#offset.setBigUint64(0, BigInt(sizeBytes), true);
    const hash = new Bun.CryptoHasher("sha256").update(this.#run.subarray(0, 8));
    return hash.update(sumBytes(this.#sum)).digest("hex");
  }

  #hash({ offset, bytes }: DataPiece): bigint {
    this.#offset.setBigUint64(0, BigInt(offset), true);
    const hash = new Bun.CryptoHasher("sha256").update(this.#run.subarray(0, 8)).update(bytes);
    if (bytes.length < runBytes) hash.update(zeros.subarray(bytes.length));
    return sumOf(hash.digest());
  }
}

/** The sum of one piece. */
export function pieceSum(piece: DataPiece): bigint {
  const sum = new ContentSum();
  sum.add(piece);
  return sum.value;
}

/** As it is stored: 32 bytes, the highest first. */
export function sumBytes(sum: bigint): Uint8Array {
  return Buffer.from(sumHex(sum), "hex");
}

export function sumOf(bytes: Uint8Array): bigint {
  return BigInt(`0x${Buffer.from(bytes).toString("hex")}`);
}

export function sumHex(sum: bigint): string {
  return sum.toString(16).padStart(64, "0");
}

export function isZero(bytes: Uint8Array): boolean {
  for (let at = 0; at < bytes.length; at += runBytes) {
    const run = bytes.subarray(at, at + runBytes);
    if (Buffer.compare(run, zeros.subarray(0, run.length)) !== 0) return false;
  }
  return true;
}

/** Runs of a piece, cut where digests and holes begin. */
export function* runsOf({ offset, bytes }: DataPiece): Generator<DataPiece> {
  for (let at = 0; at < bytes.length; at += runBytes) {
    yield { offset: offset + at, bytes: bytes.subarray(at, at + runBytes) };
  }
}

/** The runs of a piece that are not all zeros. */
function* dataRuns(piece: DataPiece): Generator<DataPiece> {
  for (const run of runsOf(piece)) if (!isZero(run.bytes)) yield run;
}

/** The same with neighbours joined, for whoever writes them. */
export function joinedRuns(piece: DataPiece): Generator<DataPiece> {
  return joined(piece, dataRuns(piece));
}

/** Runs of a piece, in order, with neighbours made one. */
export function* joined(piece: DataPiece, runs: Iterable<DataPiece>): Generator<DataPiece> {
  let from = -1;
  let end = -1;
  const whole = (): DataPiece => ({
    offset: piece.offset + from,
    bytes: piece.bytes.subarray(from, end),
  });
  for (const run of runs) {
    const at = run.offset - piece.offset;
    if (from >= 0 && at !== end) {
      yield whole();
      from = -1;
    }
    if (from < 0) from = at;
    end = at + run.bytes.length;
  }
  if (from >= 0) yield whole();
}
