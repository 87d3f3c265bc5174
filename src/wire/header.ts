import { bytes, struct, u8, u16, u32, u64 } from "../base/struct.ts";
import { type ObjectKind, writeOid } from "./oid.ts";
import { type OpcodeName, opcodes, requestFlag } from "./opcode.ts";

/** Source for all of this file: protocol §2 */
export const headerBytes = 48;

const common = {
  version: u8(0),
  opcode: u8(1),
  flags: u16(2),
  epoch: u32(4),
  id: u32(8),
  dataLength: u32(12),
};

/** The part that every request has. */
export const RequestHeader = struct(common, { size: headerBytes });

/** `oid` and `cowOid` are 64-bit names: see writeOid. */
export const ObjectRequestHeader = struct(
  {
    ...common,
    oidLow: u32(16),
    oidHigh: u32(20),
    cowOidLow: u32(24),
    cowOidHigh: u32(28),
    copies: u8(32),
    copyPolicy: u8(33),
    ecIndex: u8(34),
    targetEpoch: u32(36),
    offset: u32(40),
  },
  { size: headerBytes },
);

export const VdiRequestHeader = struct(
  {
    ...common,
    vdiSize: u64(16),
    baseVid: u32(24),
    copies: u8(28),
    copyPolicy: u8(29),
    storePolicy: u8(30),
    blockSizeShift: u8(31),
    snapId: u32(32),
    lockType: u32(36),
  },
  { size: headerBytes },
);

export const ClusterRequestHeader = struct(
  {
    ...common,
    ctime: bytes(24, 8),
    copies: u8(32),
    copyPolicy: u8(33),
    clusterFlags: u16(34),
    tag: u32(36),
    nodesCount: u32(40),
    blockSizeShift: u8(44),
  },
  { size: headerBytes },
);

/** DECREF_OBJ between daemons. */
export const ReferenceRequestHeader = struct(
  { ...common, oidLow: u32(16), oidHigh: u32(20), generation: u32(24), count: u32(28) },
  { size: headerBytes },
);

export const VdiStateRequestHeader = struct(
  {
    ...common,
    oldVid: u32(16),
    newVid: u32(20),
    copies: u8(24),
    setBitmap: u8(25),
    copyPolicy: u8(26),
    blockSizeShift: u8(27),
  },
  { size: headerBytes },
);

/** Between daemons: a client with a shared lock is told that its inode is out of date. */
export const CoherenceRequestHeader = struct(
  { ...common, vid: u32(16), validate: u32(20) },
  { size: headerBytes },
);

/** Between daemons: fetch an object from this node. */
export const RepairRequestHeader = struct(
  { ...common, oidLow: u32(16), oidHigh: u32(20), address: bytes(24, 16), port: u16(40) },
  { size: headerBytes },
);

const answered = { ...common, result: u32(16) };

/** The part that every reply has. */
export const ReplyHeader = struct(answered, { size: headerBytes });

export const ObjectReplyHeader = struct(
  { ...answered, copies: u8(20), offset: u64(24) },
  { size: headerBytes },
);

/** Not to be read on an error: the fields then hold what the daemon's stack held. */
export const VdiReplyHeader = struct(
  { ...answered, vid: u32(24), attrId: u32(28), copies: u8(32), blockSizeShift: u8(33) },
  { size: headerBytes },
);

export const NodeReplyHeader = struct(
  { ...answered, nodesCount: u32(20), storeBytes: u64(32), freeBytes: u64(40) },
  { size: headerBytes },
);

export const HashReplyHeader = struct(
  { ...answered, digest: bytes(24, 20) },
  { size: headerBytes },
);

export const ClusterDefaultReplyHeader = struct(
  { ...answered, copies: u8(20), copyPolicy: u8(21), blockSizeShift: u8(22) },
  { size: headerBytes },
);

/**
 * One control request, ready but for its id. Not for the block I/O path, which writes its headers
 * in place with writeObjectHeader.
 */
export interface SheepRequest {
  readonly opcode: OpcodeName;
  /** 48 bytes; whoever sends it puts the id in. */
  readonly header: Uint8Array<ArrayBuffer>;
  /** Sent behind the header when the WRITE flag is set. */
  readonly data: Uint8Array | null;
  /** The largest reply payload that is believed. */
  readonly receiveBytes: number;
}

export interface SheepReply {
  /** 48 bytes. */
  readonly header: DataView;
  readonly result: number;
  readonly data: Uint8Array;
}

export interface Payload {
  /** Sent with the request: sets the WRITE flag. */
  readonly data?: Uint8Array;
  /** Offered for the answer. */
  readonly receiveBytes?: number;
  /** Further flags. */
  readonly flags?: number;
}

/** The fields that are not the payload's to decide. */
interface OwnFields {
  readonly opcode: OpcodeName;
  readonly flags: number;
  readonly dataLength: number;
}

function ownFields(opcode: OpcodeName, payload: Payload): OwnFields {
  const sends = payload.data !== undefined;
  return {
    opcode,
    flags: (payload.flags ?? 0) | (sends ? requestFlag.write : 0),
    dataLength: payload.data?.length ?? payload.receiveBytes ?? 0,
  };
}

