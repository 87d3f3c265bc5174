import type { SheepCaller } from "../client/caller.ts";
import { type HoldPorts, holdVdi } from "../cluster/holds.ts";
import { clusterInfo } from "../cluster/info.ts";
import { clusterSpace, listNodes, nodeSpaces } from "../cluster/nodes.ts";
import { listVdis } from "../cluster/vdis.ts";
import type { ClusterFacts } from "../tree/entries/root.ts";
import type { VdiHolds } from "../volume/attach.ts";

/** What the tree shows, asked of the cluster behind `caller`. */
export function clusterFacts(caller: SheepCaller): ClusterFacts {
  return {
    info: (scope) => clusterInfo(caller, scope),
    vdis: (scope) => listVdis(caller, scope),
    nodes: async (scope) => (await listNodes(caller, scope)).nodes,
    nodeSpaces: (scope) => nodeSpaces(caller, scope),
    space: (scope) => clusterSpace(caller, scope),
  };
}

export function vdiHolds(ports: HoldPorts): VdiHolds {
  return { hold: (name, scope) => holdVdi(ports, name, scope) };
}
