import { type Address, formatAddress } from "../../src/base/address.ts";
import { EpochLogEntry } from "../../src/wire/cluster.ts";
import {
  headerBytes,
  NodeReplyHeader,
  ObjectRequestHeader,
  ReplyHeader,
} from "../../src/wire/header.ts";
import { NodeRecord, parseIpv4 } from "../../src/wire/node.ts";
import { opcodes, requestFlag } from "../../src/wire/opcode.ts";
import { results } from "../../src/wire/result.ts";
import { RecoveryState } from "../../src/wire/vdi.ts";
import type { Peer, SimulatedLink, SimulatedNetwork } from "./network.ts";
import type { SimulatedRecovery } from "./recovery.ts";

const at = ObjectRequestHeader.offsets;
const aboutCluster: ReadonlySet<number> = new Set([
  opcodes.statCluster.code,
  opcodes.getNodeList.code,
  opcodes.statRecovery.code,
]);
const objectBytes = 1 << 20;

/** What several sheep serve together. */
export class SimulatedCluster {
  readonly objects = new Map<string, Uint8Array>();
  /** Null: not formatted. */
  ctimeSeconds: number | null = 1_700_000_000;
  /** Version of its membership; every answer says it. */
  epoch = 1;
  /** What every sheep says when it is asked. */
  recovering = false;
  /** Null: objects lie where they belong, whatever changes. */
  recovery: SimulatedRecovery | null = null;
  readonly #members = new Map<string, Address>();

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
    this.#changed();
  }

  /** The others notice that it is gone. */
  leave(address: Address): void {
    if (this.#members.delete(formatAddress(address))) this.#changed();
  }

  #changed(): void {
    this.epoch += 1;
    this.recovery?.begin();
  }

  object(key: string): Uint8Array {
    const object = this.objects.get(key);
    if (object === undefined) throw new Error(`no object ${key}`);
    return object;
  }
}

export interface Incoming {
  readonly opcode: number;
  readonly flags: number;
  readonly id: number;
  /** `vid/index` of the object, high half in hexadecimal. */
  readonly key: string;
  readonly cowKey: string;
  readonly offset: number;
  readonly length: number;
  readonly data: Uint8Array;
}

export interface Answer {
  readonly result: number;
  readonly data: Uint8Array;
}

const nothing = new Uint8Array(0);

/** What a test may do to a request. */
export interface Script {
  /** Answers instead of the sheep; null leaves it to the sheep. */
  instead(request: Incoming): Answer | null;
  /** Changes the bytes of an answer; null sends none. */
  garble(reply: Uint8Array<ArrayBuffer>, request: Incoming): Uint8Array | null;
  /** How long the execution takes, that of a sign of life excepted. */
  delayMs(request: Incoming): number;
}

/**
 * A scripted sheep. As a real one it executes the requests of a connection at the same time and in
 * any order, also after the client has left; stopped, it goes on with them when it wakes.
 */
export class SimulatedSheep implements Peer {
  readonly address: Address;
  readonly cluster: SimulatedCluster;
  readonly script: Script = {
    instead: () => null,
    garble: (reply) => reply,
    delayMs: () => 0,
  };
  /** Requests that were read, in order, signs of life excepted. */
  readonly seen: Incoming[] = [];
  readonly #network: SimulatedNetwork;
  readonly #links = new Set<SimulatedLink>();
  #life = 0;
  #running = true;
  #stopped = false;
  #expelled = false;
  #parked: Array<() => void> = [];

  constructor(network: SimulatedNetwork, cluster: SimulatedCluster, address: Address) {
    this.#network = network;
    this.cluster = cluster;
    this.address = address;
    network.listen(address, this);
    cluster.begin(address);
  }

  get running(): boolean {
    return this.#running;
  }

  get stopped(): boolean {
    return this.#stopped;
  }

