import { createHash } from "node:crypto";
import { assert } from "../base/assert.ts";
import { limits } from "../base/limits.ts";
import { indexNodeBytes } from "../wire/btree.ts";
import { HashReplyHeader, ObjectRequestHeader } from "../wire/header.ts";
import { inodeBytes, ledgerBytes, slotBytes, slotOffset, slotsAt } from "../wire/inode.ts";
import { type Oid, readOid, writeOid } from "../wire/oid.ts";
import { requestFlag } from "../wire/opcode.ts";
import { results } from "../wire/result.ts";
import { AttrRecord } from "../wire/vdi.ts";
import { type Cluster, inodeName } from "./cluster.ts";
import { ledgersIn, readLedger } from "./ledgers.ts";
import type { ObjectName } from "./object-files.ts";
import { objectKinds } from "./record.ts";
import { dataReply, headerReply, type Reply, type Request, refusal, success } from "./request.ts";
import { isSlotWrite, writeSlots } from "./slots.ts";
import { setHead, type Vdi } from "./vdis.ts";

const at = ObjectRequestHeader.offsets;

/** 0x02: part of an object. */
export function readObject(cluster: Cluster, request: Request): Reply {
  const { header, dataLength } = request;
  const oid = readOid(header, at.oidLow);
  const offset = header.getUint32(at.offset, true);
  if (oid === null) return refusal(results.noObject);
  if (!isInside(cluster, oid, offset, dataLength)) return refusal(results.invalidParameters);
  // Not zeroed first: every way to fill it fills all of it.
  const data = Buffer.allocUnsafeSlow(dataLength);
  return readInto(cluster, oid, data, offset) ? dataReply(data) : refusal(results.noObject);
}

/** 0xa4: from the only copy there is. Strips there are none, as objects are kept whole. */
export function readPeer(cluster: Cluster, request: Request): Reply | Promise<Reply> {
  const oid = readOid(request.header, at.oidLow);
  const mayBeCoded = oid?.kind === "data" || oid?.kind === "vmstate";
  const isCoded = mayBeCoded && cluster.vdis.get(oid.vid)?.facts.copyPolicy !== 0;
  return isCoded ? refusal(results.notSupported) : readObject(cluster, request);
}

/** 0x03: part of an object that exists. */
export function writeObject(cluster: Cluster, request: Request): Reply | Promise<Reply> {
  const { header, data } = request;
  const oid = readOid(header, at.oidLow);
  const offset = header.getUint32(at.offset, true);
  if (oid === null) return refusal(results.noObject);
  if (!isInside(cluster, oid, offset, data.length)) return refusal(results.invalidParameters);
  const vdi = cluster.vdis.get(oid.vid);
  if (oid.kind === "inode") return writeInode(cluster, vdi, offset, data);
  const name = fileName(oid);
  if (name === null) return refusal(results.invalidParameters);
  if (oid.kind === "data" && vdi?.isSnapshot === true) return refusal(results.readOnly);
  return cluster.store.write(name, data, offset) ? success : refusal(results.noObject);
}

/** 0x01: an object around data, in place of what was there. */
export function createObject(cluster: Cluster, request: Request): Reply | Promise<Reply> {
  const { header, data, flags } = request;
  const oid = readOid(header, at.oidLow);
  const offset = header.getUint32(at.offset, true);
  if (oid === null) return refusal(results.invalidParameters);
  const name = fileName(oid);
  if (name === null || !isInside(cluster, oid, offset, data.length)) {
    return refusal(results.invalidParameters);
  }
  if (oid.kind === "data" && cluster.vdis.get(oid.vid)?.isSnapshot === true) {
    return refusal(results.readOnly);
  }
  const objectBytes = objectBytesOf(cluster, oid);
  const copies = (flags & requestFlag.cow) !== 0 && data.length < objectBytes;
  if (copies) return copyObject(cluster, request, name, objectBytes);
  cluster.store.create(name, { data, offset, objectBytes });
  return success;
}

async function copyObject(
  cluster: Cluster,
  { header, data }: Request,
  name: ObjectName,
  objectBytes: number,
): Promise<Reply> {
  const sourceOid = readOid(header, at.cowOidLow);
  const source = sourceOid === null ? null : fileName(sourceOid);
  if (source === null) return refusal(results.noObject);
  const write = { data, offset: header.getUint32(at.offset, true), objectBytes };
  const found = await cluster.store.createFrom(source, name, write);
  return found ? success : refusal(results.noObject);
}

/** 0x04: removes an object whoever refers to it. */
export function removeObject(cluster: Cluster, { header }: Request): Reply {
  const oid = readOid(header, at.oidLow);
  if (oid === null) return refusal(results.noObject);
  const name = fileName(oid);
  if (name === null) return refusal(results.invalidParameters);
  return cluster.store.remove(name) ? success : refusal(results.noObject);
}

/**
 * 0x05: clears a slot. Unlike the daemon this never removes an object that another inode still
 * names. Source: protocol §8.6
 */
export async function discardObject(cluster: Cluster, { header }: Request): Promise<Reply> {
  const oid = readOid(header, at.oidLow);
  if (oid === null || oid.kind !== "data") return refusal(results.invalidParameters);
  const vdi = cluster.vdis.get(oid.vid);
  if (vdi === null) return refusal(results.noObject);
  const offset = slotOffset(oid.index);
  if (!isSlotWrite(vdi, offset, slotBytes)) return refusal(results.invalidParameters);
  await writeSlots(cluster, vdi, oid.index, new Uint8Array(slotBytes));
  return success;
}

/**
 * 0x16: the daemon, which never caches, answers 0x05, and clients then ask no more. Ours makes what
 * it acknowledged survive power loss, and says so each time.
 */
