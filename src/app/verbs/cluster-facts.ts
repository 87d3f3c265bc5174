import { type Address, formatAddress } from "../../base/address.ts";
import { clusterInfo } from "../../cluster/info.ts";
import { listNodes, nodeSpaces } from "../../cluster/nodes.ts";
import { listHeaders } from "../../cluster/vdis.ts";
import { renderClusterInfo } from "../../tree/entries/render-cluster-info.ts";
import { renderNodeInfo, renderNodeList } from "../../tree/entries/render-node.ts";
import { withCluster } from "./cluster.ts";

/** A member of the cluster; of its space only where it was asked for it. */
export interface NodeJson {
  readonly address: string;
  readonly vnodes: number;
  readonly zone: number;
}

export interface NodeSpaceJson {
  readonly address: string;
  /** Null when the node does not answer. */
  readonly totalBytes: number | null;
  readonly freeBytes: number | null;
}

interface Shown<T> {
  readonly facts: T;
  /** As the tree and `dog` print it. */
  readonly text: string;
}

/** State, epochs and defaults of the cluster; also of one that is not formatted. */
export async function showCluster(gateways: readonly Address[]): Promise<Shown<unknown>> {
  const info = await withCluster(gateways, clusterInfo);
  const epochs = info.epochs.map(({ epoch, seconds, nodes }) => ({
    ...{ epoch, at: timeOf(seconds) },
    nodes: nodes.map((node) => formatAddress(node)),
  }));
  const createdAt = info.createdSeconds === null ? null : timeOf(info.createdSeconds);
  const { status, autoRecovery, store, hasLocks, diskMode, defaults } = info;
  const facts = { status, createdAt, autoRecovery, store, hasLocks, diskMode, defaults, epochs };
  return { facts, text: renderClusterInfo(info) };
}

export async function showNodes(gateways: readonly Address[]): Promise<Shown<NodeJson[]>> {
  const { nodes } = await withCluster(gateways, listNodes);
  const facts = nodes.map((node) => {
    const { vnodes, zone } = node;
    return { address: formatAddress(node), vnodes, zone };
  });
  return { facts, text: renderNodeList(nodes) };
}

export async function showNodeSpaces(
  gateways: readonly Address[],
): Promise<Shown<NodeSpaceJson[]>> {
  return await withCluster(gateways, async (caller, scope) => {
    const [spaces, { headers }] = await Promise.all([
      nodeSpaces(caller, scope),
      listHeaders(caller, scope),
    ]);
    const working = headers.filter(({ isSnapshot }) => !isSnapshot);
    const vdiBytes = working.reduce((bytes, { vdiSize }) => bytes + vdiSize, 0);
    const facts = spaces.map(({ node, space }) => ({
      address: formatAddress(node),
      totalBytes: space?.totalBytes ?? null,
      freeBytes: space?.freeBytes ?? null,
    }));
    return { facts, text: renderNodeInfo(spaces, vdiBytes) };
  });
}

function timeOf(seconds: number): string {
  return new Date(seconds * 1000).toISOString();
}
