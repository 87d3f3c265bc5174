import { BtreeHeader, btreeMagic } from "../wire/btree.ts";
import type { WireTime } from "../wire/inode.ts";
import {
  GenerationRef,
  grefBytes,
  grefOffset,
  grefsAt,
  InodeHeaderStruct,
  inodeHeaderBytes,
  inodeSlots,
  slotBytes,
  slotOffset,
  slotsAt,
} from "../wire/inode.ts";
import { type Cluster, inodeName } from "./cluster.ts";
import type { JournalEntry } from "./record.ts";
import { factsBytes, setHead, type Vdi } from "./vdis.ts";

/** What a new inode is to say. */
export interface VdiWish {
  readonly name: Uint8Array;
  readonly vdiSize: number;
  readonly copies: number;
  readonly copyPolicy: number;
  readonly storePolicy: number;
  readonly blockSizeShift: number;
  readonly snapId: number;
}

/** What it is made from, and what becomes of that. */
export interface VdiOrigin {
  /** Whose slots it takes over. */
  readonly base: Vdi | null;
  /** Becomes a snapshot with the same step. */
  readonly snapshot: Vdi | null;
}

/**
 * Makes an inode: a new VDI, a clone, or the working VDI after a snapshot.
 * @throws no_space when no vid is free
 * Source: protocol §7.1, §7.2
 */
export function makeVdi(cluster: Cluster, wish: VdiWish, origin: VdiOrigin, now: WireTime): Vdi {
  const vid = cluster.vdis.freeVid(wish.name);
  const { base, snapshot } = origin;
  const header = InodeHeaderStruct.encode({
    ...wish,
    createSeconds: now.seconds,
    createNanoseconds: now.nanoseconds,
    vid,
    parentVid: base?.vid ?? 0,
  });
  const entries: JournalEntry[] = [{ type: "write", ...inodeName(vid), offset: 0, bytes: header }];
  if (base !== null) entries.push(...planInheritance(cluster, base, vid));
  else if (wish.storePolicy !== 0) entries.push(emptyTree(vid));
  const snapTime = new Uint8Array(8);
  const view = new DataView(snapTime.buffer);
  view.setUint32(0, now.nanoseconds, true);
  view.setUint32(4, now.seconds, true);
  const offset = InodeHeaderStruct.offsets.snapNanoseconds;
  if (snapshot !== null) {
    entries.push({ type: "write", ...inodeName(snapshot.vid), offset, bytes: snapTime });
  }
  cluster.store.commit(entries);
  if (base !== null) base.isSnapshot = true;
  if (snapshot !== null) {
    snapshot.isSnapshot = true;
    setHead(snapshot, offset, snapTime);
  }
  return cluster.vdis.add(vid, header.slice(0, factsBytes));
}

function emptyTree(vid: number): JournalEntry {
  const bytes = BtreeHeader.encode({ magic: btreeMagic, depth: 1 });
  return { type: "write", ...inodeName(vid), offset: slotsAt, bytes };
}

/** Slots that are not set between two that are, and are written along with them. */
const gapMax = 16;

/**
 * The base's slots become the new inode's, one generation on; each is one more use of the base's.
 * Source: protocol §7.2
 */
function planInheritance(cluster: Cluster, base: Vdi, vid: number): JournalEntry[] {
  const { meta } = cluster.store;
  const from = inodeName(base.vid);
  const end = Math.min(meta.bytes(from), grefsAt);
  if (end <= inodeHeaderBytes) return [];
  const slots = new Uint8Array(inodeSlots * slotBytes);
  meta.read(from, slots, 0, end - slotsAt, slotsAt);
  if (base.facts.storePolicy !== 0) {
    const bytes = slots.slice(0, end - slotsAt);
    return [{ type: "write", ...inodeName(vid), offset: slotsAt, bytes }];
  }
  const entries: JournalEntry[] = [];
  for (const run of runsOf(new Uint32Array(slots.buffer))) {
    const bytes = slots.slice(run.first * slotBytes, run.end * slotBytes);
    entries.push({ type: "write", ...inodeName(vid), offset: slotOffset(run.first), bytes });
    entries.push(...planGrefs(cluster, base, vid, run.first, new Uint32Array(bytes.buffer)));
  }
  return entries;
}

function planGrefs(
  cluster: Cluster,
  base: Vdi,
  vid: number,
  first: number,
  slots: Uint32Array,
): JournalEntry[] {
  const offset = grefOffset(first);
  const old = new Uint8Array(slots.length * grefBytes);
  cluster.store.meta.read(inodeName(base.vid), old, 0, old.length, offset);
  const fresh = new Uint8Array(old.length);
  const oldView = new DataView(old.buffer);
  const freshView = new DataView(fresh.buffer);
  const { generation, count } = GenerationRef.offsets;
  for (let slot = 0; slot < slots.length; slot += 1) {
    if (slots[slot] === 0) continue;
    const at = slot * grefBytes;
    const next = oldView.getUint32(at + generation, true) + 1;
    freshView.setUint32(at + generation, next, true);
    oldView.setUint32(at + count, oldView.getUint32(at + count, true) + 1, true);
  }
  return [
    { type: "write", ...inodeName(vid), offset, bytes: fresh },
    { type: "write", ...inodeName(base.vid), offset, bytes: old },
  ];
}

/** The parts of a table in which slots are set. */
function* runsOf(slots: Uint32Array): Generator<{ readonly first: number; readonly end: number }> {
  let first = -1;
  let last = -1;
  for (let slot = 0; slot < slots.length; slot += 1) {
    if (slots[slot] === 0) continue;
    if (first >= 0 && slot - last > gapMax) {
      yield { first, end: last + 1 };
      first = slot;
    }
    if (first < 0) first = slot;
    last = slot;
  }
  if (first >= 0) yield { first, end: last + 1 };
}
