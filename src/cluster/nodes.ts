import { formatAddress } from "../base/address.ts";
import { asSheepfsError, SheepfsError } from "../base/errors.ts";
import { limits } from "../base/limits.ts";
import type { Scope } from "../base/scope.ts";
import type { SheepCaller } from "../client/caller.ts";
import { type NodeList, nodeListRequest, readNodeList } from "../wire/cluster.ts";
import { clusterRequest, NodeReplyHeader } from "../wire/header.ts";
import type { SheepNode } from "../wire/node.ts";
import { resultError, results } from "../wire/result.ts";
import { RecoveryState } from "../wire/vdi.ts";
import { mapBounded } from "./bounded.ts";

export interface Space {
  readonly totalBytes: number;
  readonly freeBytes: number;
}

export interface NodeSpace {
  readonly node: SheepNode;
  /** Null when the node did not answer. */
  readonly space: Space | null;
}

/** A node that is not ready is not waited for, as dog does not. */
const anyResult: readonly number[] = Object.values(results).map(({ code }) => code);

/** The members of the cluster; works on one that is not formatted. Source: protocol §11.1 */
export async function listNodes(caller: SheepCaller, scope: Scope): Promise<NodeList> {
  return readNodeList(await caller.call(nodeListRequest, scope));
}

/** Of which each has one copy or strip of an object at most. */
export function zonesOf(nodes: readonly Pick<SheepNode, "zone">[]): number {
  return new Set(nodes.map(({ zone }) => zone)).size;
}

/**
 * Space of every node, each asked itself. A node that does not answer is told with none.
 * @throws unavailable | not_ready | … when no node answers
 */
export async function nodeSpaces(caller: SheepCaller, scope: Scope): Promise<NodeSpace[]> {
  const { nodes } = await listNodes(caller, scope);
  let failure: SheepfsError | null = null;
  const spaces = await mapBounded(nodes, limits.nodeCallsInflightMax, async (node) => {
    try {
      return { node, space: await spaceOf(caller, node, scope) };
    } catch (thrown) {
      const error = asSheepfsError(thrown);
      if (error.code === "cancelled") throw error;
      failure ??= error;
      return { node, space: null };
    }
  });
  if (spaces.some(({ space }) => space !== null)) return spaces;
  throw failure ?? new SheepfsError("not_ready", "the cluster has no nodes; start its sheep");
}

/** How far a node's recovery is; null when it has none to do. */
export async function recoveryOf(
  caller: SheepCaller,
  node: SheepNode,
  scope: Scope,
): Promise<{ readonly finished: number; readonly total: number } | null> {
  const request = clusterRequest("statRecovery", {}, { receiveBytes: RecoveryState.size });
  const { data } = await caller.callAt(node, request, scope);
  if (data.length < RecoveryState.size) return null;
  const view = new DataView(data.buffer, data.byteOffset, data.byteLength);
  const { inRecovery, finished, total } = RecoveryState.read(view, 0);
  return inRecovery === 0 ? null : { finished, total };
}

/** Space of all nodes that answer, copies not taken into account. */
export async function clusterSpace(caller: SheepCaller, scope: Scope): Promise<Space> {
  return sumSpaces(await nodeSpaces(caller, scope));
}

function sumSpaces(spaces: readonly NodeSpace[]): Space {
  return spaces.reduce(
    (sum, { space }) => ({
      totalBytes: sum.totalBytes + (space?.totalBytes ?? 0),
      freeBytes: sum.freeBytes + (space?.freeBytes ?? 0),
    }),
    { totalBytes: 0, freeBytes: 0 },
  );
}

async function spaceOf(caller: SheepCaller, node: SheepNode, scope: Scope): Promise<Space> {
  const request = clusterRequest("statSheep", {}, {});
  const { header, result } = await caller.callAt(node, request, scope, anyResult);
  if (result !== results.success.code) {
    const { code, message } = resultError(result);
    throw new SheepfsError(code, `the sheep at ${formatAddress(node)}: ${message}`);
  }
  const { storeBytes, freeBytes } = NodeReplyHeader.read(header, 0);
  return { totalBytes: storeBytes, freeBytes };
}
