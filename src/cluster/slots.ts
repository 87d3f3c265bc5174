import type { Scope } from "../base/scope.ts";
import type { SheepCaller } from "../client/caller.ts";
import { BtreeHeader, BtreeLeafEntry, BtreeRootEntry } from "../wire/btree.ts";
import { type InodeHeader, slotBytes, slotOffset, slotsAt } from "../wire/inode.ts";
import { readOid } from "../wire/oid.ts";
import { isHypervolume, slotsOf } from "./blocks.ts";
import { type ObjectPart, readPart } from "./inode.ts";

/** A block that has data, and the vid whose object has it. */
export interface SetSlot {
  readonly block: number;
  readonly owner: number;
}

/** Entries that are read at once; each kind of index has so many bytes for one. */
const entriesAtOnce = 16_384;

interface Index {
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
  const { vid } = index.header;
  const root = { kind: "inode", vid, index: 0, offset: slotsAt } as const;
  const { depth, count } = await treeHead(index, root);
  if (depth <= 1) {
    yield* leafSlots(index, root, count);
    return;
  }
  const range = { ...root, offset: root.offset + BtreeHeader.size, unit: BtreeRootEntry.size };
  for await (const view of entries(index, range, count)) {
    for (let at = 0; at < view.byteLength; at += BtreeRootEntry.size) {
      const oid = readOid(view, at + BtreeRootEntry.offsets.oidLow);
      if (oid?.kind !== "index") continue;
      const node = { ...oid, kind: "index", offset: 0 } as const;
      yield* leafSlots(index, node, (await treeHead(index, node)).count);
    }
  }
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
): Promise<{ readonly depth: number; readonly count: number }> {
  const view = viewOf(await readPart(caller, { ...node, length: BtreeHeader.size }, scope()));
  const { depth, entries: count } = BtreeHeader.read(view, 0);
  return { depth, count };
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
