import type { Address } from "../../../src/base/address.ts";
import { formatAddress } from "../../../src/base/address.ts";
import { SheepfsError } from "../../../src/base/errors.ts";
import type { Scope } from "../../../src/base/scope.ts";
import type { SheepCaller } from "../../../src/client/caller.ts";
import { clusterFlag, EpochLogEntry } from "../../../src/wire/cluster.ts";
import { vidOfName } from "../../../src/wire/hash.ts";
import {
  ClusterDefaultReplyHeader,
  NodeReplyHeader,
  ObjectRequestHeader,
  ReplyHeader,
  type SheepReply,
  type SheepRequest,
  VdiReplyHeader,
  VdiRequestHeader,
} from "../../../src/wire/header.ts";
import {
  decodeInodeHeader,
  encodeInodeHeader,
  type InodeHeader,
  slotBytes,
  slotOffset,
  slotsAt,
  unpadded,
} from "../../../src/wire/inode.ts";
import { NodeRecord, parseIpv4 } from "../../../src/wire/node.ts";
import { readOid } from "../../../src/wire/oid.ts";
import { type OpcodeName, requestFlag } from "../../../src/wire/opcode.ts";
import { resultError, results } from "../../../src/wire/result.ts";
import {
  AttrRecord,
  hasVid,
  lockState,
  setVid,
  VdiStateRecord,
  vidBitmapBytes,
} from "../../../src/wire/vdi.ts";

export const text = (value: string): Uint8Array => new TextEncoder().encode(value);

export const never: Scope = {
  deadlineMs: Number.POSITIVE_INFINITY,
  cancelled: false,
  onCancel: () => () => {},
};

export const plainHeader: InodeHeader = {
  name: text("test"),
  tag: new Uint8Array(0),
  createTime: { seconds: 1_795_465_477, nanoseconds: 1 },
  snapTime: { seconds: 0, nanoseconds: 0 },
  vmClockNsec: 0,
  vdiSize: 64 * 2 ** 20,
  vmStateSize: 0,
  copyPolicy: 0,
  storePolicy: 0,
  copies: 1,
  blockSizeShift: 22,
  snapId: 1,
  vid: 0,
  parentVid: 0,
  btreeCounter: 0,
  isSnapshot: false,
};

interface Answer {
  readonly result?: number;
  readonly header?: Uint8Array;
  readonly data?: Uint8Array;
}

const noBytes = new Uint8Array(0);

/** What one request did, for assertions. */
export interface SeenCall {
  readonly opcode: OpcodeName;
  readonly vid: number;
  readonly offset: number;
  readonly length: number;
}

/** A cluster in memory that answers control requests as sheep 1.0 does. */
export class MemorySheep implements SheepCaller {
  /** As much of each inode as is not zero. */
  readonly inodes = new Map<number, Uint8Array<ArrayBuffer>>();
  /** Index nodes by `vid/number`. */
  readonly indexNodes = new Map<string, Uint8Array<ArrayBuffer>>();
  /** Attribute objects by `vid/id`. */
  readonly attributes = new Map<string, Uint8Array>();
  readonly used = new Uint8Array(vidBitmapBytes);
  readonly deleted = new Uint8Array(vidBitmapBytes);
  readonly locked = new Map<number, Address>();
  readonly seen: SeenCall[] = [];
  nodes: Address[] = [{ host: "127.0.0.1", port: 7000 }];
  /** Nodes that do not answer, by address. */
  readonly silent = new Set<string>();
  hasLocks = true;
  /** When it was formatted, and whether it gives out vids again. */
  ctimeSeconds = 1_795_465_477;
  recyclesVids = false;
  defaultShift = 22;
  /** Calls that are under way, and the most there were at once. */
  inflight = 0;
  inflightMost = 0;
  /** Called before a request is executed; what it throws is the request's failure. */
  before: (request: SheepRequest, vid: number) => void = () => {};
  /** Called after it was executed, before it is answered. */
  after: (request: SheepRequest, vid: number) => void = () => {};

  async call(request: SheepRequest, _scope: Scope, expected: readonly number[] = []) {
    this.inflight += 1;
    this.inflightMost = Math.max(this.inflightMost, this.inflight);
    try {
      // Others get their turn, as on a wire.
      await Promise.resolve();
      return this.#answer(request, expected);
    } finally {
      this.inflight -= 1;
    }
  }

