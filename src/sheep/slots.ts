import { limits } from "../base/limits.ts";
import {
  GenerationRef,
  grefBytes,
  grefOffset,
  grefsAt,
  slotBytes,
  slotOffset,
  slotsAt,
} from "../wire/inode.ts";
import { vidMax } from "../wire/oid.ts";
import { type Cluster, inodeName } from "./cluster.ts";
import { type JournalEntry, metaKinds, objectKinds } from "./record.ts";
import type { Vdi } from "./vdis.ts";

/** True for a write that lies wholly in the slot table, where references are counted. */
export function isSlotWrite(vdi: Vdi, offset: number, bytes: number): boolean {
  return (
    vdi.facts.storePolicy === 0 &&
    offset >= slotsAt &&
    offset + bytes <= grefsAt &&
    (offset - slotsAt) % slotBytes === 0 &&
    bytes % slotBytes === 0 &&
    bytes > 0
  );
}

/**
 * Writes slots and drops the references of what they named before; an object that nobody refers to
 * any more goes. Source: protocol §8.5
 */
export async function writeSlots(
  cluster: Cluster,
  vdi: Vdi,
  first: number,
  bytes: Uint8Array,
): Promise<void> {
  const partBytes = limits.sheepSlotsPerRecord * slotBytes;
  for (let at = 0; at < bytes.length; at += partBytes) {
    await cluster.store.room();
    const part = bytes.subarray(at, at + partBytes);
    cluster.store.commit(planSlots(cluster, vdi.vid, first + at / slotBytes, part));
  }
}

/** The change that writing these slots is. */
function planSlots(
  cluster: Cluster,
  vid: number,
  first: number,
  bytes: Uint8Array,
): JournalEntry[] {
  const inode = inodeName(vid);
  const offset = slotOffset(first);
  const count = bytes.length / slotBytes;
  const entries: JournalEntry[] = [{ type: "write", ...inode, offset, bytes: bytes.slice() }];
  const oldBytes = new Uint8Array(bytes.length);
  cluster.store.meta.read(inode, oldBytes, 0, oldBytes.length, offset);
  const old = new DataView(oldBytes.buffer);
  const fresh = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const dropped: number[] = [];
  for (let slot = 0; slot < count; slot += 1) {
    const before = old.getUint32(slot * slotBytes, true);
    if (before === 0 || before === fresh.getUint32(slot * slotBytes, true)) continue;
    dropped.push(slot);
  }
  if (dropped.length === 0) return entries;
  const grefs = new Uint8Array(count * grefBytes);
  cluster.store.meta.read(inode, grefs, 0, grefs.length, grefOffset(first));
  const view = new DataView(grefs.buffer);
  for (const slot of dropped) {
    const { generation, count: copies } = GenerationRef.read(view, slot * grefBytes);
    const owner = old.getUint32(slot * slotBytes, true);
    entries.push(...planDrop(cluster, owner, first + slot, generation, copies));
    GenerationRef.write(view, slot * grefBytes, {});
  }
  // Only of slots that change: those of the others are still needed.
  entries.push({ type: "write", ...inode, offset: grefOffset(first), bytes: grefs });
  return entries;
}

/** The most generations that a ledger object counts. */
const generationsMax = 2 ** 20;

/** One reference to a data object less, and as many more as copies had been made through it. */
function planDrop(
  cluster: Cluster,
  vid: number,
  index: number,
  generation: number,
  copies: number,
): JournalEntry[] {
  if (vid > vidMax || generation + 1 >= generationsMax) {
    cluster.log.warn(`slot ${index} names vid 0x${vid.toString(16)}, generation ${generation}`);
    return [];
  }
  const { meta } = cluster.store;
  const ledger = { kind: metaKinds.ledger, vid, index } as const;
  const known = meta.bytes(ledger);
  const counts = new Int32Array(Math.max(Math.ceil(known / 4), generation + 2));
  const bytes = new Uint8Array(counts.buffer);
  // Without a ledger there is one reference, the owner's.
  if (known < 0) counts[0] = 1;
  else meta.read(ledger, bytes, 0, bytes.length, 0);
  counts[generation] = (counts[generation] ?? 0) - 1;
  counts[generation + 1] = (counts[generation + 1] ?? 0) + copies;
  if (counts.some((count) => count !== 0)) {
    return [{ type: "write", ...ledger, offset: 0, bytes }];
  }
  const removed: JournalEntry = { type: "remove", kind: objectKinds.data, vid, index };
  return known < 0 ? [removed] : [{ type: "forget", ...ledger }, removed];
}
