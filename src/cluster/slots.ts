import type { Scope } from "../base/scope.ts";
import type { SheepCaller } from "../client/caller.ts";
import { BtreeHeader, BtreeLeafEntry, BtreeRootEntry } from "../wire/btree.ts";
import { type InodeHeader, slotBytes, slotOffset, slotsAt } from "../wire/inode.ts";
import { type Oid, readOid } from "../wire/oid.ts";
import { checkedTreeHead, isHypervolume, slotsOf, type TreeHead } from "./blocks.ts";
import { type ObjectPart, readPart } from "./inode.ts";

/** A block that has data, and the vid whose object has it. */
export interface SetSlot {
  readonly block: number;
  readonly owner: number;
}

/** Entries that are read at once; each kind of index has so many bytes for one. */
const entriesAtOnce = 16_384;

export interface Index {
  readonly caller: SheepCaller;
  readonly header: InodeHeader;
  /** For each request: an index may take longer to go through than one operation. */
  readonly scope: () => Scope;
}

/**
 * Every block that has data, ascending, a bounded number at a time.
 * @throws stale | corrupt | whatever the cluster can throw
 * Source: protocol §10.1
 */
export async function* setSlots(index: Index): AsyncGenerator<readonly SetSlot[]> {
  if (isHypervolume(index.header)) yield* treeSlots(index);
  else yield* arraySlots(index);
}

async function* arraySlots(index: Index): AsyncGenerator<readonly SetSlot[]> {
  const { vid } = index.header;
  const range = { kind: "inode", vid, index: 0, offset: slotOffset(0), unit: slotBytes } as const;
  let block = 0;
  for await (const view of entries(index, range, slotsOf(index.header))) {
    const found: SetSlot[] = [];
    for (let at = 0; at < view.byteLength; at += slotBytes, block += 1) {
      const owner = view.getUint32(at, true);
      if (owner !== 0) found.push({ block, owner });
    }
    yield found;
  }
}

async function* treeSlots(index: Index): AsyncGenerator<readonly SetSlot[]> {
  const root = rootOf(index);
  const { depth, entries } = await treeHead(index, root);
  if (depth === 1) yield* leafSlots(index, root, entries);
  else for await (const node of indexNodes(index)) yield* nodeSlots(index, node);
}

/**
 * The index nodes of a hypervolume, in the order of their blocks; none where the inode has them all.
 * @throws stale | corrupt | whatever the cluster can throw
 */
export async function* indexNodes(index: Index): AsyncGenerator<Oid> {
  if (!isHypervolume(index.header)) return;
  const root = rootOf(index);
  const { depth, entries: count } = await treeHead(index, root);
  if (depth === 1) return;
  const range = { ...root, offset: root.offset + BtreeHeader.size, unit: BtreeRootEntry.size };
  for await (const view of entries(index, range, count)) {
    for (let at = 0; at < view.byteLength; at += BtreeRootEntry.size) {
      const oid = readOid(view, at + BtreeRootEntry.offsets.oidLow);
      if (oid?.kind === "index") yield oid;
    }
  }
}

/** What one of them names. @throws stale | corrupt | whatever the cluster can throw */
export async function* nodeSlots(index: Index, oid: Oid): AsyncGenerator<readonly SetSlot[]> {
  const node = { ...oid, offset: 0 };
  yield* leafSlots(index, node, (await treeHead(index, node)).entries);
}

function rootOf({ header }: Index): Omit<ObjectPart, "length"> {
  return { kind: "inode", vid: header.vid, index: 0, offset: slotsAt };
}

async function* leafSlots(
  index: Index,
  node: Omit<ObjectPart, "length">,
  count: number,
): AsyncGenerator<readonly SetSlot[]> {
  const range = { ...node, offset: node.offset + BtreeHeader.size, unit: BtreeLeafEntry.size };
  for await (const view of entries(index, range, count)) {
    const found: SetSlot[] = [];
    for (let at = 0; at < view.byteLength; at += BtreeLeafEntry.size) {
      const { index: block, vid: owner } = BtreeLeafEntry.read(view, at);
      if (owner !== 0) found.push({ block, owner });
    }
    yield found;
  }
}

async function treeHead(
  { caller, scope }: Index,
  node: Omit<ObjectPart, "length">,
): Promise<TreeHead> {
  const part = { ...node, length: BtreeHeader.size };
  return checkedTreeHead(await readPart(caller, part, scope()), node);
}

async function* entries(
  { caller, scope }: Index,
  { unit, ...object }: Omit<ObjectPart, "length"> & { readonly unit: number },
  count: number,
): AsyncGenerator<DataView> {
  for (let done = 0; done < count; done += entriesAtOnce) {
    const length = Math.min(entriesAtOnce, count - done) * unit;
    const part = { ...object, offset: object.offset + done * unit, length };
    yield viewOf(await readPart(caller, part, scope()));
  }
}

function viewOf(data: Uint8Array): DataView {
  return new DataView(data.buffer, data.byteOffset, data.byteLength);
}