function finish(own: OwnFields, payload: Payload, header: Uint8Array<ArrayBuffer>): SheepRequest {
  const data = payload.data ?? null;
  return { opcode: own.opcode, header, data, receiveBytes: payload.receiveBytes ?? 0 };
}

export interface VdiFields {
  readonly vdiSize?: number;
  readonly baseVid?: number;
  readonly copies?: number;
  readonly copyPolicy?: number;
  readonly storePolicy?: number;
  readonly blockSizeShift?: number;
  readonly snapId?: number;
  readonly lockType?: number;
}

export function vdiRequest(opcode: OpcodeName, fields: VdiFields, payload: Payload): SheepRequest {
  const own = ownFields(opcode, payload);
  const { code, version } = opcodes[opcode];
  const { flags, dataLength } = own;
  const header = VdiRequestHeader.encode({ ...fields, version, opcode: code, flags, dataLength });
  return finish(own, payload, header);
}

export interface ClusterFields {
  readonly ctime?: Uint8Array;
  readonly copies?: number;
  readonly copyPolicy?: number;
  readonly clusterFlags?: number;
  readonly tag?: number;
  readonly nodesCount?: number;
  readonly blockSizeShift?: number;
}

export function clusterRequest(
  opcode: OpcodeName,
  fields: ClusterFields,
  payload: Payload,
): SheepRequest {
  const own = ownFields(opcode, payload);
  const { code, version } = opcodes[opcode];
  const { flags, dataLength } = own;
  const header = ClusterRequestHeader.encode({
    ...fields,
    version,
    opcode: code,
    flags,
    dataLength,
  });
  return finish(own, payload, header);
}

export interface ObjectFields {
  readonly kind: ObjectKind;
  readonly vid: number;
  readonly index: number;
  readonly offset?: number;
  readonly copies?: number;
  readonly copyPolicy?: number;
  readonly targetEpoch?: number;
  /** To one node: which strip of an erasure-coded object, and the epoch that both have to know. */
  readonly ecIndex?: number;
  readonly epoch?: number;
}

/** Source of the flags and sizes: protocol §2.3, §8 */
export function objectRequest(
  opcode: OpcodeName,
  fields: ObjectFields,
  payload: Payload,
): SheepRequest {
  const own = ownFields(opcode, payload);
  const { code, version } = opcodes[opcode];
  const { kind, vid, index, ...rest } = fields;
  const { flags, dataLength } = own;
  const header = ObjectRequestHeader.encode({ ...rest, version, opcode: code, flags, dataLength });
  writeOid(new DataView(header.buffer), ObjectRequestHeader.offsets.oidLow, kind, vid, index);
  return finish(own, payload, header);
}

const at = ObjectRequestHeader.offsets;

/** What a request on a data object says of it. Vid < 2^24, index < 2^32. */
export interface DataObjectHeader {
  /**
   * `write` needs an existing object; `create` makes it, zero-filled around the data, replacing
   * one that is there; `cow` makes it as a copy of (`cowVid`, `index`) with the data laid over.
   */
  readonly kind: "read" | "write" | "create" | "cow";
  readonly vid: number;
  readonly index: number;
  readonly cowVid: number;
  /** As the inode says; 0 lets the sheep look it up. */
  readonly copies: number;
  readonly copyPolicy: number;
  /** Byte offset inside the object. */
  readonly offset: number;
  readonly length: number;
}

const dataOpcode = {
  read: opcodes.readObject.code,
  write: opcodes.writeObject.code,
  create: opcodes.createAndWriteObject.code,
  cow: opcodes.createAndWriteObject.code,
} as const;

const dataFlags = {
  read: 0,
  write: requestFlag.write,
  create: requestFlag.write,
  cow: requestFlag.write | requestFlag.cow,
} as const;

/**
 * Writes the 48 bytes of a request on a data object at `place`, allocating nothing.
 * @param extraFlags CACHE, or 0
 */
export function writeDataObjectHeader(
  view: DataView,
  place: number,
  id: number,
  request: DataObjectHeader,
  extraFlags: number,
): void {
  const { kind, vid } = request;
  view.setUint8(place, opcodes.readObject.version);
  view.setUint8(place + at.opcode, dataOpcode[kind]);
  view.setUint16(place + at.flags, dataFlags[kind] | extraFlags, true);
  view.setUint32(place + at.epoch, 0, true);
  view.setUint32(place + at.id, id, true);
  view.setUint32(place + at.dataLength, request.length, true);
  view.setUint32(place + at.oidLow, request.index, true);
  view.setUint32(place + at.oidHigh, vid, true);
  const copies = kind === "cow";
  view.setUint32(place + at.cowOidLow, copies ? request.index : 0, true);
  view.setUint32(place + at.cowOidHigh, copies ? request.cowVid : 0, true);
  view.setUint8(place + at.copies, request.copies);
  view.setUint8(place + at.copyPolicy, request.copyPolicy);
  view.setUint16(place + at.ecIndex, 0, true);
  view.setUint32(place + at.targetEpoch, 0, true);
  view.setUint32(place + at.offset, request.offset, true);
  view.setUint32(place + at.offset + 4, 0, true);
}
