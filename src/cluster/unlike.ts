import { assert } from "../base/assert.ts";

/** A part of an object as one node has it. */
export interface CopyBytes {
  readonly node: string;
  readonly bytes: Uint8Array;
}

/** Four bytes that not all copies have alike, and what each has there. */
export interface UnlikeWord {
  /** Where it begins in the object. */
  readonly at: number;
  readonly values: readonly { readonly node: string; readonly value: number }[];
}

/** By where they begin. */
export type UnlikeWords = ReadonlyMap<number, UnlikeWord>;

/** A copy that is not as it should be, and the first byte that shows it. */
export interface Odd<C extends CopyBytes> {
  readonly copy: C;
  readonly at: number;
  /** Whether most copies are the same, so that this one can be said to be wrong. */
  readonly isOutvoted: boolean;
}

const wordBytes = 4;

/**
 * The first words that copies of the same part have otherwise than each other.
 * @param offset of the part in the object
 */
export function unlikeWords(
  copies: readonly CopyBytes[],
  offset: number,
  countMax: number,
): UnlikeWord[] {
  const [first] = copies;
  if (first === undefined || copies.every((copy) => sameBytes(copy, first))) return [];
  const views = copies.map(({ bytes }) => {
    return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  });
  const end = first.bytes.length;
  assert(end % wordBytes === 0, "objects and their pieces are whole words");
  const found: UnlikeWord[] = [];
  for (let at = 0; at < end && found.length < countMax; at += wordBytes) {
    const value = views[0]?.getUint32(at, true);
    if (views.every((view) => view.getUint32(at, true) === value)) continue;
    const values = copies.map(({ node }, copy) => {
      return { node, value: views[copy]?.getUint32(at, true) ?? 0 };
    });
    found.push({ at: offset + at, values });
  }
  return found;
}

/**
 * Those of the words that were the same at an earlier look: what is being written is at two moments
 * not unlike in the same way, what is damaged is.
 */
export function settled(words: readonly UnlikeWord[], before: UnlikeWords): UnlikeWord[] {
  return words.filter((word) => {
    const was = before.get(word.at)?.values;
    return was?.length === word.values.length && word.values.every(sameAs(was));
  });
}

function sameAs(was: UnlikeWord["values"]) {
  return ({ node, value }: UnlikeWord["values"][number], copy: number): boolean =>
    was[copy]?.node === node && was[copy]?.value === value;
}

/** Copies that are not as most are in these words; without a majority all, as none is said to be right. */
export function oddOnes<C extends CopyBytes>(
  copies: readonly C[],
  words: readonly UnlikeWord[],
): Odd<C>[] {
  const groups = new Map<string, C[]>();
  for (const [place, copy] of copies.entries()) {
    const key = words.map(({ values }) => values[place]?.value).join();
    groups.set(key, [...(groups.get(key) ?? []), copy]);
  }
  const [first] = words;
  if (first === undefined || groups.size <= 1) return [];
  const [most = []] = [...groups.values()].toSorted((a, b) => b.length - a.length);
  if (most.length * 2 <= copies.length) {
    return copies.map((copy) => ({ copy, at: first.at, isOutvoted: false }));
  }
  const [right] = [...copies.entries()].find(([, copy]) => copy === most[0]) ?? [0];
  return [...copies.entries()]
    .filter(([, copy]) => !most.includes(copy))
    .map(([place, copy]) => ({ copy, at: firstUnlike(words, place, right), isOutvoted: true }));
}

function firstUnlike(words: readonly UnlikeWord[], place: number, right: number): number {
  for (const { at, values } of words) {
    const bits = (values[place]?.value ?? 0) ^ (values[right]?.value ?? 0);
    if (bits === 0) continue;
    // Little-endian: the lowest bit that differs is in the first byte that does.
    return at + Math.floor((31 - Math.clz32(bits & -bits)) / 8);
  }
  return words[0]?.at ?? 0;
}

function sameBytes(a: CopyBytes, b: CopyBytes): boolean {
  return Buffer.compare(a.bytes, b.bytes) === 0;
}
