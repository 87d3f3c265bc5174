import { SheepfsError } from "../base/errors.ts";
import { limits } from "../base/limits.ts";
import type { Scope } from "../base/scope.ts";
import type { SheepCaller } from "../client/caller.ts";
import { clusterFlag, EpochLogEntry, type NodeList } from "../wire/cluster.ts";
import {
  ClusterDefaultReplyHeader,
  clusterRequest,
  type SheepReply,
  type SheepRequest,
} from "../wire/header.ts";
import { unpadded } from "../wire/inode.ts";
import { decodeNode, NodeRecord, type SheepNode } from "../wire/node.ts";
import { results } from "../wire/result.ts";
import { listNodes } from "./nodes.ts";

export type ClusterStatus =
  | "running"
  | "waiting_for_format"
  | "waiting_for_nodes"
  | "shutting_down"
  | "failed";

export interface EpochNode extends SheepNode {
  /** Disks that take part by themselves; 0 in builds without disk-vnodes. */
  readonly disks: number;
}

export interface EpochFacts {
  readonly epoch: number;
  /** When it began. */
  readonly seconds: number;
  readonly nodes: readonly EpochNode[];
}

export interface ClusterInfo {
  readonly status: ClusterStatus;
  readonly autoRecovery: boolean;
  /** When it was formatted, null before. */
  readonly createdSeconds: number | null;
  /** The newest first. */
  readonly epochs: readonly EpochFacts[];
  readonly store: string;
  /** VDIs can be locked. */
  readonly hasLocks: boolean;
  /** Virtual nodes belong to disks. */
  readonly diskMode: boolean;
  readonly defaults: {
    readonly copies: number;
    readonly copyPolicy: number;
    /** 0 before the cluster was formatted. */
    readonly blockSizeShift: number;
  };
}

const statuses: ReadonlyMap<number, ClusterStatus> = new Map([
  [results.success.code, "running"],
  [results.waitForFormat.code, "waiting_for_format"],
  [results.waitForJoin.code, "waiting_for_nodes"],
  [results.shuttingDown.code, "shutting_down"],
  [results.systemError.code, "failed"],
]);
const disksMax = 32;
const diskBytes = 16;

/**
 * State, history and defaults of the cluster; works on one that is not formatted or not complete.
 * @throws unavailable | corrupt | timed_out | cancelled
 * Source: protocol §12.2, captures dog-cluster-info, unformatted-cluster
 */
export async function clusterInfo(caller: SheepCaller, scope: Scope): Promise<ClusterInfo> {
  const list = await listNodes(caller, scope);
  const [log, defaults] = await Promise.all([
    readEpochLog(caller, list, scope),
    readDefaults(caller, scope),
  ]);
  const status = statuses.get(log.reply.result) ?? "failed";
  const { data } = log.reply;
  if (data.length === 0) return { ...unformatted, status, defaults };
  const view = new DataView(data.buffer, data.byteOffset, data.byteLength);
  const newest = EpochLogEntry.read(view, 0);
  return {
    status,
    autoRecovery: newest.disableRecovery === 0,
    createdSeconds: newest.ctimeSeconds,
    epochs: decodeEpochs(view, log),
    store: new TextDecoder().decode(unpadded(newest.store)),
    hasLocks: (newest.flags & clusterFlag.lock) !== 0,
    diskMode: (newest.flags & clusterFlag.disk) !== 0,
    defaults,
  };
}

/** Whether VDIs can be locked in this cluster; the cheapest way to know. */
export async function clusterHasLocks(caller: SheepCaller, scope: Scope): Promise<boolean> {
  return ((await newestEpoch(caller, scope)).flags & clusterFlag.lock) !== 0;
}

/** Since when no vid has become another VDI's: the last format; null where vids are recycled. */
export async function vidsMeanSince(caller: SheepCaller, scope: Scope): Promise<number | null> {
  const { flags, ctimeSeconds } = await newestEpoch(caller, scope);
  return (flags & clusterFlag.recycleVids) === 0 ? ctimeSeconds : null;
}

async function newestEpoch(caller: SheepCaller, scope: Scope) {
  const request = clusterRequest("statCluster", {}, { receiveBytes: EpochLogEntry.size });
  const { data } = await stateCluster(caller, request, scope);
  if (data.length < EpochLogEntry.size) {
    throw new SheepfsError("corrupt", `an epoch log of ${data.length} bytes`);
  }
  const view = new DataView(data.buffer, data.byteOffset, data.byteLength);
  return EpochLogEntry.read(view, 0);
}

