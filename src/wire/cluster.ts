import { bytes, i16, struct, u8, u16, u32, u64 } from "../base/struct.ts";
import { clusterRequest, NodeReplyHeader, type SheepReply, type SheepRequest } from "./header.ts";
import { decodeNodes, NodeRecord, type SheepNode } from "./node.ts";

/** One entry of the epoch log; `nodesCount` node records follow. Source: protocol §12.2 */
export const EpochLogEntry = struct(
  {
    /** First entry only, as `copies` to `store` are. */
    ctimeNanoseconds: u32(0),
    ctimeSeconds: u32(4),
    /** Plain seconds. */
    time: u64(8),
    epoch: u32(16),
    nodesCount: u32(20),
    disableRecovery: u8(24),
    copies: u8(25),
    copyPolicy: u8(26),
    flags: u16(30),
    store: bytes(32, 16),
  },
  { size: 48 },
);

/** Bytes of one log entry with room for so many nodes. */
export function epochLogStride(nodesMax: number): number {
  return EpochLogEntry.size + nodesMax * NodeRecord.size;
}

/** The head of CLUSTER_INFO; 6144 node records follow. Source: protocol §12.3 */
export const ClusterInfoHead = struct(
  {
    version: u8(0),
    disableRecovery: u8(1),
    nodesCount: i16(2),
    epoch: u32(4),
    ctimeNanoseconds: u32(8),
    ctimeSeconds: u32(12),
    flags: u16(16),
    copies: u8(18),
    copyPolicy: u8(19),
    status: u8(20),
    blockSizeShift: u8(21),
    store: bytes(25, 16),
  },
  { size: 48 },
);
const clusterInfoNodesMax = 6144;
export const clusterInfoBytes = ClusterInfoHead.size + clusterInfoNodesMax * NodeRecord.size;

/**
 * Asks for the members of the cluster. The daemon copies without looking at the size, so room for
 * every node is offered. Source: protocol §1, §11.1
 */
export const nodeListRequest: SheepRequest = clusterRequest(
  "getNodeList",
  {},
  { receiveBytes: clusterInfoNodesMax * NodeRecord.size },
);

export interface NodeList {
  readonly epoch: number;
  /** By address and port. */
  readonly nodes: readonly SheepNode[];
  /** Of one node in the structs of this cluster: builds with disk-vnodes have longer ones. */
  readonly recordBytes: number;
}

/** @throws corrupt when the answer contradicts itself */
export function readNodeList({ header, data }: Pick<SheepReply, "header" | "data">): NodeList {
  const { nodesCount, epoch } = NodeReplyHeader.read(header, 0);
  const nodes = decodeNodes(data, nodesCount);
  const recordBytes = nodes.length === 0 ? NodeRecord.size : data.length / nodes.length;
  return { epoch, nodes, recordBytes };
}

/** The flags of a cluster. Source: protocol §12.1 */
export const clusterFlag = {
  strict: 0x01,
  disk: 0x02,
  autoVnodes: 0x04,
  lock: 0x08,
  recycleVids: 0x10,
  avoidDiskFull: 0x20,
} as const;
