import { expect, test } from "bun:test";
import type { Fields, Struct } from "../../src/base/struct.ts";
import { BtreeHeader, BtreeLeafEntry } from "../../src/wire/btree.ts";
import { ClusterInfoHead, EpochLogEntry, epochLogStride } from "../../src/wire/cluster.ts";
import {
  ClusterDefaultReplyHeader,
  ClusterRequestHeader,
  HashReplyHeader,
  NodeReplyHeader,
  ObjectReplyHeader,
  ObjectRequestHeader,
  ReplyHeader,
  RequestHeader,
  VdiReplyHeader,
  VdiRequestHeader,
} from "../../src/wire/header.ts";
import {
  decodeInodeHeader,
  encodeInodeHeader,
  GenerationRef,
  grefsAt,
  inodeHeaderBytes,
  slotsAt,
  unpadded,
} from "../../src/wire/inode.ts";
import { NodeRecord } from "../../src/wire/node.ts";
import { readOid, writeOid } from "../../src/wire/oid.ts";
import { type OpcodeName, opcodeOf, opcodes } from "../../src/wire/opcode.ts";
import {
  AttrRecord,
  DiskRecord,
  mdInfoCountAt,
  nameAndTag,
  nameField,
  RecoveryState,
  setVid,
  VdiStateRecord,
  vidBitmapBytes,
  vidsOf,
} from "../../src/wire/vdi.ts";
import { type CaptureStep, captureNames, loadCapture } from "./load.ts";

const requestHeaders = {
  object: ObjectRequestHeader,
  vdi: VdiRequestHeader,
  cluster: ClusterRequestHeader,
} as const;

/** All others answer as their requests are: about an object, or with a result only. */
const replyHeaders: Partial<Record<OpcodeName, Struct<Fields>>> = {
  newVdi: VdiReplyHeader,
  lockVdi: VdiReplyHeader,
  getVdiInfo: VdiReplyHeader,
  deleteVdi: VdiReplyHeader,
  getVdiAttr: VdiReplyHeader,
  getNodeList: NodeReplyHeader,
  statSheep: NodeReplyHeader,
  getHash: HashReplyHeader,
  getClusterDefault: ClusterDefaultReplyHeader,
};

function replyHeader(name: OpcodeName): Struct<Fields> {
  const plain = opcodes[name].header === "object" ? ObjectReplyHeader : ReplyHeader;
  return replyHeaders[name] ?? plain;
}

/** What a struct makes of these bytes when it has read them. */
function again<F extends Fields>(struct: Struct<F>, bytes: Uint8Array, at: number): Uint8Array {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  return struct.encode(struct.read(view, at));
}

function same(found: Uint8Array, recorded: Uint8Array, what: string): string[] {
  return Buffer.compare(found, recorded) === 0 ? [] : [what];
}

function structAt<F extends Fields>(
  struct: Struct<F>,
  bytes: Uint8Array,
  at: number,
  what: string,
): string[] {
  return same(again(struct, bytes, at), bytes.subarray(at, at + struct.size), `${what} at ${at}`);
}

/** A node's record without the daemon's memory at its start. */
function nodeAt(bytes: Uint8Array, at: number): string[] {
  const { address } = NodeRecord.offsets;
  const found = again(NodeRecord, bytes, at).subarray(address);
  return same(found, bytes.subarray(at + address, at + NodeRecord.size), `node at ${at}`);
}

function each(bytes: Uint8Array, from: number, stride: number, act: (at: number) => string[]) {
  const wrong: string[] = [];
  for (let at = from; at + stride <= bytes.length; at += stride) wrong.push(...act(at));
  return wrong;
}

function checkNames(data: Uint8Array): string[] {
  const name = unpadded(data.subarray(0, 256));
  // The one recorded name without an end is refused on purpose.
  if (name.length === 256) return [];
  if (data.length === 256) return same(nameField(name), data, "name");
  if (data.length !== 512) return [];
  return same(nameAndTag(name, unpadded(data.subarray(256))), data, "name and tag");
}

function checkOids(data: Uint8Array): string[] {
  return each(data, 0, 8, (at) => {
    const oid = readOid(new DataView(data.buffer, data.byteOffset), at);
    if (oid === null) return [`oid at ${at}`];
    const found = new Uint8Array(8);
    writeOid(new DataView(found.buffer), 0, oid.kind, oid.vid, oid.index);
    return same(found, data.subarray(at, at + 8), `oid at ${at}`);
  });
}

function checkBitmap(data: Uint8Array): string[] {
  const found = new Uint8Array(vidBitmapBytes);
  for (const vid of vidsOf(data)) setVid(found, vid);
  return same(found, data, "bitmap");
}

