import { limits } from "../base/limits.ts";
import type { Scope } from "../base/scope.ts";
import type { VolumeCore } from "./core.ts";
import { holeSlot } from "./plan.ts";

/** A count that others change meanwhile is begun anew so many times. */
const countsMax = 3;

/**
 * The first byte at or after `offset` that is data (or a hole), or null. A block is data when it
 * has an object. The end of the volume counts as a hole.
 */
export async function seek(
  core: VolumeCore,
  offset: number,
  what: "data" | "hole",
  scope: Scope,
): Promise<number | null> {
  const { objectBytes, sizeBytes, blockCount } = core.geometry;
  if (offset < 0 || offset >= sizeBytes) return null;
  const from = Math.floor(offset / objectBytes);
  const isHole = (await core.slot(from)) === holeSlot;
  if (isHole === (what === "hole")) return offset;
  const begun = what === "data" ? blockCount : from;
  let found = begun;
  const visit = (index: number): boolean => {
    if (what === "data") {
      found = index;
      return false;
    }
    if (index !== found) return false;
    found += 1;
    return true;
  };
  await core.whileOurs((index) => {
    found = begun;
    return index.scan({ from, end: blockCount }, visit, scope);
  });
  if (found >= blockCount) return what === "data" ? null : sizeBytes;
  return Math.max(offset, found * objectBytes);
}

/** Neighbouring blocks whose objects belong to one VDI. */
export interface SlotRun {
  readonly offset: number;
  readonly length: number;
  /** Whose objects they are. Equal ones in equal blocks have equal bytes. */
  readonly vid: number;
}

/** The next runs at or after the block of `offset`, in order; none when there is no data there. */
export async function slotRuns(
  core: VolumeCore,
  offset: number,
  scope: Scope,
): Promise<readonly SlotRun[]> {
  const { objectBytes, sizeBytes, blockCount } = core.geometry;
  const found: { first: number; end: number; vid: number }[] = [];
  let last: (typeof found)[number] | undefined;
  const visit = (index: number, slot: number): boolean => {
    if (last !== undefined && last.vid === slot && last.end === index) {
      last.end += 1;
      return true;
    }
    if (found.length === limits.slotRunsMax) return false;
    last = { first: index, end: index + 1, vid: slot };
    found.push(last);
    return true;
  };
  const range = { from: Math.floor(offset / objectBytes), end: blockCount };
  await core.whileOurs((index) => {
    found.length = 0;
    last = undefined;
    return index.scan(range, visit, scope);
  });
  return found.map(({ first, end, vid }) => {
    const from = first * objectBytes;
    return { offset: from, length: Math.min(end * objectBytes, sizeBytes) - from, vid };
  });
}

/**
 * Blocks that have data, also those that the VDI shares with what it was made from: programs take a
 * file of no blocks for one big hole. Counted once, then kept up to date.
 */
export async function countSetBlocks(core: VolumeCore, scope: Scope): Promise<number> {
  for (let attempt = 1; core.setBlocks === null; attempt += 1) {
    const changes = core.setBlocksChanges;
    let set = 0;
    const visit = (_index: number, slot: number): boolean => {
      if (slot !== holeSlot) set += 1;
      return true;
    };
    await core.whileOurs((index) => {
      set = 0;
      return index.scan({ from: 0, end: core.geometry.blockCount }, visit, scope);
    });
    if (core.setBlocksChanges === changes) core.setBlocks = set;
    else if (attempt === countsMax) return set;
  }
  return core.setBlocks;
}
