import { SheepfsError } from "../base/errors.ts";
import { bytes, struct, u8, u32, u64 } from "../base/struct.ts";
import { vidMax } from "./oid.ts";

/** Source: protocol §10.1 */
export const inodeHeaderBytes = 4664;
export const inodeSlots = 2 ** 20;
export const slotBytes = 4;
export const grefBytes = 8;
export const slotsAt = inodeHeaderBytes;
export const grefsAt = slotsAt + inodeSlots * slotBytes;
export const inodeBytes = grefsAt + inodeSlots * grefBytes;
export const nameBytesMax = 255;
/** A name's field: padded with NUL, one at least. */
export const nameFieldBytes = 256;

/** A moment as inodes and clusters hold it: nanoseconds in the low half. */
export interface WireTime {
  readonly seconds: number;
  readonly nanoseconds: number;
}

/** On the wall clock, milliseconds since 1970. */
export function wireTimeMs({ seconds, nanoseconds }: WireTime): number {
  return seconds * 1000 + Math.floor(nanoseconds / 1e6);
}

/** As a word, to the nanosecond. */
export function wireTimeText({ seconds, nanoseconds }: WireTime): string {
  return `${seconds}.${String(nanoseconds).padStart(9, "0")}`;
}

export const InodeHeaderStruct = struct(
  {
    name: bytes(0, nameFieldBytes),
    tag: bytes(256, nameFieldBytes),
    createNanoseconds: u32(512),
    createSeconds: u32(516),
    snapNanoseconds: u32(520),
    snapSeconds: u32(524),
    vmClockNsec: u64(528),
    vdiSize: u64(536),
    vmStateSize: u64(544),
    copyPolicy: u8(552),
    storePolicy: u8(553),
    copies: u8(554),
    blockSizeShift: u8(555),
    snapId: u32(556),
    vid: u32(560),
    parentVid: u32(564),
    btreeCounter: u32(568),
  },
  { size: inodeHeaderBytes },
);

/** What an inode says of its VDI, apart from its index. */
export interface InodeHeader {
  /** Without padding; empty for a deleted VDI. */
  readonly name: Uint8Array;
  readonly tag: Uint8Array;
  readonly createTime: WireTime;
  /** Zero for a working VDI. */
  readonly snapTime: WireTime;
  readonly vmClockNsec: number;
  /** Beyond 2^53-1 not exact: not a safe integer then. */
  readonly vdiSize: number;
  readonly vmStateSize: number;
  readonly copyPolicy: number;
  readonly storePolicy: number;
  readonly copies: number;
  readonly blockSizeShift: number;
  readonly snapId: number;
  readonly vid: number;
  readonly parentVid: number;
  readonly btreeCounter: number;
  readonly isSnapshot: boolean;
}

/** @throws corrupt when it is shorter than a header or names an impossible vid */
export function decodeInodeHeader(data: Uint8Array): InodeHeader {
  if (data.length < inodeHeaderBytes) {
    throw new SheepfsError("corrupt", `an inode header of ${data.length} bytes`);
  }
  const view = new DataView(data.buffer, data.byteOffset, data.byteLength);
  const { createSeconds, createNanoseconds, snapSeconds, snapNanoseconds, name, tag, ...rest } =
    InodeHeaderStruct.read(view, 0);
  if (rest.vid > vidMax || rest.parentVid > vidMax) {
    throw new SheepfsError("corrupt", `an inode with vid 0x${rest.vid.toString(16)}`);
  }
  return {
    ...rest,
    name: unpadded(name),
    tag: unpadded(tag),
    createTime: { seconds: createSeconds, nanoseconds: createNanoseconds },
    snapTime: { seconds: snapSeconds, nanoseconds: snapNanoseconds },
    isSnapshot: snapSeconds !== 0 || snapNanoseconds !== 0,
  };
}

/** The 4664 bytes; everything not in `header` is zero. */
export function encodeInodeHeader(header: InodeHeader): Uint8Array<ArrayBuffer> {
  const { createTime, snapTime, isSnapshot: _, ...rest } = header;
  return InodeHeaderStruct.encode({
    ...rest,
    createSeconds: createTime.seconds,
    createNanoseconds: createTime.nanoseconds,
    snapSeconds: snapTime.seconds,
    snapNanoseconds: snapTime.nanoseconds,
  });
}

/** Where slot `index` lies in the inode object. */
export function slotOffset(index: number): number {
  return slotsAt + slotBytes * index;
}

/** Where the generation reference of slot `index` lies. */
export function grefOffset(index: number): number {
  return grefsAt + grefBytes * index;
}

/** Up to the first NUL. */
export function unpadded(field: Uint8Array): Uint8Array {
  const end = field.indexOf(0);
  return end < 0 ? field : field.subarray(0, end);
}

/** The generation reference of one slot: protocol §8.5. */
export const GenerationRef = struct({ generation: u32(0), count: u32(4) }, { size: grefBytes });

/** A ledger object: counts of the references to one data object, by generation. */
export const ledgerBytes = 4 * 2 ** 20;
