import { SheepfsError } from "../base/errors.ts";
import { bytes, struct, u8, u32, u64 } from "../base/struct.ts";
import { nameBytesMax, nameFieldBytes } from "./inode.ts";

/** Bits for every vid, least significant first. Source: protocol §6.1 */
export const vidBitmapBytes = 2 ** 24 / 8;

export function hasVid(bitmap: Uint8Array, vid: number): boolean {
  return ((bitmap[vid >>> 3] ?? 0) & (1 << (vid & 7))) !== 0;
}

export function setVid(bitmap: Uint8Array, vid: number): void {
  bitmap[vid >>> 3] = (bitmap[vid >>> 3] ?? 0) | (1 << (vid & 7));
}

/** Every vid of a bitmap, ascending. Of its two million bytes nearly all are zero. */
export function* vidsOf(bitmap: Uint8Array): Generator<number> {
  for (let from = 0; from < bitmap.length; from += zeros.length) {
    const part = bitmap.subarray(from, from + zeros.length);
    if (part.length === zeros.length && Buffer.compare(part, zeros) === 0) continue;
    for (let byte = 0; byte < part.length; byte += 1) {
      const bits = part[byte] ?? 0;
      if (bits === 0) continue;
      for (let bit = 0; bit < 8; bit += 1) {
        if ((bits & (1 << bit)) !== 0) yield (from + byte) * 8 + bit;
      }
    }
  }
}

const zeros = new Uint8Array(4096);

/**
 * A name or tag as the protocol wants it: 256 bytes, padded. A name without a NUL would make the
 * daemon read on behind it.
 * @throws name_too_long | invalid
 * Source: protocol §6.2
 */
export function nameField(name: Uint8Array): Uint8Array<ArrayBuffer> {
  if (name.length > nameBytesMax) {
    throw new SheepfsError("name_too_long", `a name of ${name.length} bytes; 255 is the most`);
  }
  if (name.includes(0)) throw new SheepfsError("invalid", "a name with a NUL byte");
  const field = new Uint8Array(nameFieldBytes);
  field.set(name);
  return field;
}

/** Name and tag, as look-ups carry them. */
export function nameAndTag(name: Uint8Array, tag: Uint8Array): Uint8Array<ArrayBuffer> {
  const data = new Uint8Array(2 * nameFieldBytes);
  data.set(nameField(name));
  data.set(nameField(tag), nameFieldBytes);
  return data;
}

/** The state of one VDI, as GET_VDI_COPIES lists it. Source: protocol §9.3 */
export const VdiStateRecord = struct(
  {
    vid: u32(0),
    copies: u8(4),
    snapshot: u8(5),
    deleted: u8(6),
    copyPolicy: u8(7),
    blockSizeShift: u8(8),
    parentVid: u32(12),
    lockState: u32(16),
    owner: bytes(20, 40),
    participantsCount: u32(60),
    participantStates: bytes(64, 31 * 4),
    participants: bytes(188, 31 * 40),
  },
  { size: 1428 },
);
export const lockState = { unlocked: 1, locked: 2, shared: 3 } as const;
/** What LOCK_VDI asks for. */
export const lockType = { normal: 0, shared: 1 } as const;

/** One attribute of a VDI. Source: protocol §10.2 */
export const AttrRecord = struct(
  {
    name: bytes(0, nameFieldBytes),
    tag: bytes(256, nameFieldBytes),
    ctimeNanoseconds: u32(512),
    ctimeSeconds: u32(516),
    snapId: u32(520),
    valueBytes: u32(524),
    key: bytes(528, nameFieldBytes),
    value: bytes(784, 65_536),
  },
  { size: 66_320 },
);

/** Source: protocol §3.2, STAT_RECOVERY */
export const RecoveryState = struct(
  { inRecovery: u8(0), state: u32(4), finished: u64(8), total: u64(16) },
  { size: 24 },
);

/** One disk of MD_INFO, and the whole answer's length. Source: protocol §3.2 */
export const DiskRecord = struct(
  { index: u32(0), freeBytes: u64(8), usedBytes: u64(16), path: bytes(24, 4096) },
  { size: 4120 },
);
export const diskRecordsMax = 64;
export const mdInfoBytes = 263_688;
export const mdInfoCountAt = 263_680;
