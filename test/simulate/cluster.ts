import { type Address, formatAddress } from "../../src/base/address.ts";
import type { ErrorCode } from "../../src/base/errors.ts";
import { EpochLogEntry } from "../../src/wire/cluster.ts";
import { VdiReplyHeader } from "../../src/wire/header.ts";
import { slotsAt, unpadded } from "../../src/wire/inode.ts";
import { NodeRecord, parseIpv4 } from "../../src/wire/node.ts";
import type { Oid } from "../../src/wire/oid.ts";
import { opcodes, requestFlag } from "../../src/wire/opcode.ts";
import { results } from "../../src/wire/result.ts";
import { RecoveryState } from "../../src/wire/vdi.ts";
import { type Change, Content, type Drop, slotsOf } from "./content.ts";
import type { SimulatedRecovery } from "./recovery.ts";

export interface Incoming {
  readonly opcode: number;
  readonly flags: number;
  readonly id: number;
  /** `vid/index` of the object, high half in hexadecimal. */
  readonly key: string;
  readonly oid: Oid | null;
  readonly cowVid: number;
  readonly offset: number;
  readonly length: number;
  /** Of a look-up. */
  readonly snapId: number;
  readonly data: Uint8Array;
}

export interface Answer {
  readonly result: number;
  readonly data: Uint8Array;
  /** Of a VDI. */
  readonly vid?: number;
}

/** A request that has begun. */
export interface Work {
  /** Carries it out; with less than 1 only that part of its bytes, as one who dies over it does. */
  finish(part: number): Answer;
  /** Dropped by the last `finish`. */
  readonly drops: readonly Drop[];
}

const nothing = new Uint8Array(0);
const sectorBytes = 512;

/** What several sheep serve together. */
export class SimulatedCluster {
  readonly content = new Content();
  /** What no client may do. */
  readonly violations: string[] = [];
  /** Null: not formatted. */
  ctimeSeconds: number | null = 1_700_000_000;
  /** Version of its membership; every answer says it. */
  epoch = 1;
  /** What every sheep says when it is asked. */
  recovering = false;
  /** Null: objects lie where they belong, whatever changes. */
  recovery: SimulatedRecovery | null = null;
  readonly #members = new Map<string, Address>();

  constructor() {
    this.content.rewritten = (key) => this.recovery?.forget(key);
  }

  get objects(): Map<string, Uint8Array> {
    return this.content.objects;
  }

  /** Every sheep lists all of them, whoever of them runs (protocol §11.1). */
  get members(): readonly Address[] {
    return [...this.#members].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, address]) => address);
  }

  /** One that was there from the beginning. */
  begin(address: Address): void {
    this.#members.set(formatAddress(address), address);
  }

  join(address: Address): void {
    this.#members.set(formatAddress(address), address);
    this.change();
  }

  /** The others notice that it is gone. */
  leave(address: Address): void {
    if (this.#members.delete(formatAddress(address))) this.change();
  }

  /** Another epoch, and everything is brought to where it belongs. */
  change(): void {
    this.epoch += 1;
    this.recovery?.begin();
  }

  object(key: string): Uint8Array {
    const object = this.objects.get(key);
    if (object === undefined) throw new Error(`no object ${key}`);
    return object;
  }

  /** What a gateway does first with a request; the rest of it comes a moment later. */
  start(request: Incoming): Work {
    const change = changeOf(request);
    if (change === null) return { finish: () => this.#answer(request), drops: [] };
    const begun = this.content.begin(change);
    if (typeof begun === "string") return { finish: () => failure(resultOf(begun)), drops: [] };
    const drops: Drop[] = [];
    const finish = (part: number): Answer => {
      this.#check(change);
      const end = part < 1 && change.how === "write" ? partOf(change, part) : change;
      const applied = this.content.apply({ ...begun, change: end });
      if (typeof applied === "string") return failure(resultOf(applied));
      drops.push(...applied);
      return success(nothing);
    };
    return { finish, drops };
  }

  #answer(request: Incoming): Answer {
    const { opcode, oid, offset, length } = request;
    if (opcode === opcodes.statCluster.code) return this.#state();
    if (opcode === opcodes.getNodeList.code) return success(nodeList(this.members));
    if (opcode === opcodes.statRecovery.code) {
      const { recovering, recovery } = this;
      const inRecovery = recovering || recovery?.active === true ? 1 : 0;
      return success(RecoveryState.encode({ inRecovery }));
    }
    if (opcode === opcodes.getVdiInfo.code) return this.#find(request);
    if (opcode === opcodes.readObject.code && oid !== null) {
      const bytes = this.content.read(oid.kind, oid.vid, oid.index, { offset, length });
      return bytes === null ? failure(results.noObject.code) : success(bytes);
    }
    return failure(results.invalidParameters.code);
  }

  #find({ data, snapId }: Incoming): Answer {
    const snapshot = snapId === 0 ? null : { id: snapId };
    const header = this.content.find({ name: unpadded(data.subarray(0, 256)), snapshot });
    if (header === null) return failure(results.noVdi.code);
    return { result: 0, data: nothing, vid: header.vid };
  }

  #state(): Answer {
    const { ctimeSeconds } = this;
    if (ctimeSeconds === null) return failure(results.waitForFormat.code);
    return success(EpochLogEntry.encode({ ctimeSeconds, ctimeNanoseconds: 5, epoch: 1 }));
  }

