import { assert } from "../base/assert.ts";

/** Kinds of objects. Source: protocol §5 */
export type ObjectKind = "data" | "inode" | "vmstate" | "attr" | "index" | "ledger";

/** An object's name, held as numbers: vid < 2^24, index < 2^32. */
export interface Oid {
  readonly kind: ObjectKind;
  readonly vid: number;
  readonly index: number;
}

export const vidMax = 0xff_ffff;
export const indexMax = 0xffff_ffff;

/** The kind as it stands in the high 32 bits. */
const kindBits: Record<ObjectKind, number> = {
  data: 0,
  inode: 0x8000_0000,
  vmstate: 0x4000_0000,
  attr: 0x2000_0000,
  index: 0x1000_0000,
  ledger: 0x0800_0000,
};

/** Writes the 64-bit name at `at`. */
export function writeOid(
  view: DataView,
  at: number,
  kind: ObjectKind,
  vid: number,
  index: number,
): void {
  assert(vid >= 0 && vid <= vidMax, "a vid has 24 bits");
  assert(index >= 0 && index <= indexMax, "an index has 32 bits");
  view.setUint32(at, index, true);
  view.setUint32(at + 4, (kindBits[kind] | vid) >>> 0, true);
}

/** Reads the 64-bit name at `at`; null when its bits name no kind. */
export function readOid(view: DataView, at: number): Oid | null {
  const high = view.getUint32(at + 4, true);
  const kind = kindOf((high & ~vidMax) >>> 0);
  if (kind === null) return null;
  return { kind, vid: high & vidMax, index: view.getUint32(at, true) };
}

function kindOf(bits: number): ObjectKind | null {
  for (const [kind, value] of Object.entries(kindBits)) {
    if (value === bits) return kind as ObjectKind;
  }
  return null;
}

/** The 64-bit name in hex, as a sheep's files are called and `dog` prints it. */
export function oidText({ kind, vid, index }: Oid): string {
  const high = (kindBits[kind] | vid) >>> 0;
  return [high, index].map((word) => word.toString(16).padStart(8, "0")).join("");
}
