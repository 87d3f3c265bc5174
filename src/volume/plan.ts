import { assert } from "../base/assert.ts";

/** A slot that names no VDI: the block was never written. */
export const holeSlot = 0;
/** What an index answers for a slot that it has not loaded. */
export const unloadedSlot = -1;

/**
 * Walks the pieces of an extent: cut at the ends of objects, and inside an object at multiples of
 * the longest piece, so that equal requests repeat whatever the caller's alignment. One object is
 * reused for each transfer; it allocates nothing.
 *
 * The first write of a block is one create (or cow) of its first piece; the block's other pieces
 * follow as plain writes when the object exists. One create of everything would save a round trip,
 * but a sheep is several times slower with requests above `limits.pieceBytesMax`.
 */
export class PieceCursor {
  /** Of the present piece: which object, where inside it, how long, and where in the transfer. */
  index = 0;
  within = 0;
  length = 0;
  done = 0;
  #objectBytes = 1;
  #pieceBytesMax = 1;
  #nextOffset = 0;
  #total = 0;
  #nextDone = 0;

  begin(
    extent: { readonly offset: number; readonly length: number },
    objectBytes: number,
    pieceBytesMax: number,
  ): void {
    assert(extent.offset >= 0 && extent.length > 0, "an extent has bytes");
    this.#objectBytes = objectBytes;
    this.#pieceBytesMax = pieceBytesMax;
    this.#nextOffset = extent.offset;
    this.#total = extent.length;
    this.#nextDone = 0;
  }

  /** Moves to the next piece; false after the last. */
  next(): boolean {
    const left = this.#total - this.#nextDone;
    if (left === 0) return false;
    this.index = Math.floor(this.#nextOffset / this.#objectBytes);
    this.within = this.#nextOffset - this.index * this.#objectBytes;
    const toObjectEnd = this.#objectBytes - this.within;
    const toPieceEnd = this.#pieceBytesMax - (this.within % this.#pieceBytesMax);
    this.length = Math.min(left, toObjectEnd, toPieceEnd);
    this.done = this.#nextDone;
    this.#nextDone += this.length;
    this.#nextOffset += this.length;
    return true;
  }
}

export type WriteKind = "write" | "create" | "cow";

/**
 * How a piece is written by `vid`, given its block's slot. A piece that is a whole inherited object needs nothing of
 * the old one; any smaller one is laid over a copy, so that a crash between the pieces of one
 * object leaves old bytes, never zeros.
 */
export function writeKind(slot: number, vid: number, coversObject: boolean): WriteKind {
  if (slot === vid) return "write";
  return slot === holeSlot || coversObject ? "create" : "cow";
}

/** Overlap is judged in units of this: erasure-coded stripes are read, changed and written back. */
export const lockUnitBytes = 512;

export function lockStart(within: number): number {
  return within - (within % lockUnitBytes);
}

export function lockEnd(within: number, length: number): number {
  const end = within + length;
  const over = end % lockUnitBytes;
  return over === 0 ? end : end + lockUnitBytes - over;
}

/** An extent as whole blocks and the partial ones before and after them. */
export interface BlockCut {
  /** Bytes before the first whole block, or all when no block is whole. */
  readonly head: { readonly offset: number; readonly length: number };
  /** Whole blocks [first, end). */
  readonly firstBlock: number;
  readonly endBlock: number;
  readonly tail: { readonly offset: number; readonly length: number };
}

/** The last block of a volume is whole when the extent reaches the volume's end. */
export function cutBlocks(
  extent: { readonly offset: number; readonly length: number },
  volume: { readonly sizeBytes: number; readonly objectBytes: number },
): BlockCut {
  const end = extent.offset + extent.length;
  const firstBlock = Math.ceil(extent.offset / volume.objectBytes);
  const endBlock =
    end === volume.sizeBytes
      ? Math.ceil(end / volume.objectBytes)
      : Math.floor(end / volume.objectBytes);
  if (firstBlock >= endBlock) {
    const none = { offset: end, length: 0 };
    return { head: extent, firstBlock, endBlock: firstBlock, tail: none };
  }
  const headEnd = firstBlock * volume.objectBytes;
  const tailStart = Math.min(endBlock * volume.objectBytes, end);
  return {
    head: { offset: extent.offset, length: headEnd - extent.offset },
    firstBlock,
    endBlock,
    tail: { offset: tailStart, length: end - tailStart },
  };
}
