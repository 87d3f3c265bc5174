/** Contents are told apart in units of this; each has a stamp, and bytes that follow from it. */
export const cellBytes = 4096;
const words = cellBytes / 4;

/** Differs from word to word, so that bytes that are out of place are found. */
const mask = Uint32Array.from({ length: words }, (_, word) => Math.imul(word + 1, 0x9e37_79b1));

/** The bytes of cells with these stamps; 0 stands for zeros. */
export function cellsContent(from: number, end: number, stamp: (cell: number) => number): Buffer {
  const bytes = new Uint32Array((end - from) * words);
  for (let cell = from; cell < end; cell += 1) {
    const value = stamp(cell);
    if (value === 0) continue;
    const at = (cell - from) * words;
    for (let word = 0; word < words; word += 1) bytes[at + word] = (mask[word] ?? 0) ^ value;
  }
  return Buffer.from(bytes.buffer);
}

/** The first cell that does not have its content; null when all have. */
export function firstWrong(
  bytes: Uint8Array,
  from: number,
  stamp: (cell: number) => number,
): number | null {
  const end = from + bytes.length / cellBytes;
  if (Buffer.compare(bytes, cellsContent(from, end, stamp)) === 0) return null;
  for (let cell = from; cell < end; cell += 1) {
    const part = bytes.subarray((cell - from) * cellBytes, (cell - from + 1) * cellBytes);
    if (Buffer.compare(part, cellsContent(cell, cell + 1, stamp)) !== 0) return cell;
  }
  return end;
}

/** What stamp a cell has by its first word, to say what is there instead. */
export function stampOf(bytes: Uint8Array): number {
  const value = new DataView(bytes.buffer, bytes.byteOffset).getUint32(0, true);
  return value === 0 ? 0 : (value ^ (mask[0] ?? 0)) >>> 0;
}
