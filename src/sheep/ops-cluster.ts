import {
  ClusterInfoHead,
  clusterFlag,
  clusterInfoBytes,
  EpochLogEntry,
  epochLogStride,
} from "../wire/cluster.ts";
import {
  ClusterDefaultReplyHeader,
  ClusterRequestHeader,
  NodeReplyHeader,
  ObjectRequestHeader,
} from "../wire/header.ts";
import { NodeRecord } from "../wire/node.ts";
import { internalVersion } from "../wire/opcode.ts";
import { results } from "../wire/result.ts";
import { DiskRecord, mdInfoBytes, mdInfoCountAt, RecoveryState } from "../wire/vdi.ts";
import type { ClusterFacts } from "./folder.ts";
import { nodeRecord, vnodesOfNode } from "./node.ts";
import { dataReply, headerReply, type Reply, type Request, refusal } from "./request.ts";
import type { Sheep } from "./sheep.ts";

/** The only epoch: the cluster never changes its members. */
const epoch = 1;
const logLevel = 6;
const storeNames = ["tree", "plain"];
const defaultCopies = 3;
const defaultShift = 22;

/** 0x82 */
export function getNodeList(sheep: Sheep, { dataLength, local }: Request): Reply {
  const node = nodeRecord(local, sheep.folder.space().totalBytes);
  const header = NodeReplyHeader.encode({ nodesCount: 1 });
  const data = dataLength >= node.length ? node : null;
  return { result: results.success.code, data, header };
}

/** 0x84: makes the cluster anew; nothing of the old one is left. Source: protocol §12.1 */
export async function makeFs(sheep: Sheep, { header, data }: Request): Promise<Reply> {
  const store = new TextDecoder().decode(data).replace(/\0.*$/s, "");
  if (!storeNames.includes(store)) return refusal(results.noStore);
  const fields = ClusterRequestHeader.read(header, 0);
  const ctime = new DataView(fields.ctime.buffer, fields.ctime.byteOffset, 8);
  const facts: ClusterFacts = {
    createTime: { nanoseconds: ctime.getUint32(0, true), seconds: ctime.getUint32(4, true) },
    epochSeconds: Math.floor(sheep.ports.clock.wallMs() / 1000),
    copies: fields.copies === 0 ? defaultCopies : fields.copies,
    copyPolicy: fields.copyPolicy,
    blockSizeShift: fields.blockSizeShift === 0 ? defaultShift : fields.blockSizeShift,
    flags: fields.clusterFlags,
    store,
  };
  await sheep.format(facts);
  return { result: results.success.code, data: null, header: null };
}

/** 0x18 */
export function getClusterDefault(sheep: Sheep): Reply {
  const { copies, copyPolicy, blockSizeShift } = sheep.cluster?.facts ?? unformatted;
  return headerReply(ClusterDefaultReplyHeader.encode({ copies, copyPolicy, blockSizeShift }));
}

const unformatted = { copies: 0, copyPolicy: 0, blockSizeShift: 0 };

/** 0x86 */
export function statSheep(sheep: Sheep): Reply {
  const { totalBytes, freeBytes } = sheep.folder.space();
  return headerReply(NodeReplyHeader.encode({ nodesCount: 0, storeBytes: totalBytes, freeBytes }));
}

/** 0x87: the epoch log, of one entry. The result is the cluster's state. */
export function statCluster(sheep: Sheep, request: Request): Reply {
  const { cluster } = sheep;
  if (cluster === null) return refusal(results.waitForFormat);
  const { facts } = cluster;
  const { nodesCount: nodesMax } = ClusterRequestHeader.read(request.header, 0);
  const withNodes = nodesMax > 0;
  // One node fits wherever there is room for any.
  const stride = epochLogStride(nodesMax);
  if (request.dataLength < stride) return dataReply(new Uint8Array(0));
  const data = new Uint8Array(stride);
  EpochLogEntry.write(new DataView(data.buffer), 0, {
    ctimeSeconds: facts.createTime.seconds,
    ctimeNanoseconds: facts.createTime.nanoseconds,
    time: withNodes ? facts.epochSeconds : 0,
    epoch,
    nodesCount: withNodes ? 1 : 0,
    copies: facts.copies,
    copyPolicy: facts.copyPolicy,
    flags: facts.flags,
    store: new TextEncoder().encode(facts.store),
  });
  if (withNodes) data.set(ourNode(sheep, request), EpochLogEntry.size);
  return dataReply(data);
}

