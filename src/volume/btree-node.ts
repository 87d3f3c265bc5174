import { SheepfsError } from "../base/errors.ts";
import {
  BtreeHeader,
  BtreeLeafEntry,
  BtreeRootEntry,
  btreeLeafEntriesMax,
  btreeMagic,
  btreeRootEntriesMax,
} from "../wire/btree.ts";
import { readOid, vidMax, writeOid } from "../wire/oid.ts";
import type { SlotUpdate } from "./slots.ts";

/** Entries of a leaf, sorted by index: which VDI's object holds a block. */
export interface Leaf {
  readonly indexes: Uint32Array;
  readonly vids: Uint32Array;
}

/** Entries of a root of depth 2: the highest index of each leaf, and the number of its object. */
export interface Root {
  readonly highest: Uint32Array;
  readonly numbers: Uint32Array;
}

export const emptyLeaf: Leaf = { indexes: new Uint32Array(0), vids: new Uint32Array(0) };

/** What the first 8 bytes of a node say follows them. */
export interface NodeShape {
  readonly depth: number;
  readonly entries: number;
  readonly bytes: number;
}

/**
 * @param where names the node in messages
 * @throws corrupt
 */
export function nodeShape(bytes: Uint8Array, where: string): NodeShape {
  const { magic, depth, entries } = BtreeHeader.read(viewOf(bytes), 0);
  // A sheep initialises the tree at the first write.
  if (magic === 0 && depth === 0 && entries === 0) return { depth: 1, entries: 0, bytes: 0 };
  if (magic !== btreeMagic || (depth !== 1 && depth !== 2)) {
    throw corrupt(where, `begins with magic 0x${magic.toString(16)} and depth ${depth}`);
  }
  const entriesMax = depth === 1 ? btreeLeafEntriesMax : btreeRootEntriesMax;
  if (entries > entriesMax) throw corrupt(where, `claims ${entries} entries of ${entriesMax}`);
  const entryBytes = depth === 1 ? BtreeLeafEntry.size : BtreeRootEntry.size;
  return { depth, entries, bytes: entries * entryBytes };
}

/**
 * @param bytes the entries, without the header
 * @throws corrupt
 */
export function decodeLeaf(bytes: Uint8Array, entries: number, where: string): Leaf {
  const view = viewOf(bytes);
  const leaf = { indexes: new Uint32Array(entries), vids: new Uint32Array(entries) };
  const { offsets, size } = BtreeLeafEntry;
  let before = -1;
  for (let at = 0; at < entries; at += 1) {
    const index = view.getUint32(at * size + offsets.index, true);
    const vid = view.getUint32(at * size + offsets.vid, true);
    if (index <= before) throw corrupt(where, `has block ${index} behind block ${before}`);
    if (vid > vidMax)
      throw corrupt(where, `holds ${vid} for block ${index}, which is no VDI number`);
    leaf.indexes[at] = index;
    leaf.vids[at] = vid;
    before = index;
  }
  return leaf;
}

/** @throws corrupt */
export function decodeRoot(
  bytes: Uint8Array,
  entries: number,
  about: { readonly vid: number; readonly where: string },
): Root {
  if (entries === 0) throw corrupt(about.where, "has depth 2 and no nodes");
  const view = viewOf(bytes);
  const root = { highest: new Uint32Array(entries), numbers: new Uint32Array(entries) };
  const { offsets, size } = BtreeRootEntry;
  let before = -1;
  for (let at = 0; at < entries; at += 1) {
    const highest = view.getUint32(at * size + offsets.highestIndex, true);
    const oid = readOid(view, at * size + offsets.oidLow);
    if (highest <= before)
      throw corrupt(about.where, `has block ${highest} behind block ${before}`);
    if (oid === null || oid.kind !== "index" || oid.vid !== about.vid) {
      throw corrupt(about.where, `names an object that is no index node of it (entry ${at})`);
    }
    root.highest[at] = highest;
    root.numbers[at] = oid.index;
    before = highest;
  }
  return root;
}

