import { RequestHeader } from "../wire/header.ts";
import { internalVersion, type OpcodeName, opcodeOf, publicVersion } from "../wire/opcode.ts";
import { results } from "../wire/result.ts";
import type { Cluster } from "./cluster.ts";
import { isCounted } from "./counters.ts";
import { getVdiAttr } from "./ops-attr.ts";
import * as clusterOps from "./ops-cluster.ts";
import * as objectOps from "./ops-object.ts";
import * as vdiOps from "./ops-vdi.ts";
import { failureReply, type Reply, type Request, refusal, success } from "./request.ts";
import type { Sheep } from "./sheep.ts";

type Answer = Reply | Promise<Reply>;

interface Operation {
  /** Answered whether the cluster is formatted or not. */
  readonly forced: boolean;
  run(sheep: Sheep, request: Request): Answer;
}

const forced = (run: (sheep: Sheep, request: Request) => Answer): Operation => ({
  forced: true,
  run,
});

const needsNode = (run: (sheep: Sheep, request: Request) => Answer): Operation => ({
  forced: false,
  run,
});

const needsCluster = (run: (cluster: Cluster, request: Request) => Answer): Operation => ({
  forced: false,
  run: ({ cluster }, request) =>
    cluster === null ? refusal(results.waitForFormat) : run(cluster, request),
});

const nothing = needsNode(() => success);

/** Source: protocol §14 */
const operations: Record<OpcodeName, Operation> = {
  createAndWriteObject: needsCluster(objectOps.createObject),
  readObject: needsCluster(objectOps.readObject),
  writeObject: needsCluster(objectOps.writeObject),
  removeObject: needsCluster(objectOps.removeObject),
  discardObject: needsCluster(objectOps.discardObject),
  newVdi: needsCluster(vdiOps.newVdi),
  lockVdi: needsCluster(vdiOps.lockVdi),
  releaseVdi: needsCluster(vdiOps.releaseVdi),
  getVdiInfo: needsCluster(vdiOps.getVdiInfo),
  readVdis: forced((sheep, request) => vdiOps.readVdis(sheep.cluster, request)),
  flushVdi: needsCluster(objectOps.flush),
  deleteVdi: needsCluster(vdiOps.deleteVdiNamed),
  getClusterDefault: forced(clusterOps.getClusterDefault),
  getNodeList: forced(clusterOps.getNodeList),
  makeFs: forced(clusterOps.makeFs),
  shutdown: forced(clusterOps.refuseToStop),
  statSheep: needsNode(clusterOps.statSheep),
  statCluster: forced(clusterOps.statCluster),
  getVdiAttr: needsCluster(getVdiAttr),
  getStoreList: forced(clusterOps.getStoreList),
  statRecovery: needsNode(clusterOps.statRecovery),
  flushDelCache: nothing,
  killNode: needsNode(clusterOps.refuseToStop),
  getObjectList: needsCluster(objectOps.getObjectList),
  getEpoch: needsNode(clusterOps.getEpoch),
  readPeer: needsCluster(objectOps.readPeer),
  getVdiCopies: forced((sheep, request) => vdiOps.getVdiCopies(sheep.cluster, request)),
  deleteCache: nothing,
  mdInfo: needsNode(clusterOps.mdInfo),
  getHash: needsCluster(objectOps.getHash),
  stat: needsNode(clusterOps.stat),
  getLogLevel: forced(clusterOps.getLogLevel),
  exist: needsCluster(objectOps.exist),
  clusterInfo: forced(clusterOps.clusterInfo),
  oidsExist: needsCluster(objectOps.oidsExist),
  readDeletedVdis: forced((sheep, request) => vdiOps.readDeletedVdis(sheep.cluster, request)),
  getRecovery: forced(clusterOps.getRecovery),
  getVnodes: needsNode(clusterOps.getVnodes),
};

/** Answers one request; never throws, and waits only where the disk has to be waited for. */
export function answer(sheep: Sheep, request: Request): Answer {
  const { header } = request;
  const version = header.getUint8(RequestHeader.offsets.version);
  const opcode = header.getUint8(RequestHeader.offsets.opcode);
  const isPublic = opcode < firstInternalOpcode;
  const name = opcodeOf(opcode);
  if (name === null) return refusal(results.invalidParameters);
  const isSpoken = isPublic ? version <= publicVersion : version === internalVersion;
  if (!isSpoken) return refusal(results.version);
  const operation = operations[name];
  if (!operation.forced && sheep.cluster === null) return refusal(results.waitForFormat);
  return isCounted(opcode)
    ? counted(sheep, opcode, request, operation)
    : guarded(sheep, request, operation);
}

const firstInternalOpcode = 0x80;

function counted(sheep: Sheep, opcode: number, request: Request, operation: Operation): Answer {
  const { counters } = sheep;
  counters.begin(opcode, request.data.length);
  const end = (reply: Reply): Reply => {
    counters.end(reply.data?.length ?? 0);
    return reply;
  };
  const reply = guarded(sheep, request, operation);
  return reply instanceof Promise ? reply.then(end) : end(reply);
}

function guarded(sheep: Sheep, request: Request, operation: Operation): Answer {
  try {
    const reply = operation.run(sheep, request);
    return reply instanceof Promise
      ? reply.catch((error: unknown) => failed(sheep, request, error))
      : reply;
  } catch (error) {
    return failed(sheep, request, error);
  }
}

function failed(sheep: Sheep, { header }: Request, thrown: unknown): Reply {
  const opcode = header.getUint8(RequestHeader.offsets.opcode);
  const reply = failureReply(thrown);
  const what = `operation 0x${opcode.toString(16)} failed`;
  // A full disk is the clients' business and would fill the log, too.
  if (reply === null || reply.result !== results.noSpace.code) sheep.ports.log.error(what, thrown);
  return reply ?? refusal(results.systemError);
}