function checkInode(step: CaptureStep, data: Uint8Array): string[] {
  const header = ObjectRequestHeader.read(new DataView(step.request.header.buffer), 0);
  const view = new DataView(step.request.header.buffer);
  if (readOid(view, ObjectRequestHeader.offsets.oidLow)?.kind !== "inode") return [];
  if (header.offset === 0 && data.length >= inodeHeaderBytes) {
    const inode = decodeInodeHeader(data.subarray(0, inodeHeaderBytes));
    const wrong = same(encodeInodeHeader(inode), data.subarray(0, inodeHeaderBytes), "inode");
    if (inode.storePolicy === 0 || data.length < slotsAt + BtreeHeader.size) return wrong;
    wrong.push(...structAt(BtreeHeader, data, slotsAt, "tree"));
    const leaves = data.subarray(0, slotsAt + 16);
    wrong.push(
      ...each(leaves, slotsAt + 8, 8, (at) => structAt(BtreeLeafEntry, leaves, at, "leaf")),
    );
    return wrong;
  }
  if (header.offset < grefsAt) return [];
  return each(data, 0, GenerationRef.size, (at) => structAt(GenerationRef, data, at, "gref"));
}

type Check = (data: Uint8Array, step: CaptureStep) => string[];

function checkEpochs(data: Uint8Array, { request }: CaptureStep): string[] {
  const { nodesCount } = ClusterRequestHeader.read(new DataView(request.header.buffer), 0);
  const stride = epochLogStride(nodesCount);
  return each(data, 0, stride, (at) => [
    ...structAt(EpochLogEntry, data, at, "epoch"),
    ...each(data.subarray(0, at + stride), at + EpochLogEntry.size, NodeRecord.size, (node) =>
      nodeAt(data, node),
    ),
  ]);
}

function checkRead(data: Uint8Array, step: CaptureStep): string[] {
  const view = new DataView(step.request.header.buffer);
  const kind = readOid(view, ObjectRequestHeader.offsets.oidLow)?.kind;
  if (kind !== "attr") return checkInode(step, data);
  const record = new Uint8Array(AttrRecord.size);
  record.set(data);
  return structAt(AttrRecord, record, 0, "attribute");
}

const answers: Partial<Record<OpcodeName, Check>> = {
  readVdis: checkBitmap,
  readDeletedVdis: checkBitmap,
  getNodeList: (data) => each(data, 0, NodeRecord.size, (at) => nodeAt(data, at)),
  statCluster: checkEpochs,
  clusterInfo: (data) => [...structAt(ClusterInfoHead, data, 0, "cluster"), ...nodeAt(data, 48)],
  getEpoch: (data) => nodeAt(data, 0),
  getVdiCopies: (data) =>
    each(data, 0, VdiStateRecord.size, (at) => structAt(VdiStateRecord, data, at, "vdi")),
  getObjectList: checkOids,
  oidsExist: checkOids,
  statRecovery: (data) => structAt(RecoveryState, data, 0, "recovery"),
  mdInfo: (data) =>
    each(data.subarray(0, mdInfoCountAt), 0, DiskRecord.size, (at) =>
      structAt(DiskRecord, data, at, "disk"),
    ),
  readObject: checkRead,
};

const sent: Partial<Record<OpcodeName, Check>> = {
  newVdi: checkNames,
  lockVdi: checkNames,
  getVdiInfo: checkNames,
  deleteVdi: checkNames,
  getVdiAttr: (data) => structAt(AttrRecord, data, 0, "attribute"),
  oidsExist: checkOids,
  writeObject: (data, step) => checkInode(step, data),
};

function check(step: CaptureStep): string[] {
  const { request, response } = step;
  const wrong: string[] = [];
  const name = opcodeOf(request.header[RequestHeader.offsets.opcode] ?? 0);
  // Opcodes that nobody knows: their headers have the common part only.
  const sentAs = name === null ? RequestHeader : requestHeaders[opcodes[name].header];
  const answeredAs = name === null ? ReplyHeader : replyHeader(name);
  wrong.push(...structAt<Fields>(sentAs, request.header, 0, "request header"));
  wrong.push(...structAt<Fields>(answeredAs, response.header, 0, "response header"));
  if (name === null) return wrong;
  if (request.data !== null) wrong.push(...(sent[name]?.(request.data, step) ?? []));
  const failed = new DataView(response.header.buffer).getUint32(16, true) !== 0;
  // With some errors the daemon sends what lay in its memory.
  if (response.data !== null && (!failed || name === "oidsExist")) {
    wrong.push(...(answers[name]?.(response.data, step) ?? []));
  }
  return wrong;
}

const recordings = captureNames().filter((name) => name !== "three-placement");

test.each(recordings)("%s is decoded and encoded byte for byte", (name) => {
  const { steps } = loadCapture(name);
  expect(steps.length).toBeGreaterThan(0);
  const wrong = steps.flatMap((step, index) => check(step).map((what) => `step ${index}: ${what}`));
  expect(wrong).toEqual([]);
});