  /** Data first, then the slot that names it. */
  #check({ kind, vid, offset, data }: Change): void {
    if (kind === "data" && offset + data.length > this.content.objectBytes(vid)) {
      this.violations.push(`a write beyond the end of an object of ${vid}`);
    }
    const inode = kind === "inode" ? this.content.inodeIfThere(vid) : null;
    if (inode === null || inode.header.storePolicy === 1 || offset < slotsAt) return;
    for (const [at, value] of slotsOf(data).entries()) {
      const index = (offset - slotsAt) / 4 + at;
      if (value !== 0 && value !== vid) {
        this.violations.push(`slot ${index} of ${vid} set to ${value}`);
      }
      if (value === vid && this.content.object(vid, index) === null) {
        this.violations.push(`slot ${index} of ${vid} names nothing`);
      }
    }
  }
}

/** What a request changes; null when it changes nothing. */
function changeOf({ opcode, flags, oid, cowVid, offset, data }: Incoming): Change | null {
  const creates = opcode === opcodes.createAndWriteObject.code;
  if (oid === null || (!creates && opcode !== opcodes.writeObject.code)) return null;
  const copies = (flags & requestFlag.cow) !== 0;
  const how = creates ? (copies ? "cow" : "create") : "write";
  return { ...oid, how, cowVid, offset, data };
}

/** Whole sectors from the start: a smaller part of a disk is written or not. */
function partOf(change: Change, part: number): Change {
  const sectors = Math.floor((change.data.length * part) / sectorBytes);
  return { ...change, data: change.data.subarray(0, sectors * sectorBytes) };
}

function resultOf(code: ErrorCode): number {
  return code === "read_only" ? results.readOnly.code : results.noObject.code;
}

export function success(data: Uint8Array): Answer {
  return { result: 0, data };
}

export function failure(result: number): Answer {
  return { result, data: nothing };
}

/** What GET_NODE_LIST answers. */
export function nodeList(members: readonly Address[]): Uint8Array {
  const records = members.map(({ host, port }) => {
    const address = parseIpv4(host);
    if (address === null) throw new Error(`${host} is no IPv4 address`);
    return NodeRecord.encode({ address, port, vnodes: 1 });
  });
  return Buffer.concat(records);
}

/** Puts the fields of an answer about a VDI into its header. */
export function writeVid(reply: Uint8Array<ArrayBuffer>, { vid }: Answer): void {
  if (vid === undefined) return;
  new DataView(reply.buffer).setUint32(VdiReplyHeader.offsets.vid, vid, true);
}