/** The part of ClusterInfo that a cluster without an epoch has. */
const unformatted = {
  autoRecovery: true,
  createdSeconds: null,
  epochs: [],
  store: "",
  hasLocks: false,
  diskMode: false,
} as const;

/**
 * One STAT_CLUSTER. Sheep 1.0 lists the files of its epochs for it, and now and then misses all of
 * them: a cluster that runs has an epoch, so it is asked again then.
 * @throws unavailable when that does not help | …
 */
async function stateCluster(
  caller: SheepCaller,
  request: SheepRequest,
  scope: Scope,
  expected: readonly number[] = [],
): Promise<SheepReply> {
  for (let look = 1; look <= limits.epochLogLooksMax; look += 1) {
    const reply = await caller.call(request, scope, expected);
    if (reply.result !== results.success.code || reply.data.length > 0) return reply;
  }
  throw new SheepfsError("unavailable", "the sheep does not say in which epoch its cluster is");
}

interface EpochLog {
  readonly reply: SheepReply;
  /** Of one entry. */
  readonly strideBytes: number;
  readonly recordBytes: number;
}

/** The newest epochs, as many as fit `epochLogBytesMax`. */
async function readEpochLog(
  caller: SheepCaller,
  { epoch, nodes, recordBytes }: NodeList,
  scope: Scope,
): Promise<EpochLog> {
  const expected = [...statuses.keys(), results.bufferSmall.code];
  // An epoch may begin between the two requests.
  const wanted = epoch + 2;
  for (let nodesMax = Math.max(1, nodes.length); ; nodesMax *= 2) {
    const strideBytes = EpochLogEntry.size + nodesMax * recordBytes;
    const count = Math.min(wanted, Math.floor(limits.epochLogBytesMax / strideBytes));
    if (count === 0) {
      throw new SheepfsError("overload", `an epoch of the cluster has over ${nodesMax / 2} nodes`);
    }
    const payload = { receiveBytes: count * strideBytes };
    const request = clusterRequest("statCluster", { nodesCount: nodesMax }, payload);
    const reply = await stateCluster(caller, request, scope, expected);
    if (reply.result === results.bufferSmall.code) continue;
    if (reply.data.length % strideBytes === 0) return { reply, strideBytes, recordBytes };
    throw new SheepfsError(
      "corrupt",
      `an epoch log of ${reply.data.length} bytes; entries have ${strideBytes}`,
    );
  }
}

function decodeEpochs(view: DataView, { strideBytes, recordBytes }: EpochLog): EpochFacts[] {
  const epochs: EpochFacts[] = [];
  for (let at = 0; at < view.byteLength; at += strideBytes) {
    const { epoch, time, nodesCount } = EpochLogEntry.read(view, at);
    if (nodesCount * recordBytes > strideBytes - EpochLogEntry.size) {
      throw new SheepfsError("corrupt", `epoch ${epoch} with ${nodesCount} nodes in its log`);
    }
    const nodes = Array.from({ length: nodesCount }, (_, index) =>
      decodeEpochNode(view, at + EpochLogEntry.size + index * recordBytes, recordBytes),
    );
    epochs.push({ epoch, seconds: time, nodes });
  }
  return epochs;
}

function decodeEpochNode(view: DataView, at: number, recordBytes: number): EpochNode {
  const room = Math.min(disksMax, Math.floor((recordBytes - NodeRecord.size) / diskBytes));
  const idAt = (disk: number): number => at + NodeRecord.size + disk * diskBytes;
  let disks = 0;
  while (disks < room && view.getBigUint64(idAt(disks), true) !== 0n) disks += 1;
  return { ...decodeNode(view, at), disks };
}

async function readDefaults(caller: SheepCaller, scope: Scope): Promise<ClusterInfo["defaults"]> {
  const { header } = await caller.call(clusterRequest("getClusterDefault", {}, {}), scope);
  const { copies, copyPolicy, blockSizeShift } = ClusterDefaultReplyHeader.read(header, 0);
  return { copies, copyPolicy, blockSizeShift };
}
