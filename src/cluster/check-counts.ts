import type { ObjectKind } from "../wire/oid.ts";

/** Kinds of objects that a VDI has; attributes are its name's. */
type CheckedKind = Exclude<ObjectKind, "attr">;

export interface Count {
  objects: number;
  damagedObjects: number;
}

export type KindCounts = Record<CheckedKind, Count>;

export function noCounts(): KindCounts {
  const none = (): Count => ({ objects: 0, damagedObjects: 0 });
  return { inode: none(), data: none(), ledger: none(), index: none(), vmstate: none() };
}

export function sumOfKinds(all: readonly Readonly<KindCounts>[]): KindCounts {
  const sum = noCounts();
  for (const counts of all) {
    for (const [kind, total] of Object.entries(sum)) {
      const { objects, damagedObjects } = counts[kind as CheckedKind];
      total.objects += objects;
      total.damagedObjects += damagedObjects;
    }
  }
  return sum;
}

export function totalOf(kinds: Readonly<KindCounts>): Count {
  const total = { objects: 0, damagedObjects: 0 };
  for (const { objects, damagedObjects } of Object.values(kinds)) {
    total.objects += objects;
    total.damagedObjects += damagedObjects;
  }
  return total;
}