  async callAt(
    address: Address,
    request: SheepRequest,
    _scope: Scope,
    _expected: readonly number[] = [],
  ): Promise<SheepReply> {
    if (this.silent.has(formatAddress(address))) {
      throw new SheepfsError("unavailable", `no answer from ${formatAddress(address)}`);
    }
    if (request.opcode !== "statSheep") throw new Error("only statSheep is asked of one node");
    const header = NodeReplyHeader.encode({ storeBytes: 1000, freeBytes: address.port % 1000 });
    return { header: new DataView(header.buffer), result: 0, data: noBytes };
  }

  /** Adds an inode, with its slots, at the first free vid behind the name's hash. */
  add(fields: Partial<InodeHeader>, slots: Readonly<Record<number, number | "own">> = {}): number {
    const header = { ...plainHeader, ...fields };
    let vid = vidOfName(header.name);
    while (hasVid(this.used, vid)) vid += 1;
    setVid(this.used, vid);
    this.put(vid, 0, encodeInodeHeader({ ...header, vid }));
    for (const [index, slot] of Object.entries(slots)) {
      const bytes = new Uint8Array(new Uint32Array([slot === "own" ? vid : slot]).buffer);
      this.put(vid, slotOffset(Number(index)), bytes);
    }
    return vid;
  }

  put(vid: number, offset: number, bytes: Uint8Array): void {
    let inode = this.inodes.get(vid) ?? new Uint8Array(slotsAt);
    if (inode.length < offset + bytes.length) {
      const grown = new Uint8Array(offset + bytes.length);
      grown.set(inode);
      inode = grown;
    }
    inode.set(bytes, offset);
    this.inodes.set(vid, inode);
  }

  headerOf(vid: number): InodeHeader {
    return decodeInodeHeader(this.inodes.get(vid) ?? new Uint8Array(slotsAt));
  }

  workingOf(name: Uint8Array): InodeHeader | null {
    const headers = [...this.inodes.keys()].map((vid) => this.headerOf(vid));
    return headers.find((header) => same(header.name, name) && !header.isSnapshot) ?? null;
  }

  /** What a snapshot made by another client does. @returns the new working vid */
  snapshotNow(vid: number): number {
    const { name, snapId, ...header } = this.headerOf(vid);
    this.#becomeSnapshot(vid);
    return this.#derive({ ...header, name, snapId: snapId + 1, parentVid: vid });
  }

  setSlots(vid: number): number {
    const slots = this.inodes.get(vid)?.slice(slotsAt) ?? noBytes;
    return new Uint32Array(slots.buffer, 0, slots.length / slotBytes).filter((slot) => slot !== 0)
      .length;
  }

