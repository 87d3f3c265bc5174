import { limits } from "../base/limits.ts";
import { grefsAt, InodeHeaderStruct, inodeHeaderBytes, slotBytes, slotsAt } from "../wire/inode.ts";
import { type Cluster, deletedName, inodeName } from "./cluster.ts";
import { forgetLedgers } from "./ledgers.ts";
import { type JournalEntry, objectKinds } from "./record.ts";
import { writeSlots } from "./slots.ts";
import { setHead, type Vdi } from "./vdis.ts";

/**
 * Deletes a VDI or snapshot with its data, as far as nobody else uses that. The inode keeps its
 * vid, without a name, so that chains of vids stay unbroken. Source: protocol §7.5
 */
export async function deleteVdi(cluster: Cluster, vdi: Vdi): Promise<void> {
  const at = InodeHeaderStruct.offsets;
  const inode = inodeName(vdi.vid);
  const byte = vdi.vid >>> 3;
  const bits = (cluster.vdis.deletedBitmap[byte] ?? 0) | (1 << (vdi.vid & 7));
  const noName = new Uint8Array(at.tag - at.name);
  const noSize = new Uint8Array(8);
  cluster.store.commit([
    { type: "write", ...inode, offset: at.name, bytes: noName },
    { type: "write", ...inode, offset: at.vdiSize, bytes: noSize },
    { type: "write", ...deletedName, offset: byte, bytes: new Uint8Array([bits]) },
  ]);
  setHead(vdi, at.name, noName);
  setHead(vdi, at.vdiSize, noSize);
  cluster.vdis.markDeleted(vdi);
  cluster.locks.forget(vdi.vid);
  await reclaimVdi(cluster, vdi);
}

/** Goes on with the deletes that the process ended in. */
export function finishDeletes(cluster: Cluster): void {
  for (const vdi of cluster.vdis.all()) {
    const bytes = cluster.store.meta.bytes(inodeName(vdi.vid));
    if (!vdi.isDeleted || bytes <= inodeHeaderBytes + wholePage) continue;
    reclaimVdi(cluster, vdi).catch((error: unknown) => {
      cluster.log.error("the space of a deleted VDI cannot be reclaimed", error);
    });
  }
}

/** A file of metadata ends at the end of what it is written in. */
const wholePage = 512;

/** Gives back what a deleted VDI holds; again from the start when it was interrupted. */
async function reclaimVdi(cluster: Cluster, vdi: Vdi): Promise<void> {
  const { store } = cluster;
  const inode = inodeName(vdi.vid);
  if (vdi.facts.storePolicy === 0) await clearSlots(cluster, vdi);
  // VM state, what a client made and never entered in the index, and all of a hypervolume: nobody
  // but the VDI's descendants could reach these.
  const hasChildren = cluster.vdis.hasChildren(vdi.vid);
  let entries: JournalEntry[] = [];
  for (const object of [...store.list(vdi.vid)]) {
    if (object.kind === objectKinds.attr) continue;
    if (hasChildren && object.kind === objectKinds.data) continue;
    entries.push({ type: "remove", ...object });
    if (entries.length < limits.sheepSlotsPerRecord) continue;
    await store.room();
    store.commit(entries);
    entries = [];
  }
  await store.room();
  const header = new Uint8Array(inodeHeaderBytes);
  store.meta.read(inode, header, 0, header.length, 0);
  store.commit([
    ...entries,
    ...(hasChildren ? [] : forgetLedgers(store.meta, vdi.vid)),
    { type: "forget", ...inode },
    { type: "write", ...inode, offset: 0, bytes: header },
  ]);
}

async function clearSlots(cluster: Cluster, vdi: Vdi): Promise<void> {
  const inode = inodeName(vdi.vid);
  const end = Math.min(cluster.store.meta.bytes(inode), grefsAt);
  const partBytes = limits.sheepSlotsPerRecord * slotBytes;
  for (let offset = slotsAt; offset < end; offset += partBytes) {
    const length = Math.min(partBytes, grefsAt - offset);
    const slots = new Uint8Array(length);
    cluster.store.meta.read(inode, slots, 0, length, offset);
    if (slots.every((byte) => byte === 0)) continue;
    await writeSlots(cluster, vdi, (offset - slotsAt) / slotBytes, slots.fill(0));
  }
}
