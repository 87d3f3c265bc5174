import { decodeCopyPolicy } from "../wire/ec.ts";
import { VdiReplyHeader, VdiRequestHeader } from "../wire/header.ts";
import { nameFieldBytes, unpadded, type WireTime } from "../wire/inode.ts";
import { results } from "../wire/result.ts";
import { lockState, VdiStateRecord, vidBitmapBytes } from "../wire/vdi.ts";
import type { Cluster } from "./cluster.ts";
import { deleteVdi } from "./delete-vdi.ts";
import { makeVdi, type VdiOrigin } from "./new-vdi.ts";
import { nodeIdentity } from "./node.ts";
import { dataReply, headerReply, type Reply, type Request, refusal, success } from "./request.ts";
import type { Vdi, VdiAnswer, VdiQuery } from "./vdis.ts";

/** 0x11: a new VDI, a clone, or a snapshot. Source: protocol §7.1 to §7.4 */
export async function newVdi(cluster: Cluster, request: Request): Promise<Reply> {
  if (request.data.length !== nameFieldBytes) return refusal(results.invalidParameters);
  const fields = VdiRequestHeader.read(request.header, 0);
  const name = unpadded(request.data);
  const base = cluster.vdis.get(fields.baseVid);
  const answer = cluster.vdis.find({ name, tag: new Uint8Array(0), snapId: 0 });
  const wantsSnapshot = fields.snapId !== 0;
  if (wantsSnapshot && answer.found !== "vdi") return refusal(results.noVdi);
  if (!wantsSnapshot && answer.found === "vdi") return refusal(results.vdiExists);
  if ((wantsSnapshot || fields.baseVid !== 0) && base === null) return refusal(results.baseVdiRead);
  const { facts } = cluster;
  // Without a number of copies the policy, too, is the cluster's.
  const redundancy = fields.copies === 0 ? facts : fields;
  const code = decodeCopyPolicy(redundancy.copyPolicy);
  const wish = {
    name,
    vdiSize: fields.vdiSize,
    // As a sheep has it, whatever number was sent along.
    copies: code === null ? redundancy.copies : code.dataStrips + code.parityStrips,
    copyPolicy: redundancy.copyPolicy,
    storePolicy: fields.storePolicy,
    blockSizeShift: fields.blockSizeShift === 0 ? facts.blockSizeShift : fields.blockSizeShift,
    snapId: snapIdAfter(answer),
  };
  const snapshot = answer.found === "vdi" ? answer.vdi : null;
  const origin: VdiOrigin = { base, snapshot };
  await cluster.store.room();
  // Others may have had their turn.
  if (isStale(cluster, name, answer)) return refusal(results.vdiExists);
  const vdi = makeVdi(cluster, wish, origin, now(cluster));
  await cluster.store.sync();
  return vdiReply(vdi);
}

function isStale(cluster: Cluster, name: Uint8Array, answer: VdiAnswer): boolean {
  const again = cluster.vdis.find({ name, tag: new Uint8Array(0), snapId: 0 });
  const vid = (a: VdiAnswer): number | null => (a.found === "vdi" ? a.vdi.vid : null);
  return vid(again) !== vid(answer);
}

function snapIdAfter(answer: VdiAnswer): number {
  if (answer.found === "vdi") return answer.vdi.facts.snapId + 1;
  const newest = answer.found === "nothing" ? answer.newestSnapshot : null;
  return newest === null ? 1 : newest.facts.snapId + 1;
}

function now(cluster: Cluster): WireTime {
  const ms = cluster.ports.clock.wallMs();
  const microseconds = Math.floor(ms * 1000) % 1_000_000;
  return { seconds: Math.floor(ms / 1000), nanoseconds: microseconds * 1000 };
}

/** 0x14 */
export function getVdiInfo(cluster: Cluster, request: Request): Reply {
  const query = queryOf(request);
  if (query === null) return refusal(results.invalidParameters);
  const answer = cluster.vdis.find(query);
  return answer.found === "vdi" ? vdiReply(answer.vdi) : refusal(missing(answer));
}