  #answer(request: SheepRequest, expected: readonly number[]): SheepReply {
    const view = new DataView(request.header.buffer);
    const oid = readOid(view, ObjectRequestHeader.offsets.oidLow);
    const vid = request.opcode.endsWith("Object") ? (oid?.vid ?? 0) : 0;
    const offset = view.getUint32(ObjectRequestHeader.offsets.offset, true);
    const length = view.getUint32(ObjectRequestHeader.offsets.dataLength, true);
    this.seen.push({ opcode: request.opcode, vid, offset, length });
    this.before(request, vid);
    const { result = 0, header, data = noBytes } = this.#execute(request, view);
    this.after(request, vid);
    if (result !== 0 && !expected.includes(result)) throw resultError(result);
    const reply = header ?? ReplyHeader.encode({ result });
    new DataView(reply.buffer).setUint32(ReplyHeader.offsets.result, result, true);
    return { header: new DataView(reply.buffer), result, data };
  }

  #execute(request: SheepRequest, view: DataView): Answer {
    const handlers: Partial<Record<OpcodeName, () => Answer>> = {
      readVdis: () => ({ data: this.used.slice() }),
      readDeletedVdis: () => ({ data: this.deleted.slice() }),
      readObject: () => this.#read(view),
      writeObject: () => this.#write(view, request.data ?? noBytes),
      removeObject: () => this.#remove(view),
      getVdiAttr: () => this.#attribute(view, request.data ?? noBytes),
      getVdiInfo: () => vdiAnswer(this.#lookUp(request, view)),
      newVdi: () => this.#create(request, view),
      deleteVdi: () => this.#delete(request, view),
      lockVdi: () => this.#lock(request, view),
      releaseVdi: () => {
        this.locked.delete(VdiRequestHeader.read(view, 0).baseVid);
        return {};
      },
      getVdiCopies: () => this.#states(request),
      statCluster: () => ({ data: this.#epochLog(request) }),
      getClusterDefault: () => ({
        header: ClusterDefaultReplyHeader.encode({ blockSizeShift: this.defaultShift }),
      }),
      getNodeList: () => this.#nodeList(),
    };
    const handler = handlers[request.opcode];
    if (handler === undefined) throw new Error(`${request.opcode} is not of this test`);
    return handler();
  }

  #read(view: DataView): Answer {
    const { offset, dataLength } = ObjectRequestHeader.read(view, 0);
    const oid = readOid(view, ObjectRequestHeader.offsets.oidLow);
    const place = `${oid?.vid}/${oid?.index}`;
    const object =
      oid?.kind === "index"
        ? this.indexNodes.get(place)
        : oid?.kind === "attr"
          ? this.attributes.get(place)
          : this.inodes.get(oid?.vid ?? 0);
    if (object === undefined) return { result: results.noObject.code };
    const data = new Uint8Array(dataLength);
    data.set(object.subarray(offset, offset + dataLength));
    return { data };
  }

  #write(view: DataView, data: Uint8Array): Answer {
    const oid = readOid(view, ObjectRequestHeader.offsets.oidLow);
    if (oid?.kind === "attr") {
      const attribute = this.attributes.get(`${oid.vid}/${oid.index}`);
      attribute?.set(data, ObjectRequestHeader.read(view, 0).offset);
      return attribute === undefined ? { result: results.noObject.code } : {};
    }
    if (!this.inodes.has(oid?.vid ?? 0)) return { result: results.noObject.code };
    this.put(oid?.vid ?? 0, ObjectRequestHeader.read(view, 0).offset, data);
    return {};
  }

  #remove(view: DataView): Answer {
    const oid = readOid(view, ObjectRequestHeader.offsets.oidLow);
    if (oid?.kind !== "attr") throw new Error("only attributes are removed in this test");
    const removed = this.attributes.delete(`${oid.vid}/${oid.index}`);
    return removed ? {} : { result: results.noObject.code };
  }

  /** Every key has a place of its own here. Source: protocol §10.2 */
  #attribute(view: DataView, record: Uint8Array): Answer {
    const { name, key } = AttrRecord.read(new DataView(record.slice().buffer), 0);
    const works = [...this.inodes.keys()].some((vid) => {
      const header = this.headerOf(vid);
      return same(header.name, unpadded(name)) && !header.isSnapshot;
    });
    if (!works) return { result: results.noVdi.code };
    const vid = vidOfName(unpadded(name));
    const attrId = vidOfName(unpadded(key));
    const place = `${vid}/${attrId}`;
    const { flags } = VdiRequestHeader.read(view, 0);
    const exists = this.attributes.has(place);
    const header = VdiReplyHeader.encode({ vid, attrId });
    if ((flags & requestFlag.attrCreate) === 0) {
      return exists ? { header } : { header, result: results.noObject.code };
    }
    if (exists) return { header, result: results.vdiExists.code };
    this.attributes.set(place, record.slice());
    return { header };
  }

  /** A vid, or the result that says why there is none. Source: protocol §6.3 */
  #lookUp(request: SheepRequest, view: DataView): { vid: number; result: number } {
    // A NEW_VDI says with it what is to be made.
    const snapId = request.opcode === "newVdi" ? 0 : VdiRequestHeader.read(view, 0).snapId;
    const name = unpadded((request.data ?? noBytes).subarray(0, 256));
    const tag = unpadded((request.data ?? noBytes).subarray(256));
    const first = vidOfName(name);
    let end = first;
    while (hasVid(this.used, end)) end += 1;
    let works = false;
    for (let vid = end - 1; vid >= first; vid -= 1) {
      const header = this.headerOf(vid);
      if (!same(header.name, name)) continue;
      if (tag.length === 0 && snapId === 0) {
        if (header.isSnapshot) break;
        return { vid, result: 0 };
      }
      works ||= !header.isSnapshot;
      const isTagged = tag.length > 0 && same(header.tag, tag);
      if (header.isSnapshot && (isTagged || header.snapId === snapId)) return { vid, result: 0 };
    }
    return { vid: 0xbad_bad, result: works ? results.noTag.code : results.noVdi.code };
  }

  /** Source: protocol §7.1 to §7.4 */
  #create(request: SheepRequest, view: DataView): Answer {
    const { result, vid: current } = this.#lookUp(request, view);
    const { snapId: asHead, baseVid, ...fields } = VdiRequestHeader.read(view, 0);
    if (asHead === 0 && result === 0) return { result: results.vdiExists.code };
    if (asHead !== 0 && result !== 0) return { result };
    const base = this.inodes.get(baseVid);
    if (baseVid !== 0 && base === undefined) return { result: results.baseVdiRead.code };
    const name = unpadded(request.data ?? noBytes);
    const snapId = 1 + this.#lastSnapId(name);
    if (asHead !== 0) this.#becomeSnapshot(current);
    const { vdiSize, copies, copyPolicy, storePolicy, blockSizeShift } = fields;
    const vid = this.#derive({
      name,
      blockSizeShift: blockSizeShift || this.defaultShift,
      copies: copies || 1,
      parentVid: baseVid,
      ...{ vdiSize, copyPolicy, storePolicy, snapId },
    });
    return vdiAnswer({ vid, result: 0 });
  }

  #becomeSnapshot(vid: number): void {
    const snapTime = { seconds: 1_795_465_500, nanoseconds: 0 };
    this.put(vid, 0, encodeInodeHeader({ ...this.headerOf(vid), snapTime }));
  }

  #derive(fields: Partial<InodeHeader> & { readonly parentVid: number }): number {
    const vid = this.add({ ...fields, snapTime: { seconds: 0, nanoseconds: 0 }, tag: noBytes });
    const base = this.inodes.get(fields.parentVid);
    if (base !== undefined) this.put(vid, slotsAt, base.slice(slotsAt));
    return vid;
  }

  /** Of the newest VDI of that name; 0 when there is none. */
  #lastSnapId(name: Uint8Array): number {
    let last = 0;
    for (let vid = vidOfName(name); hasVid(this.used, vid); vid += 1) {
      const header = this.headerOf(vid);
      if (same(header.name, name)) last = header.snapId;
    }
    return last;
  }

  #delete(request: SheepRequest, view: DataView): Answer {
    const { vid, result } = this.#lookUp(request, view);
    if (result !== 0) return { result };
    setVid(this.deleted, vid);
    const header = this.headerOf(vid);
    const isTree = header.storePolicy === 1;
    // It says nothing of having deleted nothing.
    if (isTree || this.setSlots(vid) === 0) {
      this.inodes.set(vid, encodeInodeHeader({ ...header, name: noBytes, vid: 0, vdiSize: 0 }));
    }
    return vdiAnswer({ vid, result: 0 });
  }

  #lock(request: SheepRequest, view: DataView): Answer {
    const { vid, result } = this.#lookUp(request, view);
    if (result !== 0) return { result };
    if (this.locked.has(vid)) return vdiAnswer({ vid, result: results.vdiLocked.code });
    const [gateway] = this.nodes;
    if (this.hasLocks && gateway !== undefined) this.locked.set(vid, gateway);
    return vdiAnswer({ vid, result: 0 });
  }

  #states({ receiveBytes }: SheepRequest): Answer {
    const records = [...this.inodes.keys()].map((vid) => {
      const owner = this.locked.get(vid);
      return VdiStateRecord.encode({
        vid,
        lockState: owner === undefined ? lockState.unlocked : lockState.locked,
        owner: owner === undefined ? noBytes : nodeId(owner),
      });
    });
    const bytes = records.length * VdiStateRecord.size;
    if (bytes > receiveBytes) return { result: results.bufferSmall.code };
    return { data: new Uint8Array(Buffer.concat(records)) };
  }

  #epochLog({ receiveBytes }: SheepRequest): Uint8Array {
    const data = new Uint8Array(receiveBytes);
    const locks = this.hasLocks ? clusterFlag.lock : 0;
    const flags = locks | (this.recyclesVids ? clusterFlag.recycleVids : 0);
    const { ctimeSeconds } = this;
    data.set(EpochLogEntry.encode({ epoch: 1, flags, ctimeSeconds }).subarray(0, receiveBytes));
    return data;
  }

  #nodeList(): Answer {
    const records = this.nodes.map(({ host, port }) =>
      NodeRecord.encode({ address: parseIpv4(host) ?? noBytes, port, vnodes: 128, zone: 1 }),
    );
    const header = NodeReplyHeader.encode({ nodesCount: records.length, epoch: 1 });
    return { header, data: new Uint8Array(Buffer.concat(records)) };
  }
}

function vdiAnswer({ vid, result }: { vid: number; result: number }): Answer {
  return { result, header: VdiReplyHeader.encode({ vid }) };
}

function nodeId({ host, port }: Address): Uint8Array {
  const id = new Uint8Array(40);
  id.set(parseIpv4(host) ?? noBytes);
  new DataView(id.buffer).setUint16(16, port, true);
  return id;
}

function same(a: Uint8Array, b: Uint8Array): boolean {
  return Buffer.compare(a, b) === 0;
}
