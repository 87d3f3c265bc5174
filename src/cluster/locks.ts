import { type Address, formatAddress } from "../base/address.ts";
import { asSheepfsError, SheepfsError } from "../base/errors.ts";
import { limits } from "../base/limits.ts";
import type { Scope } from "../base/scope.ts";
import type { SheepCaller } from "../client/caller.ts";
import { clusterRequest, VdiReplyHeader, vdiRequest } from "../wire/header.ts";
import { formatIp } from "../wire/node.ts";
import { results } from "../wire/result.ts";
import { lockState, lockType, VdiStateRecord } from "../wire/vdi.ts";
import { hexVid } from "./inode.ts";
import { nameText } from "./name.ts";
import { nameFields, resolveVdi } from "./resolve.ts";

/** Who holds the lock of a VDI: sheep, since the cluster knows its gateways and not their clients. */
export interface LockOwner {
  readonly kind: "normal" | "shared";
  readonly gateways: readonly Address[];
}

const nodeIdBytes = 40;
const portAt = 16;
const participantsMax = 31;

/** What came of asking for a lock. */
export interface LockAnswer {
  readonly vid: number;
  /** It is ours; it was locked before; or it is locked, and the answer that says by whom was lost. */
  readonly taken: "now" | "before" | "unknown";
}

/**
 * Takes the lock of the working VDI of that name, in a cluster that has locks. It outlives us until
 * it is released.
 * @throws not_found | …
 * Source: protocol §9, captures lock-release, lock-conflict
 */
export async function lockVdi(
  caller: SheepCaller,
  name: Uint8Array,
  scope: Scope,
): Promise<LockAnswer> {
  for (let look = 1; ; look += 1) {
    const { vid } = await resolveVdi(caller, { name, snapshot: null }, scope);
    try {
      return await lock(caller, name, scope);
    } catch (thrown) {
      const error = asSheepfsError(thrown);
      const unknown = error.inDoubt && look < limits.vdiLooksMax;
      // An answer was lost: only a lock that nobody holds tells what happened.
      if (!unknown) throw error;
      if ((await lockOwner(caller, vid, scope)) !== null) return { vid, taken: "unknown" };
    }
  }
}

/** Gives back the lock of `vid`, whoever took it; one that is not locked is no error. */
export async function releaseVdi(caller: SheepCaller, vid: number, scope: Scope): Promise<void> {
  const fields = { baseVid: vid, lockType: lockType.normal };
  await caller.call(vdiRequest("releaseVdi", fields, {}), scope);
}

/**
 * Who holds the lock of `vid`; null for nobody.
 * Source: protocol §9.3, capture vdi-copies
 */
export async function lockOwner(
  caller: SheepCaller,
  vid: number,
  scope: Scope,
): Promise<LockOwner | null> {
  const data = await readStates(caller, scope);
  const view = new DataView(data.buffer, data.byteOffset, data.byteLength);
  for (let at = 0; at < data.length; at += VdiStateRecord.size) {
    if (view.getUint32(at + VdiStateRecord.offsets.vid, true) !== vid) continue;
    const state = VdiStateRecord.read(view, at);
    if (state.lockState === lockState.locked) {
      return { kind: "normal", gateways: [nodeAddress(state.owner)] };
    }
    if (state.lockState !== lockState.shared) return null;
    const count = Math.min(state.participantsCount, participantsMax);
    const gateways = Array.from({ length: count }, (_, index) =>
      nodeAddress(state.participants.subarray(index * nodeIdBytes, (index + 1) * nodeIdBytes)),
    );
    return { kind: "shared", gateways };
  }
  return null;
}

/** The error for a VDI that is locked by somebody. */
export async function busy(
  caller: SheepCaller,
  { name, vid, scope }: { name: Uint8Array; vid: number; scope: Scope },
): Promise<SheepfsError> {
  const owner = await lockOwner(caller, vid, scope);
  const holders = owner === null ? "a sheep that just released it" : gatewaysText(owner);
  const title = `VDI '${nameText(name)}' (vid ${hexVid(vid)})`;
  return new SheepfsError(
    "busy",
    `${title} is locked by a client of ${holders}; end its use there, or, if that client is gone for ` +
      `good: sheepfs vdi lock break '${nameText(name)}'`,
  );
}

export function gatewaysText({ gateways }: LockOwner): string {
  return gateways.map(formatAddress).join(", ");
}

async function lock(caller: SheepCaller, name: Uint8Array, scope: Scope): Promise<LockAnswer> {
  const { data } = nameFields({ name, snapshot: null });
  const request = vdiRequest("lockVdi", { lockType: lockType.normal }, { data });
  const { header, result } = await caller.call(request, scope, [results.vdiLocked.code]);
  // A refusal names the VDI as well.
  const { vid } = VdiReplyHeader.read(header, 0);
  return { vid, taken: result === results.vdiLocked.code ? "before" : "now" };
}

/** The states of all VDIs: whole records. */
async function readStates(caller: SheepCaller, scope: Scope): Promise<Uint8Array> {
  for (let bytes: number = limits.vdiStatesFirstBytes; ; bytes *= 2) {
    const receiveBytes = Math.min(bytes, limits.replyBytesMax);
    const request = clusterRequest("getVdiCopies", {}, { receiveBytes });
    const { data, result } = await caller.call(request, scope, [results.bufferSmall.code]);
    if (result === results.success.code && data.length % VdiStateRecord.size === 0) return data;
    if (result === results.success.code) {
      throw new SheepfsError("corrupt", `states of VDIs of ${data.length} bytes`);
    }
    if (bytes > limits.replyBytesMax) {
      throw new SheepfsError("overload", "the cluster has too many VDIs to ask for their locks");
    }
  }
}

function nodeAddress(id: Uint8Array): Address {
  const view = new DataView(id.buffer, id.byteOffset, id.byteLength);
  return { host: formatIp(id.subarray(0, portAt)), port: view.getUint16(portAt, true) };
}
