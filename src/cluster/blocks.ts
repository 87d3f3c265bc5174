import { asSheepfsError, SheepfsError } from "../base/errors.ts";
import { limits } from "../base/limits.ts";
import type { Scope } from "../base/scope.ts";
import type { SheepCaller } from "../client/caller.ts";
import {
  BtreeHeader,
  BtreeLeafEntry,
  BtreeRootEntry,
  btreeLeafEntriesMax,
  btreeMagic,
  btreeRootEntriesMax,
} from "../wire/btree.ts";
import { type InodeHeader, inodeSlots, slotBytes, slotsAt } from "../wire/inode.ts";
import { readOid } from "../wire/oid.ts";
import { hexVid, type ObjectPart, readPart } from "./inode.ts";

/** Blocks of a VDI that have data: in objects of its own, and in those of other VDIs. */
export interface BlockCounts {
  own: number;
  shared: number;
}

/** The bytes that a count goes through: those that were read already, then parts as needed. */
interface Source {
  readonly caller: SheepCaller;
  readonly object: Omit<ObjectPart, "offset" | "length">;
  readonly first: { readonly data: Uint8Array; readonly offset: number };
  readonly scope: Scope;
}

const hypervolume = 1;
const shiftByDefault = 22;

/** Bytes of a block; inodes of before there was a choice say 0. Source: protocol §10.1 */
export function objectBytesOf({ blockSizeShift }: InodeHeader): number {
  return 2 ** (blockSizeShift === 0 ? shiftByDefault : blockSizeShift);
}

/** Slots of an array index that can be set. */
export function slotsOf(header: InodeHeader): number {
  return Math.min(Math.ceil(header.vdiSize / objectBytesOf(header)), inodeSlots);
}

export function isHypervolume({ storePolicy }: InodeHeader): boolean {
  return storePolicy === hypervolume;
}

/**
 * Counts a VDI's blocks as dog does: every slot that is not 0, its own vid or another's.
 * @param first the beginning of the inode, header included
 * @throws corrupt | stale | whatever the cluster can throw
 */
export async function countBlocks(
  caller: SheepCaller,
  header: InodeHeader,
  first: Uint8Array,
  scope: Scope,
): Promise<BlockCounts> {
  const object = { kind: "inode", vid: header.vid, index: 0 } as const;
  const source: Source = { caller, object, first: { data: first, offset: 0 }, scope };
  const counts: BlockCounts = { own: 0, shared: 0 };
  if (isHypervolume(header)) {
    await countTree(source, counts);
    return counts;
  }
  const range = { offset: slotsAt, bytes: slotsOf(header) * slotBytes, unit: slotBytes };
  for await (const view of parts(source, range)) countSlots(view, header.vid, counts);
  return counts;
}

/** A full index has a million of them, hence the plain loop over words. */
function countSlots(view: DataView, vid: number, counts: BlockCounts): void {
  const slots = wordsOf(view);
  let own = 0;
  let set = 0;
  for (let index = 0; index < slots.length; index += 1) {
    const slot = slots[index];
    if (slot === 0) continue;
    set += 1;
    if (slot === vid) own += 1;
  }
  counts.own += own;
  counts.shared += set - own;
}

/** As the machine has them: Bun runs on little-endian ones only, as the wire is. */
function wordsOf({ buffer, byteOffset, byteLength }: DataView): Uint32Array {
  if (byteOffset % slotBytes === 0) {
    return new Uint32Array(buffer, byteOffset, byteLength / slotBytes);
  }
  return new Uint32Array(buffer.slice(byteOffset, byteOffset + byteLength));
}

function count(slot: number, vid: number, counts: BlockCounts): void {
  if (slot === 0) return;
  if (slot === vid) counts.own += 1;
  else counts.shared += 1;
}

/** Source: protocol §10.1 */
async function countTree(source: Source, counts: BlockCounts): Promise<void> {
  const { depth, entries } = await treeHeader(source, slotsAt);
  if (depth === 1) {
    await countLeaf(source, { offset: slotsAt, entries }, counts);
    return;
  }
  const unit = BtreeRootEntry.size;
  const range = { offset: slotsAt + BtreeHeader.size, bytes: entries * unit, unit };
  for await (const view of parts(source, range)) {
    for (let at = 0; at < view.byteLength; at += unit) {
      const oid = readOid(view, at + BtreeRootEntry.offsets.oidLow);
      if (oid?.kind !== "index") continue;
      await countNode(source, oid, counts);
    }
  }
}