/** 0xbe: also of a cluster that is not formatted, which then has no members yet. */
export function clusterInfo(sheep: Sheep, request: Request): Reply {
  if (request.dataLength < clusterInfoBytes) return refusal(results.invalidParameters);
  const data = new Uint8Array(clusterInfoBytes);
  const view = new DataView(data.buffer);
  const facts = sheep.cluster?.facts;
  if (facts === undefined) {
    const flags = clusterFlag.autoVnodes;
    ClusterInfoHead.write(view, 0, { version: internalVersion, flags, status: clusterWaiting });
    return dataReply(data);
  }
  ClusterInfoHead.write(view, 0, {
    version: internalVersion,
    nodesCount: 1,
    epoch,
    ctimeSeconds: facts.createTime.seconds,
    ctimeNanoseconds: facts.createTime.nanoseconds,
    flags: facts.flags,
    copies: facts.copies,
    copyPolicy: facts.copyPolicy,
    status: clusterRunning,
    blockSizeShift: facts.blockSizeShift,
    store: new TextEncoder().encode(facts.store),
  });
  data.set(ourNode(sheep, request), ClusterInfoHead.size);
  return dataReply(data);
}

const clusterRunning = 1;
const clusterWaiting = 2;

/** 0xa2: the members at an epoch, then when it began. */
export function getEpoch(sheep: Sheep, request: Request): Reply {
  const asked = request.header.getUint32(ObjectRequestHeader.offsets.targetEpoch, true);
  const facts = sheep.cluster?.facts;
  if (facts === undefined || asked !== epoch) return refusal(results.noTag);
  const data = new Uint8Array(NodeRecord.size + 8);
  if (request.dataLength < data.length) return refusal(results.bufferSmall);
  data.set(ourNode(sheep, request));
  new DataView(data.buffer).setUint32(NodeRecord.size, facts.epochSeconds, true);
  return dataReply(data);
}

/** 0x90 */
export function getStoreList(_sheep: Sheep, { dataLength }: Request): Reply {
  const text = new TextEncoder().encode(`${storeNames.join(" ")} \0`);
  return dataReply(text.subarray(0, dataLength));
}

/** 0x97: there is never anything to recover. */
export function statRecovery(_sheep: Sheep, request: Request): Reply {
  return wholeOrNothing(request, RecoveryState.encode({}));
}

/** 0xca: no throttling. Source: protocol §3.2 */
export function getRecovery(_sheep: Sheep, request: Request): Reply {
  return wholeOrNothing(request, new Uint8Array(24));
}

/** 0xb1 */
export function mdInfo(sheep: Sheep, { dataLength }: Request): Reply {
  if (dataLength !== mdInfoBytes) return refusal(results.invalidParameters);
  const data = new Uint8Array(mdInfoBytes);
  const view = new DataView(data.buffer);
  const { totalBytes, freeBytes } = sheep.folder.space();
  const path = new TextEncoder().encode(sheep.folder.dir).subarray(0, 4095);
  DiskRecord.write(view, 0, { index: 0, freeBytes, usedBytes: totalBytes - freeBytes, path });
  view.setUint32(mdInfoCountAt, 1, true);
  return dataReply(data);
}

/** 0xb8: what one node has done. Source: protocol §3.2 */
export function stat(sheep: Sheep, request: Request): Reply {
  const data = new Uint8Array(new BigUint64Array(sheep.counters.values().map(BigInt)).buffer);
  return wholeOrNothing(request, data);
}

/** 0xb9 */
export function getLogLevel(_sheep: Sheep, request: Request): Reply {
  return wholeOrNothing(request, number(logLevel));
}

/** 0xcd */
export function getVnodes(_sheep: Sheep, request: Request): Reply {
  return wholeOrNothing(request, number(vnodesOfNode));
}

function number(value: number): Uint8Array {
  const bytes = new Uint8Array(4);
  new DataView(bytes.buffer).setUint32(0, value, true);
  return bytes;
}

function wholeOrNothing({ dataLength }: Request, data: Uint8Array): Reply {
  return dataLength < data.length ? refusal(results.bufferSmall) : dataReply(data);
}

/** 0x85, 0x9a: whoever runs us stops us. */
export function refuseToStop(): Reply {
  return refusal(results.notSupported);
}

function ourNode(sheep: Sheep, { local }: Request): Uint8Array {
  return nodeRecord(local, sheep.folder.space().totalBytes);
}