/** @param from bytes left in front of the node */
export function encodeLeaf(leaf: Leaf, from: number): Uint8Array {
  const { offsets, size } = BtreeLeafEntry;
  const [bytes, view] = node(1, leaf.indexes.length, { from, entryBytes: size });
  const first = from + BtreeHeader.size;
  for (let at = 0; at < leaf.indexes.length; at += 1) {
    view.setUint32(first + at * size + offsets.index, leaf.indexes[at] ?? 0, true);
    view.setUint32(first + at * size + offsets.vid, leaf.vids[at] ?? 0, true);
  }
  return bytes;
}

/** @param from bytes left in front of the node */
export function encodeRoot(root: Root, vid: number, from: number): Uint8Array {
  const { offsets, size } = BtreeRootEntry;
  const [bytes, view] = node(2, root.highest.length, { from, entryBytes: size });
  const first = from + BtreeHeader.size;
  for (let at = 0; at < root.highest.length; at += 1) {
    view.setUint32(first + at * size + offsets.highestIndex, root.highest[at] ?? 0, true);
    writeOid(view, first + at * size + offsets.oidLow, "index", vid, root.numbers[at] ?? 0);
  }
  return bytes;
}

/** First place whose value is at least `value`; the length when there is none. */
export function lowerBound(sorted: Uint32Array, value: number): number {
  let low = 0;
  let high = sorted.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((sorted[middle] ?? 0) < value) low = middle + 1;
    else high = middle;
  }
  return low;
}

export function vidIn(leaf: Leaf, index: number): number {
  const at = lowerBound(leaf.indexes, index);
  return leaf.indexes[at] === index ? (leaf.vids[at] ?? 0) : 0;
}

/** @param updates sorted */
export function merge(leaf: Leaf, updates: readonly SlotUpdate[]): Leaf {
  const indexes = new Uint32Array(leaf.indexes.length + updates.length);
  const vids = new Uint32Array(indexes.length);
  let count = 0;
  let old = 0;
  const keep = (end: number): void => {
    indexes.set(leaf.indexes.subarray(old, end), count);
    vids.set(leaf.vids.subarray(old, end), count);
    count += end - old;
    old = end;
  };
  for (const update of updates) {
    keep(lowerBound(leaf.indexes, update.index));
    if (leaf.indexes[old] === update.index) old += 1;
    indexes[count] = update.index;
    vids[count] = update.value;
    count += 1;
  }
  keep(leaf.indexes.length);
  return { indexes: indexes.slice(0, count), vids: vids.slice(0, count) };
}

/** Cuts a leaf that is too long into halves, or into more parts of about that size. */
export function cut(leaf: Leaf, entriesMax: number): Leaf[] {
  const count = leaf.indexes.length;
  if (count <= entriesMax) return [leaf];
  const halves = Math.ceil(count / Math.ceil(entriesMax / 2));
  const parts = Math.max(2, halves - 1, Math.ceil(count / entriesMax));
  return Array.from({ length: parts }, (_, part) => {
    const from = Math.floor((count * part) / parts);
    const end = Math.floor((count * (part + 1)) / parts);
    return { indexes: leaf.indexes.slice(from, end), vids: leaf.vids.slice(from, end) };
  });
}

export function highestOf(leaf: Leaf): number {
  return leaf.indexes[leaf.indexes.length - 1] ?? 0;
}

function node(
  depth: number,
  entries: number,
  about: { readonly from: number; readonly entryBytes: number },
): [Uint8Array, DataView] {
  const bytes = new Uint8Array(about.from + BtreeHeader.size + entries * about.entryBytes);
  const view = viewOf(bytes);
  BtreeHeader.write(view, about.from, { magic: btreeMagic, depth, entries });
  return [bytes, view];
}

function corrupt(where: string, what: string): SheepfsError {
  return new SheepfsError("corrupt", `${where} ${what}`);
}

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