/** A node that cannot be read counts nothing, as with dog: the others' blocks are still told. */
async function countNode(
  { caller, object, scope }: Source,
  { vid, index }: { readonly vid: number; readonly index: number },
  counts: BlockCounts,
): Promise<void> {
  try {
    const node = { kind: "index", vid, index } as const;
    const part = { ...node, offset: 0, length: limits.inodeFirstBytes };
    const data = await readPart(caller, part, scope);
    const source: Source = { caller, object: node, first: { data, offset: 0 }, scope };
    const { entries } = await treeHeader(source, 0);
    await countLeaf(source, { offset: 0, entries }, counts, object.vid);
  } catch (thrown) {
    if (!isOfOneObject(thrown)) throw thrown;
  }
}

async function countLeaf(
  source: Source,
  { offset, entries }: { readonly offset: number; readonly entries: number },
  counts: BlockCounts,
  vid: number = source.object.vid,
): Promise<void> {
  const unit = BtreeLeafEntry.size;
  const range = { offset: offset + BtreeHeader.size, bytes: entries * unit, unit };
  for await (const view of parts(source, range)) {
    for (let at = BtreeLeafEntry.offsets.vid; at < view.byteLength; at += unit) {
      count(view.getUint32(at, true), vid, counts);
    }
  }
}

async function treeHeader({ first, object }: Source, offset: number): Promise<TreeHead> {
  const bytes = BtreeHeader.size;
  const data = first.data.subarray(offset - first.offset, offset - first.offset + bytes);
  return checkedTreeHead(data, object);
}

/** What the first bytes of a tree, or of a node of it, say of the rest. */
export interface TreeHead {
  readonly depth: number;
  readonly entries: number;
}

/**
 * @param object the inode whose root it is, or the index node
 * @throws corrupt
 */
export function checkedTreeHead(
  data: Uint8Array,
  { kind, vid, index }: Pick<ObjectPart, "kind" | "vid" | "index">,
): TreeHead {
  const { magic, depth, entries } = BtreeHeader.read(viewOf(data), 0);
  const isRoot = kind === "inode";
  // A sheep may begin the tree only at the first write.
  if (isRoot && magic === 0 && depth === 0 && entries === 0) return { depth: 1, entries };
  const entriesMax = depth === 1 ? btreeLeafEntriesMax : btreeRootEntriesMax;
  const depthMax = isRoot ? 2 : 1;
  if (magic !== btreeMagic || depth < 1 || depth > depthMax || entries > entriesMax) {
    const part = isRoot ? "" : `, node ${index}`;
    throw new SheepfsError(
      "corrupt",
      `the index of hypervolume ${hexVid(vid)}${part}: magic ${magic.toString(16)}, depth ${depth}, ${entries} entries`,
    );
  }
  return { depth, entries };
}

interface PartRange {
  readonly offset: number;
  readonly bytes: number;
  /** No part ends inside of one. */
  readonly unit: number;
}

/** The bytes of a range of the object, in parts of bounded length. */
async function* parts(source: Source, range: PartRange): AsyncGenerator<DataView> {
  const { caller, object, first, scope } = source;
  const end = range.offset + range.bytes;
  let offset = range.offset;
  const known = first.data.subarray(offset - first.offset, end - first.offset);
  const whole = known.length - (known.length % range.unit);
  if (whole > 0) yield viewOf(known.subarray(0, whole));
  offset += whole;
  while (offset < end) {
    const length = Math.min(limits.indexScanBytes, end - offset);
    yield viewOf(await readPart(caller, { ...object, offset, length }, scope));
    offset += length;
  }
}

function viewOf(data: Uint8Array): DataView {
  return new DataView(data.buffer, data.byteOffset, data.byteLength);
}

/** Whether an error tells of one object only, so that a listing can go on with the others. */
export function isOfOneObject(thrown: unknown): boolean {
  const { code } = asSheepfsError(thrown);
  return code === "stale" || code === "corrupt";
}
