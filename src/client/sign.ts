import { SheepfsError } from "../base/errors.ts";
import { EpochLogEntry } from "../wire/cluster.ts";
import { clusterRequest, type SheepRequest } from "../wire/header.ts";
import { resultError, results } from "../wire/result.ts";

/**
 * The sign of life: the epoch log without its nodes. It is answered in every state of a cluster,
 * also unformatted, and says which cluster it is.
 * Source: protocol §12.2
 */
export const signRequest: SheepRequest = clusterRequest(
  "statCluster",
  {},
  { receiveBytes: EpochLogEntry.size },
);

/** Which cluster a sheep belongs to: when it was formatted, to the nanosecond. Null: not formatted. */
export type ClusterIdentity = string | null;

/** States of a cluster in which its sheep still is one of ours: requests wait or say what is wrong. */
export const usableStates: readonly number[] = [
  results.success.code,
  results.startingUp.code,
  results.waitForFormat.code,
  results.waitForJoin.code,
  results.halted.code,
  results.collectingInfo.code,
];

/**
 * Whether a sheep says that all is well and of which cluster nothing: sheep 1.0 does now and then
 * while it lists the files of its epochs, and answers in full when it is asked again.
 */
export function isUnstated(result: number, data: Uint8Array): boolean {
  return result === results.success.code && data.length === 0;
}

/**
 * @param result the cluster's state
 * @throws version | unavailable | corrupt when nothing can be asked of this sheep
 */
export function readSign(result: number, data: Uint8Array): ClusterIdentity {
  if (result === results.invalidParameters.code) {
    throw new SheepfsError("version", "it does not know how to state its cluster");
  }
  if (!usableStates.includes(result)) throw resultError(result);
  if (data.length < EpochLogEntry.size) {
    if (result !== results.success.code) return null;
    throw new SheepfsError("corrupt", `it states its cluster in ${data.length} bytes`);
  }
  const view = new DataView(data.buffer, data.byteOffset, data.byteLength);
  const { ctimeSeconds, ctimeNanoseconds } = EpochLogEntry.read(view, 0);
  if (ctimeSeconds === 0 && ctimeNanoseconds === 0) return null;
  return `${ctimeSeconds}.${String(ctimeNanoseconds).padStart(9, "0")}`;
}