export async function flush(cluster: Cluster): Promise<Reply> {
  await cluster.store.sync();
  return success;
}

/** 0xbd */
export function exist(cluster: Cluster, { header }: Request): Reply {
  const oid = readOid(header, at.oidLow);
  return oid !== null && exists(cluster, oid) ? success : refusal(results.noObject);
}

/** 0xc6: which of these objects are missing. */
export function oidsExist(cluster: Cluster, { data }: Request): Reply {
  const view = new DataView(data.buffer, data.byteOffset, data.byteLength);
  const missing: Uint8Array[] = [];
  for (let next = 0; next + 8 <= data.length; next += 8) {
    const oid = readOid(view, next);
    if (oid === null || !exists(cluster, oid)) missing.push(data.subarray(next, next + 8));
  }
  if (missing.length === 0) return success;
  return { result: results.noObject.code, data: Buffer.concat(missing), header: null };
}

/** 0xb4: SHA-1 of a whole object. */
export function getHash(cluster: Cluster, { header }: Request): Reply {
  const oid = readOid(header, at.oidLow);
  if (oid === null || !exists(cluster, oid)) return refusal(results.noObject);
  const hash = createHash("sha1");
  const end = objectBytesOf(cluster, oid);
  const part = Buffer.allocUnsafeSlow(Math.min(end, limits.pieceBytesMax));
  for (let offset = 0; offset < end; offset += part.length) {
    const bytes = part.subarray(0, Math.min(part.length, end - offset));
    readInto(cluster, oid, bytes, offset);
    hash.update(bytes);
  }
  return headerReply(HashReplyHeader.encode({ digest: hash.digest() }));
}

/** 0xa1: every object, by its number. */
export function getObjectList(cluster: Cluster, { dataLength }: Request): Reply {
  const oids: bigint[] = [];
  const view = new DataView(new ArrayBuffer(8));
  const add = (kind: Oid["kind"], vid: number, index: number): void => {
    writeOid(view, 0, kind, vid, index);
    oids.push(view.getBigUint64(0, true));
  };
  for (const { kind, vid, index } of cluster.store.list(null)) add(oidKindOf(kind), vid, index);
  for (const { vid } of cluster.vdis.all()) {
    add("inode", vid, 0);
    for (const index of ledgersIn(cluster.store.meta, vid)) add("ledger", vid, index);
  }
  if (oids.length * 8 > dataLength) return refusal(results.bufferSmall);
  oids.sort((a, b) => (a < b ? -1 : a > b ? 1 : 0));
  return dataReply(new Uint8Array(new BigUint64Array(oids).buffer));
}

/** An inode's header, index and anything else of it; a client's slots are counted. */
async function writeInode(
  cluster: Cluster,
  vdi: Vdi | null,
  offset: number,
  data: Uint8Array,
): Promise<Reply> {
  if (vdi === null) return refusal(results.noObject);
  if (isSlotWrite(vdi, offset, data.length)) {
    await writeSlots(cluster, vdi, (offset - slotsAt) / slotBytes, data);
    return success;
  }
  await cluster.store.room();
  const bytes = data.slice();
  cluster.store.commit([{ type: "write", ...inodeName(vdi.vid), offset, bytes }]);
  setHead(vdi, offset, bytes);
  return success;
}

function readInto(cluster: Cluster, oid: Oid, into: Uint8Array, offset: number): boolean {
  const { store } = cluster;
  if (oid.kind === "inode") {
    if (cluster.vdis.get(oid.vid) === null) return false;
    store.meta.read(inodeName(oid.vid), into, 0, into.length, offset);
    return true;
  }
  if (oid.kind === "ledger") return readLedger(store.meta, oid, into, offset);
  const name = fileName(oid);
  assert(name !== null, "all other objects are files");
  return store.read(name, into, 0, into.length, offset);
}

function exists(cluster: Cluster, oid: Oid): boolean {
  if (oid.kind === "inode") return cluster.vdis.get(oid.vid) !== null;
  if (oid.kind === "ledger") return readLedger(cluster.store.meta, oid, new Uint8Array(0), 0);
  const name = fileName(oid);
  return name !== null && cluster.store.exists(name);
}

/** Null for the objects that are metadata: clients neither make nor remove those. */
function fileName({ kind, vid, index }: Oid): ObjectName | null {
  if (kind === "inode" || kind === "ledger") return null;
  return { kind: objectKinds[kind], vid, index };
}

function oidKindOf(kind: ObjectName["kind"]): Oid["kind"] {
  switch (kind) {
    case objectKinds.data:
      return "data";
    case objectKinds.vmstate:
      return "vmstate";
    case objectKinds.attr:
      return "attr";
    case objectKinds.index:
      return "index";
  }
}

/** The daemon lets requests go beyond the end of an object; ours keeps them inside. */
function isInside(cluster: Cluster, oid: Oid, offset: number, length: number): boolean {
  return offset + length <= objectBytesOf(cluster, oid);
}

/** Source: protocol §5 */
function objectBytesOf(cluster: Cluster, { kind, vid }: Oid): number {
  switch (kind) {
    case "data":
    case "vmstate": {
      const shift = cluster.vdis.get(vid)?.facts.blockSizeShift ?? 0;
      // The header is the client's to write: a shift that cannot be counts as the default.
      return 2 ** (shift > 0 && shift < 32 ? shift : cluster.facts.blockSizeShift);
    }
    case "inode":
      return inodeBytes;
    case "attr":
      return AttrRecord.size;
    case "index":
      return indexNodeBytes;
    case "ledger":
      return ledgerBytes;
  }
}
