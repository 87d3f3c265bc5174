import type { Clock } from "../base/clock.ts";
import { asSheepfsError, SheepfsError } from "../base/errors.ts";
import type { Scope } from "../base/scope.ts";
import type { SheepCaller } from "../client/caller.ts";
import { clusterFlag } from "../wire/cluster.ts";
import { decodeCopyPolicy } from "../wire/ec.ts";
import { clusterRequest } from "../wire/header.ts";
import { type ClusterInfo, clusterInfo } from "./info.ts";

export interface FormatWish {
  /** Of VDIs that say nothing else: copies, or the strips of the erasure code. */
  readonly copies: number;
  /** 0 for plain copies. */
  readonly copyPolicy: number;
  readonly blockSizeShift: number;
  readonly store: "plain" | "tree";
  /** VDIs can be locked by clients that take the cluster's locks. */
  readonly locks: boolean;
  /** Also a cluster that has been formatted, with everything in it. */
  readonly force: boolean;
}

/**
 * Makes an empty cluster of the sheep that are there.
 * @throws exists when it is formatted | unavailable | …, inDoubt when it may have been formatted
 * Source: protocol §12.1, capture format
 */
export async function formatCluster(
  { caller, clock }: { readonly caller: SheepCaller; readonly clock: Clock },
  wish: FormatWish,
  scope: Scope,
): Promise<ClusterInfo> {
  const before = await clusterInfo(caller, scope);
  const { createdSeconds } = before;
  if (isFormatted(before) && !wish.force) {
    const text = `the cluster ${stateText(before)}; to destroy all that is in it, add --force`;
    throw new SheepfsError("exists", text);
  }
  // Vids of a listing hold as long as this is the same, so it must not be what it was.
  const seconds = Math.max(Math.floor(clock.wallMs() / 1000), (createdSeconds ?? 0) + 1);
  try {
    await caller.call(request(wish, seconds), scope);
  } catch (thrown) {
    const error = asSheepfsError(thrown);
    if (!error.inDoubt) throw error;
    const now = await clusterInfo(caller, scope);
    if (now.createdSeconds === seconds) return now;
    throw error;
  }
  return await clusterInfo(caller, scope);
}

/** Of one that runs no epoch may be told, and of one that waits for nodes: only its state is sure. */
export function isFormatted({ status, createdSeconds }: ClusterInfo): boolean {
  return status !== "waiting_for_format" || createdSeconds !== null;
}

function stateText({ status, createdSeconds }: ClusterInfo): string {
  if (createdSeconds === null)
    return `is ${status.replaceAll("_", " ")} and may have been formatted`;
  return `was formatted at ${new Date(createdSeconds * 1000).toISOString()}`;
}

function request(
  { copies, copyPolicy, blockSizeShift, store, locks }: FormatWish,
  seconds: number,
) {
  const ctime = new Uint8Array(8);
  new DataView(ctime.buffer).setUint32(4, seconds, true);
  const code = decodeCopyPolicy(copyPolicy);
  const strips = code === null ? copies : code.dataStrips + code.parityStrips;
  // The rest of the flags as `dog` sets them.
  const clusterFlags = clusterFlag.autoVnodes | (locks ? clusterFlag.lock : 0);
  const fields = { ctime, copies: strips, copyPolicy, clusterFlags, blockSizeShift };
  const data = new TextEncoder().encode(`${store}\0`);
  return clusterRequest("makeFs", fields, { data });
}
