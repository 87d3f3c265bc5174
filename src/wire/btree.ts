import { struct, u16, u32 } from "../base/struct.ts";
import { inodeSlots, slotBytes } from "./inode.ts";

/** The index of a hypervolume, in the inode's slot area. Source: protocol §10.1 */
export const btreeMagic = 0x6274;
const btreeAreaBytes = inodeSlots * slotBytes;
export const btreeCounterOffset = 568;

export const BtreeHeader = struct({ magic: u16(0), depth: u16(2), entries: u32(4) }, { size: 8 });

/** Of a tree of depth 1, and of index nodes. */
export const BtreeLeafEntry = struct({ index: u32(0), vid: u32(4) }, { size: 8 });

/** Of a root of depth 2: the highest index of a node, and the node's object. */
export const BtreeRootEntry = struct(
  { highestIndex: u32(0), oidLow: u32(8), oidHigh: u32(12) },
  { size: 16 },
);

export const btreeLeafEntriesMax = Math.floor(
  (btreeAreaBytes - BtreeHeader.size) / BtreeLeafEntry.size,
);
export const btreeRootEntriesMax = Math.floor(
  (btreeAreaBytes - BtreeHeader.size) / BtreeRootEntry.size,
);
/** An index node's object. */
export const indexNodeBytes = btreeAreaBytes;
