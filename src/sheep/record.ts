import { crc32 } from "node:zlib";

/** What a metadata file holds; its number is part of the journal's format. */
export const metaKinds = { inode: 1, ledgers: 2, deleted: 3, deepLedger: 4 } as const;
export type MetaKind = (typeof metaKinds)[keyof typeof metaKinds];

/** Objects that are files of their own; the number is part of the journal's format. */
export const objectKinds = { data: 0, vmstate: 1, attr: 2, index: 3 } as const;
export type ObjectKind = (typeof objectKinds)[keyof typeof objectKinds];

/**
 * One change of metadata as the journal holds it. All are idempotent: replaying a record that was
 * already applied changes nothing.
 */
export type JournalEntry =
  | {
      readonly type: "write";
      readonly kind: MetaKind;
      readonly vid: number;
      readonly index: number;
      readonly offset: number;
      readonly bytes: Uint8Array;
    }
  | {
      readonly type: "forget";
      readonly kind: MetaKind;
      readonly vid: number;
      readonly index: number;
    }
  /** An object's file goes; `create` takes that back for one that was made again afterwards. */
  | {
      readonly type: "remove" | "create";
      readonly kind: ObjectKind;
      readonly vid: number;
      readonly index: number;
    };

const entryTypes = { write: 1, forget: 2, remove: 3, create: 4 } as const;

const magic = 0x73686a31;
/** magic u32, body length u32, position u64, CRC of position and body u32, padding u32 */
const headBytes = 24;
/** type u8, kind u8, padding u16, vid u32, index u32, offset u32, length u32 */
const entryHeadBytes = 20;

export function encodeRecord(position: number, entries: readonly JournalEntry[]): Uint8Array {
  let length = headBytes;
  for (const entry of entries) {
    length += entryHeadBytes + (entry.type === "write" ? entry.bytes.length : 0);
  }
  const bytes = new Uint8Array(length);
  const view = new DataView(bytes.buffer);
  let at = headBytes;
  for (const entry of entries) at = writeEntry(bytes, view, at, entry);
  view.setUint32(0, magic, true);
  view.setUint32(4, length - headBytes, true);
  writePosition(view, 8, position);
  view.setUint32(16, checksum(bytes, 0, length), true);
  return bytes;
}

/** The record at `at` if it is whole and the one that belongs at `position`, else null. */
export function decodeRecord(
  bytes: Uint8Array,
  at: number,
  position: number,
): { readonly entries: JournalEntry[]; readonly length: number } | null {
  if (at + headBytes > bytes.length) return null;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const length = headBytes + view.getUint32(at + 4, true);
  if (view.getUint32(at, true) !== magic || at + length > bytes.length) return null;
  if (readPosition(view, at + 8) !== position) return null;
  if (view.getUint32(at + 16, true) !== checksum(bytes, at, length)) return null;
  const entries: JournalEntry[] = [];
  for (let next = at + headBytes; next < at + length; ) {
    const entry = readEntry(bytes, view, next, at + length);
    if (entry === null) return null;
    entries.push(entry);
    next += entryHeadBytes + (entry.type === "write" ? entry.bytes.length : 0);
  }
  return { entries, length };
}

/** Over everything but the field that holds it. */
function checksum(bytes: Uint8Array, at: number, length: number): number {
  const start = crc32(bytes.subarray(at, at + 16));
  return crc32(bytes.subarray(at + headBytes, at + length), start) >>> 0;
}

function writeEntry(bytes: Uint8Array, view: DataView, at: number, entry: JournalEntry): number {
  view.setUint8(at, entryTypes[entry.type]);
  view.setUint8(at + 1, entry.kind);
  view.setUint32(at + 4, entry.vid, true);
  view.setUint32(at + 8, entry.index, true);
  if (entry.type !== "write") return at + entryHeadBytes;
  view.setUint32(at + 12, entry.offset, true);
  view.setUint32(at + 16, entry.bytes.length, true);
  bytes.set(entry.bytes, at + entryHeadBytes);
  return at + entryHeadBytes + entry.bytes.length;
}

function readEntry(
  bytes: Uint8Array,
  view: DataView,
  at: number,
  end: number,
): JournalEntry | null {
  if (at + entryHeadBytes > end) return null;
  const type = view.getUint8(at);
  const kind = view.getUint8(at + 1);
  const vid = view.getUint32(at + 4, true);
  const index = view.getUint32(at + 8, true);
  if (type === entryTypes.remove || type === entryTypes.create) {
    const known = Object.values(objectKinds).find((value) => value === kind);
    const change = type === entryTypes.remove ? "remove" : "create";
    return known === undefined ? null : { type: change, kind: known, vid, index };
  }
  const known = Object.values(metaKinds).find((value) => value === kind);
  if (known === undefined) return null;
  if (type === entryTypes.forget) return { type: "forget", kind: known, vid, index };
  const length = view.getUint32(at + 16, true);
  const data = at + entryHeadBytes;
  if (type !== entryTypes.write || data + length > end) return null;
  const offset = view.getUint32(at + 12, true);
  return {
    type: "write",
    kind: known,
    vid,
    index,
    offset,
    bytes: bytes.slice(data, data + length),
  };
}

function writePosition(view: DataView, at: number, position: number): void {
  view.setUint32(at, position % 0x1_0000_0000, true);
  view.setUint32(at + 4, Math.floor(position / 0x1_0000_0000), true);
}

function readPosition(view: DataView, at: number): number {
  return view.getUint32(at + 4, true) * 0x1_0000_0000 + view.getUint32(at, true);
}
