import { limits } from "../base/limits.ts";
import { BtreeHeader, BtreeLeafEntry, indexNodeBytes } from "../wire/btree.ts";
import { decodeCopyPolicy } from "../wire/ec.ts";
import {
  grefBytes,
  grefsAt,
  type InodeHeader,
  inodeBytes,
  ledgerBytes,
  slotBytes,
  slotsAt,
} from "../wire/inode.ts";
import type { Oid } from "../wire/oid.ts";
import { isHypervolume, objectBytesOf } from "./blocks.ts";
import type { Kept } from "./copies.ts";
import type { SetSlot } from "./slots.ts";

/** An object that is looked at, and what it is to the VDI. */
export interface Looked {
  readonly kept: Kept;
  /** By which the VDI names it; null of what is its own whatever its index says. */
  readonly slot: SetSlot | null;
  /** Whether it may be nowhere, and nothing is wrong. */
  readonly mayBeNowhere: boolean;
}

const countBytes = 4;
/** Of VM state in objects of another size than usual: QEMU keeps to this one. */
const vmStateBytesUsual = 4 * 2 ** 20;

/** All of it: also slots behind the end count as soon as the VDI grows. */
export function inodeOf(header: InodeHeader): Looked {
  const oid = { kind: "inode", vid: header.vid, index: 0 } as const;
  const place = (at: number): string => inodePlace(header, at);
  return { kept: plain(header, oid, inodeBytes, place), slot: null, mayBeNowhere: false };
}

/** The data of a block. */
export function dataOf(header: InodeHeader, slot: SetSlot): Looked {
  const oid = { kind: "data", vid: slot.owner, index: slot.block } as const;
  return { kept: coded(header, oid), slot, mayBeNowhere: false };
}

/**
 * What counts the references to a block's data. There is one only since the first was dropped, and
 * no other object says whether that was so. Source: protocol §8.5
 */
export function ledgerOf(header: InodeHeader, slot: SetSlot): Looked {
  const oid = { kind: "ledger", vid: slot.owner, index: slot.block } as const;
  const place = (at: number): string => `count of generation ${Math.floor(at / countBytes)}`;
  return { kept: plain(header, oid, ledgerBytes, place), slot, mayBeNowhere: true };
}

/** A node of a hypervolume's tree. */
export function nodeOf(header: InodeHeader, oid: Oid): Looked {
  const kept = plain(header, oid, indexNodeBytes, entryPlace);
  return { kept, slot: null, mayBeNowhere: false };
}

/** Part of the state of the virtual machine that a snapshot was made of. */
export function vmStateOf(header: InodeHeader, index: number, mayBeNowhere: boolean): Looked {
  const kept = coded(header, { kind: "vmstate", vid: header.vid, index });
  return { kept, slot: null, mayBeNowhere };
}

/**
 * How many objects of VM state a VDI must have if it has any, and how many it may have: dog goes by
 * the size of its objects, QEMU by 4 MiB always. Null when the header claims what cannot be.
 */
export function vmStateCounts(
  header: InodeHeader,
): { readonly least: number; readonly most: number } | null {
  const objectBytes = objectBytesOf(header);
  const most = Math.ceil(header.vmStateSize / Math.min(objectBytes, vmStateBytesUsual));
  if (most > limits.checkVmStateObjectsMax) return null;
  return { least: Math.ceil(header.vmStateSize / Math.max(objectBytes, vmStateBytesUsual)), most };
}

/** In plain copies, as all but data and VM state is whatever the VDI's policy. */
function plain({ copies }: InodeHeader, oid: Oid, bytes: number, place: Kept["place"]): Kept {
  return { oid, offset: 0, bytes, copies, code: null, place };
}

function coded(header: InodeHeader, oid: Oid): Kept {
  const kept = plain(header, oid, objectBytesOf(header), () => null);
  return { ...kept, code: decodeCopyPolicy(header.copyPolicy) };
}

function inodePlace(header: InodeHeader, at: number): string {
  if (at < slotsAt) return "its header";
  if (at >= grefsAt)
    return `generation reference of block ${Math.floor((at - grefsAt) / grefBytes)}`;
  if (isHypervolume(header)) return "root of its tree";
  return `slot of block ${Math.floor((at - slotsAt) / slotBytes)}`;
}

function entryPlace(at: number): string {
  if (at < BtreeHeader.size) return "its head";
  return `entry ${Math.floor((at - BtreeHeader.size) / BtreeLeafEntry.size)}`;
}