/** 0x12: a look-up, and a lock where the cluster was formatted with locks. */
export function lockVdi(cluster: Cluster, request: Request): Reply {
  const query = queryOf(request);
  if (query === null) return refusal(results.invalidParameters);
  const answer = cluster.vdis.find(query);
  if (answer.found !== "vdi") return refusal(missing(answer));
  const { vdi } = answer;
  const { lockType } = VdiRequestHeader.read(request.header, 0);
  const locked = !cluster.usesLocks || cluster.locks.lock(vdi.vid, lockType);
  return vdiReply(vdi, locked ? results.success.code : results.vdiLocked.code);
}

/** 0x13: always succeeds. */
export function releaseVdi(cluster: Cluster, request: Request): Reply {
  const { baseVid, lockType } = VdiRequestHeader.read(request.header, 0);
  cluster.locks.release(baseVid, lockType);
  return success;
}

/** 0x17: with the data that nobody else uses, whatever slots are still set. */
export async function deleteVdiNamed(cluster: Cluster, request: Request): Promise<Reply> {
  const query = queryOf(request);
  if (query === null) return refusal(results.invalidParameters);
  const answer = cluster.vdis.find(query);
  if (answer.found !== "vdi") return refusal(missing(answer));
  await deleteVdi(cluster, answer.vdi);
  await cluster.store.sync();
  return headerReply(VdiReplyHeader.encode({ vid: answer.vdi.vid }));
}

/** 0x15 */
export function readVdis(cluster: Cluster | null, { dataLength }: Request): Reply {
  return bitmapReply(cluster?.vdis.usedBitmap ?? null, dataLength);
}

/** 0xc9 */
export function readDeletedVdis(cluster: Cluster | null, { dataLength }: Request): Reply {
  return bitmapReply(cluster?.vdis.deletedBitmap ?? null, dataLength);
}

function bitmapReply(bitmap: Uint8Array | null, dataLength: number): Reply {
  if (dataLength !== vidBitmapBytes) return refusal(results.invalidParameters);
  return dataReply(bitmap === null ? new Uint8Array(vidBitmapBytes) : bitmap.slice());
}

/** 0xab: state and lock of every vid. Source: protocol §9.3 */
export function getVdiCopies(cluster: Cluster | null, request: Request): Reply {
  if (cluster === null) return success;
  const { dataLength, local } = request;
  const vdis = cluster.vdis.all();
  const data = new Uint8Array(vdis.length * VdiStateRecord.size);
  if (data.length > dataLength) return refusal(results.bufferSmall);
  const view = new DataView(data.buffer);
  const us = nodeIdentity(local);
  vdis.forEach((vdi, index) => {
    const state = cluster.locks.stateOf(vdi.vid);
    const isShared = state === lockState.shared;
    VdiStateRecord.write(view, index * VdiStateRecord.size, {
      vid: vdi.vid,
      copies: vdi.facts.copies,
      snapshot: vdi.isSnapshot ? 1 : 0,
      deleted: vdi.isDeleted ? 1 : 0,
      copyPolicy: vdi.facts.copyPolicy,
      blockSizeShift: vdi.facts.blockSizeShift,
      parentVid: vdi.facts.parentVid,
      lockState: state,
      ...(state === lockState.locked ? { owner: us } : {}),
      ...(isShared
        ? { participantsCount: 1, participantStates: oneSharing, participants: us }
        : {}),
    });
  });
  return dataReply(data);
}

/** The state of the first participant: shared. */
const oneSharing = new Uint8Array([2]);

/** Name and tag, or the name alone; null when it is neither. */
function queryOf({ data, header }: Request): VdiQuery | null {
  if (data.length !== nameFieldBytes && data.length !== 2 * nameFieldBytes) return null;
  return {
    name: unpadded(data.subarray(0, nameFieldBytes)),
    tag: unpadded(data.subarray(nameFieldBytes)),
    snapId: header.getUint32(VdiRequestHeader.offsets.snapId, true),
  };
}

function missing(answer: Exclude<VdiAnswer, { found: "vdi" }>): { readonly code: number } {
  return answer.found === "no_tag" ? results.noTag : results.noVdi;
}

function vdiReply(vdi: Vdi, result: number = results.success.code): Reply {
  const { copies, blockSizeShift } = vdi.facts;
  return headerReply(VdiReplyHeader.encode({ vid: vdi.vid, copies, blockSizeShift }), result);
}
