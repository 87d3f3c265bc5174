import { assert } from "../base/assert.ts";
import type { MetaFiles } from "./meta-files.ts";
import { type JournalEntry, metaKinds, objectKinds } from "./record.ts";

/** One reference to a data object less, and as many more as copies had been made through it. */
export interface Drop {
  readonly index: number;
  readonly generation: number;
  readonly copies: number;
}

/**
 * A ledger counts the references to one data object by generation. Nearly all have a few
 * generations, so those of one vid are records of one file; longer ones are files of their own.
 * Source: protocol §8.5
 */
const recordBytes = 64;
const recordWords = recordBytes / 4;
/** The first word of a record says where the counts are; they follow it. */
const places = { none: 0, here: 1, deep: 2 } as const;
const countsHereMax = recordWords - 1;
/** Records between two that change, and are written along with them. */
const gapMax = 8;

/** The most generations that a ledger object counts. */
export const generationsMax = 2 ** 20;

const ledgersOf = (vid: number) => ({ kind: metaKinds.ledgers, vid, index: 0 }) as const;
const deepLedger = (vid: number, index: number) =>
  ({ kind: metaKinds.deepLedger, vid, index }) as const;

/** The change that these are, ascending by index, to the ledgers of one vid. */
export function planDrops(meta: MetaFiles, vid: number, drops: readonly Drop[]): JournalEntry[] {
  const entries: JournalEntry[] = [];
  for (let from = 0; from < drops.length; ) {
    let end = from + 1;
    while (end < drops.length && indexAt(drops, end) - indexAt(drops, end - 1) <= gapMax) end += 1;
    entries.push(...planRun(meta, vid, drops.slice(from, end)));
    from = end;
  }
  return entries;
}

function indexAt(drops: readonly Drop[], at: number): number {
  return drops[at]?.index ?? 0;
}

function planRun(meta: MetaFiles, vid: number, drops: readonly Drop[]): JournalEntry[] {
  const first = indexAt(drops, 0);
  const count = indexAt(drops, drops.length - 1) - first + 1;
  const words = new Int32Array(count * recordWords);
  const bytes = new Uint8Array(words.buffer);
  const offset = first * recordBytes;
  meta.read(ledgersOf(vid), bytes, 0, bytes.length, offset);
  const entries: JournalEntry[] = [{ type: "write", ...ledgersOf(vid), offset, bytes }];
  for (const drop of drops) {
    const at = (drop.index - first) * recordWords;
    const record = words.subarray(at, at + recordWords);
    const fits = drop.generation + 2 <= countsHereMax && record[0] !== places.deep;
    entries.push(...(fits ? dropHere(vid, drop, record) : dropDeep(meta, vid, drop, record)));
  }
  return entries;
}

function dropHere(vid: number, drop: Drop, record: Int32Array): JournalEntry[] {
  const counts = record.subarray(1);
  // Without a ledger there is one reference, the owner's.
  if (record[0] === places.none) counts[0] = 1;
  record[0] = places.here;
  subtract(counts, drop);
  if (counts.some((count) => count !== 0)) return [];
  record[0] = places.none;
  return [{ type: "remove", kind: objectKinds.data, vid, index: drop.index }];
}

function dropDeep(meta: MetaFiles, vid: number, drop: Drop, record: Int32Array): JournalEntry[] {
  const { index, generation } = drop;
  assert(generation + 1 < generationsMax, "a generation that no ledger counts was sorted out");
  const name = deepLedger(vid, index);
  const known = record[0] === places.deep ? Math.ceil(meta.bytes(name) / 4) : countsHereMax;
  const counts = new Int32Array(Math.max(known, generation + 2));
  const bytes = new Uint8Array(counts.buffer);
  if (record[0] === places.deep) meta.read(name, bytes, 0, bytes.length, 0);
  else if (record[0] === places.here) counts.set(record.subarray(1));
  else counts[0] = 1;
  subtract(counts, drop);
  record.fill(0);
  if (counts.some((count) => count !== 0)) {
    record[0] = places.deep;
    return [{ type: "write", ...name, offset: 0, bytes }];
  }
  return [
    { type: "forget", ...name },
    { type: "remove", kind: objectKinds.data, vid, index },
  ];
}

function subtract(counts: Int32Array, { generation, copies }: Drop): void {
  counts[generation] = (counts[generation] ?? 0) - 1;
  counts[generation + 1] = (counts[generation + 1] ?? 0) + copies;
}

/** Fills `into` with part of a ledger object. @returns false when there is no ledger */
export function readLedger(
  meta: MetaFiles,
  { vid, index }: { readonly vid: number; readonly index: number },
  into: Uint8Array,
  offset: number,
): boolean {
  const record = new Int32Array(recordWords);
  const bytes = new Uint8Array(record.buffer);
  meta.read(ledgersOf(vid), bytes, 0, recordBytes, index * recordBytes);
  if (record[0] === places.none) return false;
  if (record[0] === places.deep) meta.read(deepLedger(vid, index), into, 0, into.length, offset);
  else {
    into.fill(0);
    into.set(bytes.subarray(4 + offset, 4 + offset + into.length));
  }
  return true;
}

/** The indexes of the data objects of one vid that have a ledger. */
export function* ledgersIn(meta: MetaFiles, vid: number): Generator<number> {
  const partRecords = 4096;
  const end = meta.bytes(ledgersOf(vid)) / recordBytes;
  const words = new Int32Array(partRecords * recordWords);
  const bytes = new Uint8Array(words.buffer);
  for (let first = 0; first < end; first += partRecords) {
    meta.read(ledgersOf(vid), bytes, 0, bytes.length, first * recordBytes);
    for (let record = 0; record < partRecords; record += 1) {
      if (words[record * recordWords] !== places.none) yield first + record;
    }
  }
}

/** For a vid whose data objects are all gone. */
export function forgetLedgers(meta: MetaFiles, vid: number): JournalEntry[] {
  return meta.bytes(ledgersOf(vid)) < 0 ? [] : [{ type: "forget", ...ledgersOf(vid) }];
}
