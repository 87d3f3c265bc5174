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
import { type Drop, generationsMax, planDrops } from "./ledgers.ts";
import type { JournalEntry } from "./record.ts";
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
  const entries: JournalEntry[] = [{ type: "write", ...inode, offset, bytes: bytes.slice() }];
  const old = new Uint8Array(bytes.length);
  cluster.store.meta.read(inode, old, 0, old.length, offset);
  const changed = changedSlots(old, bytes);
  if (changed.length === 0) return entries;
  const grefs = new Uint8Array((bytes.length / slotBytes) * grefBytes);
  cluster.store.meta.read(inode, grefs, 0, grefs.length, grefOffset(first));
  const view = new DataView(grefs.buffer);
  const { generation, count } = GenerationRef.offsets;
  const drops = new Map<number, Drop[]>();
  for (const { slot, owner } of changed) {
    const at = slot * grefBytes;
    const drop = {
      index: first + slot,
      generation: view.getUint32(at + generation, true),
      copies: view.getUint32(at + count, true),
    };
    GenerationRef.write(view, at, {});
    // Clients can write anything into an inode.
    if (owner > vidMax || drop.generation + 1 >= generationsMax) {
      cluster.log.warn(`slot ${drop.index} of vid 0x${vid.toString(16)} holds nonsense`);
      continue;
    }
    const known = drops.get(owner);
    if (known === undefined) drops.set(owner, [drop]);
    else known.push(drop);
  }
  for (const [owner, dropped] of drops) {
    entries.push(...planDrops(cluster.store.meta, owner, dropped));
  }
  // Only of slots that change: those of the others are still needed.
  entries.push({ type: "write", ...inode, offset: grefOffset(first), bytes: grefs });
  return entries;
}

/** The slots that named an object, and name it no longer. */
function changedSlots(
  old: Uint8Array,
  fresh: Uint8Array,
): { readonly slot: number; readonly owner: number }[] {
  const before = new DataView(old.buffer, old.byteOffset, old.byteLength);
  const after = new DataView(fresh.buffer, fresh.byteOffset, fresh.byteLength);
  const changed: { slot: number; owner: number }[] = [];
  for (let at = 0; at < old.length; at += slotBytes) {
    const owner = before.getUint32(at, true);
    if (owner !== 0 && owner !== after.getUint32(at, true)) {
      changed.push({ slot: at / slotBytes, owner });
    }
  }
  return changed;
}
