import { clusterInfoBytes, EpochLogEntry, epochLogStride } from "../../src/wire/cluster.ts";
import {
  ClusterRequestHeader,
  NodeReplyHeader,
  ObjectRequestHeader,
  ReplyHeader,
  RequestHeader,
} from "../../src/wire/header.ts";
import { InodeHeaderStruct } from "../../src/wire/inode.ts";
import { NodeRecord } from "../../src/wire/node.ts";
import { readOid } from "../../src/wire/oid.ts";
import { type OpcodeName, opcodeOf } from "../../src/wire/opcode.ts";
import { AttrRecord, DiskRecord, VdiStateRecord } from "../../src/wire/vdi.ts";
import type { CaptureStep } from "./load.ts";
import type { RawReply } from "./raw-client.ts";

/** Which of our times stands for which recorded one. */
export type Times = Map<string, string>;

/** Bytes that differ from run to run. Source: data/README.md */
interface Mask {
  readonly from: number;
  readonly bytes: number;
}

/** Where a moment lies: it may differ, but the same moment is the same everywhere. */
interface Moment {
  readonly at: number;
}

interface Rules {
  readonly headerMasks: readonly Mask[];
  readonly masks: readonly Mask[];
  readonly moments: readonly Moment[];
}

/** What is different between a recorded answer and ours, in words; empty when nothing is. */
export function differences(step: CaptureStep, ours: RawReply, times: Times): string[] {
  const rules = rulesOf(step);
  const ourHeader = new Uint8Array(ours.header.buffer, ours.header.byteOffset, 48);
  const found = compare("header", step.response.header, ourHeader, rules.headerMasks);
  const recorded = step.response.data ?? new Uint8Array(0);
  if (recorded.length !== ours.data.length) {
    return [...found, `data: ${ours.data.length} bytes, recorded ${recorded.length}`];
  }
  const masks = [...rules.masks, ...rules.moments.map(({ at }) => ({ from: at, bytes: 8 }))];
  found.push(...compare("data", recorded, ours.data, masks));
  for (const { at } of rules.moments) found.push(...compareMoment(recorded, ours.data, at, times));
  return found;
}

function compare(
  what: string,
  recorded: Uint8Array,
  ours: Uint8Array,
  masks: readonly Mask[],
): string[] {
  const a = recorded.slice();
  const b = ours.slice();
  for (const { from, bytes } of masks) {
    a.fill(0, from, from + bytes);
    b.fill(0, from, from + bytes);
  }
  if (Buffer.compare(a, b) === 0) return [];
  const first = a.findIndex((byte, at) => byte !== b[at]);
  const hex = (bytes: Uint8Array): string =>
    Buffer.from(bytes.subarray(first, first + 16)).toString("hex");
  return [`${what} at ${first}: ${hex(b)}, recorded ${hex(a)}`];
}

function compareMoment(recorded: Uint8Array, ours: Uint8Array, at: number, times: Times): string[] {
  const theirs = Buffer.from(recorded.subarray(at, at + 8)).toString("hex");
  const mine = Buffer.from(ours.subarray(at, at + 8)).toString("hex");
  const none = "0".repeat(theirs.length);
  // A client may have written the recorded time back with the rest of a header.
  if (mine === theirs) return [];
  const known = times.get(theirs);
  if (known === undefined && theirs !== none && mine !== none) {
    times.set(theirs, mine);
    return [];
  }
  return known === mine ? [] : [`data at ${at}: time ${mine}, recorded ${theirs}`];
}

const nothing: Rules = { headerMasks: [], masks: [], moments: [] };

function rulesOf(step: CaptureStep): Rules {
  const opcode = opcodeOf(step.request.header[RequestHeader.offsets.opcode] ?? 0);
  const rules = opcode === null ? undefined : rulesByOpcode[opcode];
  const header = new DataView(step.request.header.buffer);
  return rules?.(header, step.response.data?.length ?? 0, isFailed(step)) ?? nothing;
}

function isFailed({ response }: CaptureStep): boolean {
  return new DataView(response.header.buffer).getUint32(ReplyHeader.offsets.result, true) !== 0;
}

const rulesByOpcode: Partial<
  Record<OpcodeName, (header: DataView, bytes: number, failed: boolean) => Rules>
> = {
  // Fields of a failed one are what the daemon's stack held.
  newVdi: (_, __, failed) =>
    failed ? { ...nothing, headerMasks: [{ from: 20, bytes: 28 }] } : nothing,
  statSheep: () => ({
    ...nothing,
    headerMasks: [{ from: NodeReplyHeader.offsets.storeBytes, bytes: 16 }],
  }),
  getNodeList: () => ({ ...nothing, masks: nodeMasks(0) }),
  statCluster: (header) => logRules(header),
  clusterInfo: (_, bytes) =>
    bytes === clusterInfoBytes
      ? { ...nothing, masks: nodeMasks(48), moments: [{ at: 8 }] }
      : nothing,
  getEpoch: () => ({
    ...nothing,
    masks: [...nodeMasks(0), { from: NodeRecord.size, bytes: 8 }],
  }),
  mdInfo: () => ({ ...nothing, masks: [{ from: 8, bytes: DiskRecord.size - 8 }] }),
  getVdiCopies: (_, bytes) => ({ ...nothing, masks: ownerMasks(bytes) }),
  readObject: (header, bytes) => readRules(header, bytes),
};

/** A node's memory, port, zone and space. */
function nodeMasks(at: number): Mask[] {
  const { address, port, zone } = NodeRecord.offsets;
  return [
    { from: at, bytes: address },
    { from: at + port, bytes: 2 },
    { from: at + zone, bytes: NodeRecord.size - zone },
  ];
}

function logRules(header: DataView): Rules {
  const { nodesCount } = ClusterRequestHeader.read(header, 0);
  const { time } = EpochLogEntry.offsets;
  const nodes = Array.from({ length: nodesCount }, (_, index) =>
    nodeMasks(epochLogStride(index)),
  ).flat();
  const began = nodesCount === 0 ? [] : [{ from: time, bytes: 8 }];
  return { ...nothing, masks: [...nodes, ...began], moments: [{ at: 0 }] };
}

/** The port of the node that has a lock. */
function ownerMasks(bytes: number): Mask[] {
  const port = VdiStateRecord.offsets.owner + 16;
  const count = bytes / VdiStateRecord.size;
  return Array.from({ length: count }, (_, index) => ({
    from: index * VdiStateRecord.size + port,
    bytes: 2,
  }));
}

function readRules(header: DataView, bytes: number): Rules {
  const oid = readOid(header, ObjectRequestHeader.offsets.oidLow);
  const offset = header.getUint32(ObjectRequestHeader.offsets.offset, true);
  const { createNanoseconds, snapNanoseconds } = InodeHeaderStruct.offsets;
  const places =
    oid?.kind === "inode"
      ? [createNanoseconds, snapNanoseconds]
      : oid?.kind === "attr"
        ? [AttrRecord.offsets.ctimeNanoseconds]
        : [];
  const moments = places
    .map((place) => ({ at: place - offset }))
    .filter(({ at }) => at >= 0 && at + 8 <= bytes);
  return { ...nothing, moments };
}