  get links(): readonly SimulatedLink[] {
    return [...this.#links];
  }

  /** The process ends: what it had not executed never is. */
  kill(): void {
    this.#life += 1;
    this.#parked = [];
    this.#running = false;
    this.#stopped = false;
    this.#expelled = false;
    this.#network.listen(this.address, null);
    for (const link of this.#links) link.end(true);
    this.#links.clear();
  }

  start(): void {
    this.#running = true;
    this.#network.listen(this.address, this);
  }

  /** Every connection breaks, the process goes on. */
  cut(): void {
    for (const link of this.#links) link.end(true);
    this.#links.clear();
  }

  stop(): void {
    this.#stopped = true;
  }

  /** The others go on without it and refuse what it sends: it ends when it finds that out. */
  expel(): void {
    this.cluster.leave(this.address);
    if (this.#stopped) this.#expelled = true;
    else this.kill();
  }

  wake(): void {
    if (this.#expelled) this.kill();
    this.#stopped = false;
    for (const run of this.#parked.splice(0)) run();
  }

  accept(link: SimulatedLink): void {
    this.#links.add(link);
    const inbox = new Inbox();
    const life = this.#life;
    link.onEnd = () => this.#links.delete(link);
    link.onBytes = (bytes) => {
      if (life !== this.#life) return;
      inbox.add(bytes);
      for (let request = inbox.take(); request !== null; request = inbox.take()) {
        this.#received(request, link);
      }
    };
  }

  #received(request: Incoming, link: SimulatedLink): void {
    const isAboutCluster = aboutCluster.has(request.opcode);
    if (!isAboutCluster) this.seen.push(request);
    const life = this.#life;
    const when = (fn: () => void): (() => void) => {
      const step = (): void => {
        if (life !== this.#life) return;
        if (this.#stopped) this.#parked.push(step);
        else fn();
      };
      return step;
    };
    const { clock } = this.#network;
    const answer = when(() => this.#answer(request, link));
    if (isAboutCluster) {
      clock.after(0, answer);
      return;
    }
    const execute = (): void => {
      clock.after(this.script.delayMs(request), answer);
    };
    const { recovery } = this.cluster;
    when(() => (recovery === null ? execute() : recovery.whenDone(request.key, execute)))();
  }

  #answer(request: Incoming, link: SimulatedLink): void {
    const answer = this.script.instead(request) ?? this.#execute(request);
    const { nodesCount } = NodeReplyHeader.offsets;
    const reply = new Uint8Array(headerBytes + answer.data.length);
    ReplyHeader.write(new DataView(reply.buffer), 0, {
      version: 0,
      epoch: this.cluster.epoch,
      opcode: request.opcode,
      id: request.id,
      dataLength: answer.data.length,
      result: answer.result,
    });
    reply.set(answer.data, headerBytes);
    if (request.opcode === opcodes.getNodeList.code) {
      reply[nodesCount] = answer.data.length / NodeRecord.size;
    }
    const sent = this.script.garble(reply, request);
    if (sent !== null) link.answer(sent);
  }

  #execute(request: Incoming): Answer {
    const { objects } = this.cluster;
    const { opcode, key, offset } = request;
    if (opcode === opcodes.statCluster.code) return this.#state();
    if (opcode === opcodes.getNodeList.code) return success(nodeList(this.cluster.members));
    if (opcode === opcodes.statRecovery.code) {
      const { recovering, recovery } = this.cluster;
      const inRecovery = recovering || recovery?.active === true ? 1 : 0;
      return success(RecoveryState.encode({ inRecovery }));
    }
    if (opcode === opcodes.flushVdi.code) return failure(results.invalidParameters.code);
    if (opcode === opcodes.createAndWriteObject.code) {
      const base =
        (request.flags & requestFlag.cow) !== 0 ? objects.get(request.cowKey) : undefined;
      const object = base?.slice() ?? new Uint8Array(objectBytes);
      object.set(request.data, offset);
      objects.set(key, object);
      return success(nothing);
    }
    const object = objects.get(key);
    if (object === undefined) return failure(results.noObject.code);
    if (opcode === opcodes.writeObject.code) {
      object.set(request.data, offset);
      return success(nothing);
    }
    if (opcode === opcodes.readObject.code) {
      return success(object.slice(offset, offset + request.length));
    }
    return failure(results.invalidParameters.code);
  }

  #state(): Answer {
    const { ctimeSeconds } = this.cluster;
    if (ctimeSeconds === null) return failure(results.waitForFormat.code);
    return success(EpochLogEntry.encode({ ctimeSeconds, ctimeNanoseconds: 5, epoch: 1 }));
  }
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

/** Makes requests of the bytes of a connection, however they were cut. */
class Inbox {
  #buffer = new Uint8Array(4096);
  #from = 0;
  #to = 0;

  add(bytes: Uint8Array): void {
    const kept = this.#buffer.subarray(this.#from, this.#to);
    if (this.#to + bytes.length > this.#buffer.length) {
      const least = kept.length + bytes.length;
      const larger = new Uint8Array(Math.max(this.#buffer.length, 2 * least));
      larger.set(kept);
      this.#buffer = larger;
      this.#from = 0;
      this.#to = kept.length;
    }
    this.#buffer.set(bytes, this.#to);
    this.#to += bytes.length;
  }

  take(): Incoming | null {
    const request = parse(this.#buffer.subarray(this.#from, this.#to));
    if (request === null) return null;
    this.#from += request.bytes;
    return request.incoming;
  }
}

function parse(pending: Uint8Array): { incoming: Incoming; bytes: number } | null {
  if (pending.length < headerBytes) return null;
  const view = new DataView(pending.buffer, pending.byteOffset, pending.byteLength);
  const flags = view.getUint16(at.flags, true);
  const length = view.getUint32(at.dataLength, true);
  const bytes = headerBytes + ((flags & requestFlag.write) !== 0 ? length : 0);
  if (pending.length < bytes) return null;
  const oid = (low: number): string => {
    const high = view.getUint32(low + 4, true);
    return `${high.toString(16)}/${view.getUint32(low, true)}`;
  };
  const incoming: Incoming = {
    opcode: view.getUint8(at.opcode),
    flags,
    id: view.getUint32(at.id, true),
    key: oid(at.oidLow),
    cowKey: oid(at.cowOidLow),
    offset: view.getUint32(at.offset, true),
    length,
    data: pending.slice(headerBytes, bytes),
  };
  return { incoming, bytes };
}
