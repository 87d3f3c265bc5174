import { type Address, formatAddress } from "../../base/address.ts";
import { asSheepfsError } from "../../base/errors.ts";
import { limits } from "../../base/limits.ts";
import type { SheepCaller } from "../../client/caller.ts";
import { findRecord, holderText } from "../../cluster/attach-record.ts";
import { mapBounded } from "../../cluster/bounded.ts";
import { sumOfKinds, totalOf } from "../../cluster/check-counts.ts";
import { type ClusterInfo, clusterInfo } from "../../cluster/info.ts";
import { hexVid } from "../../cluster/inode.ts";
import { listNodes, nodeSpaces, recoveryOf, zonesOf } from "../../cluster/nodes.ts";
import { listHalfDeleted, listHeaders } from "../../cluster/vdis.ts";
import { escapeName } from "../../tree/names.ts";
import type { InodeHeader } from "../../wire/inode.ts";
import { isGone } from "../self.ts";
import { type CheckedVdiJson, type CheckHooks, checkOne, SeenObjects, titleOf } from "./check.ts";
import { withCluster } from "./cluster.ts";
import { operation } from "./core.ts";
import { lackOf } from "./redundancy.ts";

/** Something that an operator has to see to. */
export interface ProblemJson {
  readonly what:
    | "status"
    | "recovery"
    | "node"
    | "space"
    | "copies"
    | "left_attached"
    | "half_deleted"
    | "damage";
  /** Which node or VDI; null for the cluster. */
  readonly subject: string | null;
  readonly text: string;
}

interface CheckedNodeJson {
  readonly address: string;
  readonly zone: number;
  readonly totalBytes: number | null;
  readonly freeBytes: number | null;
  readonly recovering: boolean | null;
}

export interface CheckedClusterJson {
  readonly healthy: boolean;
  readonly status: ClusterInfo["status"];
  readonly epoch: number;
  readonly nodes: readonly CheckedNodeJson[];
  readonly vdis: number;
  readonly snapshots: number;
  /** Null with --quick. */
  readonly objects: number | null;
  /** The same by kind. */
  readonly kinds: CheckedVdiJson["kinds"] | null;
  /** What could not be compared, and of which VDI. */
  readonly notes: readonly string[];
  readonly problems: readonly ProblemJson[];
  readonly damaged: readonly CheckedVdiJson[];
}

/** A node that is fuller than this is told of. */
const usedPartMax = 0.9;

/** How the cluster is: its state, nodes and space, what is left behind, and with `quick` off all copies. */
export async function checkCluster(
  gateways: readonly Address[],
  quick: boolean,
  hooks: CheckHooks,
): Promise<CheckedClusterJson> {
  return await withCluster(gateways, async (caller, scope) => {
    const info = await clusterInfo(caller, scope);
    const problems: ProblemJson[] = [...statusProblems(info)];
    const nodes = await checkedNodes(caller, problems);
    const epoch = info.epochs[0]?.epoch ?? 0;
    const { status } = info;
    const facts = { status, epoch, nodes };
    if (status !== "running") {
      const nothing = {
        vdis: 0,
        snapshots: 0,
        objects: null,
        kinds: null,
        notes: [],
        problems,
        damaged: [],
      };
      return { healthy: false, ...facts, ...nothing };
    }
    const { headers } = await listHeaders(caller, operation());
    const zones = zonesOf(nodes);
    problems.push(...headers.flatMap((header) => copiesProblem(header, zones)));
    problems.push(...(await leftAttached(caller, headers)));
    problems.push(...(await halfDeleted(caller)));
    const checked = quick ? null : await checkAll(caller, headers, hooks);
    const damaged = checked?.filter(({ damagedObjects }) => damagedObjects > 0) ?? [];
    problems.push(...damaged.map(damageProblem));
    const kinds = checked === null ? null : sumOfKinds(checked.map((vdi) => vdi.kinds));
    const objects = kinds === null ? null : totalOf(kinds).objects;
    const notes = checked?.flatMap(({ name, notes }) => notes.map((note) => `${name}: ${note}`));
    const snapshots = headers.filter(({ isSnapshot }) => isSnapshot).length;
    const vdis = headers.length - snapshots;
    return {
      healthy: problems.length === 0,
      ...facts,
      vdis,
      snapshots,
      objects,
      kinds,
      notes: notes ?? [],
      problems,
      damaged,
    };
  });
}

