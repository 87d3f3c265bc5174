/** What may happen to a request whose answer did not come: sent again, or looked into first. */
export type ReplayRule = "idempotent" | "once";

export interface OpcodeRow {
  readonly code: number;
  /** Protocol version byte that the request carries. */
  readonly version: number;
  readonly header: "object" | "vdi" | "cluster";
  readonly replay: ReplayRule;
  readonly meaning: string;
}

export const publicVersion = 0x02;
export const internalVersion = 0x0a;

const row = (
  code: number,
  header: OpcodeRow["header"],
  replay: ReplayRule,
  meaning: string,
): OpcodeRow => ({
  code,
  version: code < 0x80 ? publicVersion : internalVersion,
  header,
  replay,
  meaning,
});

/**
 * Every request that a client may send. What is missing here is between daemons.
 * Source: protocol §3
 */
export const opcodes = {
  createAndWriteObject: row(0x01, "object", "once", "create an object around data, or replace it"),
  readObject: row(0x02, "object", "idempotent", "read part of an object"),
  writeObject: row(0x03, "object", "idempotent", "write part of an object that exists"),
  removeObject: row(0x04, "object", "once", "remove an object whoever refers to it"),
  discardObject: row(0x05, "object", "once", "clear a slot and remove its object"),
  newVdi: row(0x11, "vdi", "once", "create a VDI, snapshot or clone"),
  lockVdi: row(0x12, "vdi", "once", "look a VDI up and lock it"),
  releaseVdi: row(0x13, "vdi", "idempotent", "release a VDI's lock"),
  getVdiInfo: row(0x14, "vdi", "idempotent", "look a VDI up by name, tag or snapshot id"),
  readVdis: row(0x15, "vdi", "idempotent", "bitmap of the vids in use"),
  flushVdi: row(0x16, "object", "idempotent", "make acknowledged writes durable"),
  deleteVdi: row(0x17, "vdi", "once", "delete a VDI whose slots are clear"),
  getClusterDefault: row(0x18, "cluster", "idempotent", "copies, policy and block size by default"),
  getNodeList: row(0x82, "cluster", "idempotent", "the members of the cluster"),
  makeFs: row(0x84, "cluster", "once", "format the cluster"),
  shutdown: row(0x85, "cluster", "once", "stop the whole cluster"),
  statSheep: row(0x86, "cluster", "idempotent", "size and free space of one node"),
  statCluster: row(0x87, "cluster", "idempotent", "state and epoch log"),
  getVdiAttr: row(0x89, "vdi", "once", "look up, create or delete an attribute of a VDI"),
  getStoreList: row(0x90, "cluster", "idempotent", "names of the store drivers"),
  statRecovery: row(0x97, "cluster", "idempotent", "progress of recovery"),
  flushDelCache: row(0x98, "object", "idempotent", "nothing any more"),
  killNode: row(0x9a, "cluster", "once", "the node leaves"),
  getObjectList: row(0xa1, "cluster", "idempotent", "oids that one node holds"),
  getEpoch: row(0xa2, "object", "idempotent", "members at an earlier epoch"),
  readPeer: row(0xa4, "object", "idempotent", "read part of the copy that one node has"),
  getVdiCopies: row(0xab, "cluster", "idempotent", "state and locks of every VDI"),
  deleteCache: row(0xb0, "object", "idempotent", "nothing any more"),
  mdInfo: row(0xb1, "cluster", "idempotent", "disks of one node"),
  getHash: row(0xb4, "object", "idempotent", "SHA-1 of an object on one node"),
  stat: row(0xb8, "cluster", "idempotent", "request counters of one node"),
  getLogLevel: row(0xb9, "cluster", "idempotent", "log level of one node"),
  exist: row(0xbd, "object", "idempotent", "whether one node has an object"),
  clusterInfo: row(0xbe, "cluster", "idempotent", "the cluster as its daemons see it"),
  oidsExist: row(0xc6, "cluster", "idempotent", "which of these oids are missing"),
  readDeletedVdis: row(0xc9, "vdi", "idempotent", "bitmap of the deleted vids"),
  getRecovery: row(0xca, "cluster", "idempotent", "throttling of recovery"),
  getVnodes: row(0xcd, "cluster", "idempotent", "virtual nodes of one node"),
} as const satisfies Record<string, OpcodeRow>;

export type OpcodeName = keyof typeof opcodes;

/** The row of an opcode's number; null for one that no client sends. */
export function opcodeOf(code: number): OpcodeName | null {
  return byCode[code] ?? null;
}

const byCode: Array<OpcodeName | undefined> = [];
for (const [name, { code }] of Object.entries(opcodes)) byCode[code] = name as OpcodeName;

/** Request flags. Source: protocol §2.7 */
export const requestFlag = {
  write: 0x0001,
  cow: 0x0002,
  cache: 0x0004,
  direct: 0x0008,
  piggyback: 0x0010,
  target: 0x0020,
  attrCreate: 0x0100,
  attrExclusive: 0x0200,
  attrDelete: 0x0400,
} as const;