function statusProblems({ status, autoRecovery }: ClusterInfo): ProblemJson[] {
  const problem = (text: string): ProblemJson => ({ what: "status", subject: null, text });
  if (status !== "running") return [problem(`the cluster is ${status.replaceAll("_", " ")}`)];
  if (autoRecovery) return [];
  const text = "recovery is switched off: what a lost node had is not copied anew";
  return [problem(`${text} (dog cluster recover enable)`)];
}

async function checkedNodes(
  caller: SheepCaller,
  problems: ProblemJson[],
): Promise<CheckedNodeJson[]> {
  const { nodes } = await listNodes(caller, operation());
  const spaces = await nodeSpaces(caller, operation()).catch(() => []);
  return await mapBounded(nodes, limits.nodeCallsInflightMax, async (node) => {
    const subject = formatAddress(node);
    const space = spaces.find((one) => formatAddress(one.node) === subject)?.space ?? null;
    let recovering: boolean | null = null;
    try {
      const recovery = await recoveryOf(caller, node, operation());
      recovering = recovery !== null;
      if (recovery !== null) {
        const text = `recovers, ${recovery.finished} of ${recovery.total} objects are done`;
        problems.push({ what: "recovery", subject, text });
      }
    } catch (thrown) {
      problems.push({ what: "node", subject, text: asSheepfsError(thrown).message });
    }
    if (space !== null && space.totalBytes > 0) {
      const used = 1 - space.freeBytes / space.totalBytes;
      const text = `${Math.floor(used * 100)}% of its space are used`;
      if (used > usedPartMax) problems.push({ what: "space", subject, text });
    }
    const { totalBytes = null, freeBytes = null } = space ?? {};
    return { address: subject, zone: node.zone, totalBytes, freeBytes, recovering };
  });
}

function copiesProblem(header: InodeHeader, zones: number): ProblemJson[] {
  const text = lackOf(header, zones);
  return text === null ? [] : [{ what: "copies", subject: titleOf(header), text }];
}

/** Records of mounts and servers that have ended without taking them away. */
async function leftAttached(
  caller: SheepCaller,
  headers: readonly InodeHeader[],
): Promise<ProblemJson[]> {
  const working = headers.filter(({ isSnapshot }) => !isSnapshot);
  const found = await mapBounded(working, limits.nodeCallsInflightMax, async ({ name }) => {
    try {
      const record = await findRecord(caller, name, operation());
      if (record === null || (record.record !== null && !isGone(record.record.holder))) return [];
      const text = `left attached by ${holderText(record)}, which has ended: the next attach on its host takes it over`;
      return [{ what: "left_attached", subject: escapeName(name), text } as const];
    } catch (thrown) {
      // It was deleted meanwhile.
      if (asSheepfsError(thrown).code === "not_found") return [];
      throw thrown;
    }
  });
  return found.flat();
}

async function halfDeleted(caller: SheepCaller): Promise<ProblemJson[]> {
  const headers = await listHalfDeleted(caller, operation());
  return headers.map((header) => ({
    what: "half_deleted",
    subject: titleOf(header),
    text: `vid ${hexVid(header.vid)} is marked as deleted and still has its data: delete it again`,
  }));
}

/** What one VDI has from another is looked at once. */
async function checkAll(
  caller: SheepCaller,
  headers: readonly InodeHeader[],
  hooks: CheckHooks,
): Promise<CheckedVdiJson[]> {
  const seen = new SeenObjects();
  const checked: CheckedVdiJson[] = [];
  for (const header of headers) {
    try {
      checked.push(await checkOne(caller, header, hooks, seen));
    } catch (thrown) {
      // It was deleted meanwhile.
      if (asSheepfsError(thrown).code !== "not_found") throw thrown;
    }
  }
  return checked;
}

function damageProblem({ name, objects, damagedObjects }: CheckedVdiJson): ProblemJson {
  const text = `${damagedObjects} of ${objects} objects are damaged: sheepfs vdi check '${name}'`;
  return { what: "damage", subject: name, text };
}
