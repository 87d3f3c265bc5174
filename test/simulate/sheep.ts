import type { Address } from "../../src/base/address.ts";
import {
  headerBytes,
  NodeReplyHeader,
  ObjectRequestHeader,
  ReplyHeader,
  VdiRequestHeader,
} from "../../src/wire/header.ts";
import { NodeRecord } from "../../src/wire/node.ts";
import { readOid, vidMax } from "../../src/wire/oid.ts";
import { opcodes, requestFlag } from "../../src/wire/opcode.ts";
import {
  type Answer,
  type Incoming,
  type SimulatedCluster,
  type Work,
  writeVid,
} from "./cluster.ts";
import type { Peer, SimulatedLink, SimulatedNetwork } from "./network.ts";

const at = ObjectRequestHeader.offsets;
const aboutCluster: ReadonlySet<number> = new Set([
  opcodes.statCluster.code,
  opcodes.getNodeList.code,
  opcodes.statRecovery.code,
]);

/** What a test may do to a request. */
export interface Script {
  /** Answers instead of the sheep; null leaves it to the sheep. */
  instead(request: Incoming): Answer | null;
  /** Changes the bytes of an answer; null sends none. */
  garble(reply: Uint8Array<ArrayBuffer>, request: Incoming): Uint8Array | null;
  /** How long the execution takes, that of a sign of life excepted. */
  delayMs(request: Incoming): number;
  /** How often it is executed before the time that is answered, as after a change of members. */
  repeats(request: Incoming): number;
  /**
   * When the sheep ends over a request: after how long it is carried out all the same by those who
   * were told before, and what part of it; null when it is not.
   */
  outlives(request: Incoming): { readonly afterMs: number; readonly part: number } | null;
  /** How long the object of a slot that was cleared stays. */
  removalMs(): number;
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
    repeats: () => 0,
    outlives: () => null,
    removalMs: () => 0,
  };
  /** Told of what is executed, in a line; null when nobody listens. */
  trace: ((line: string) => void) | null = null;
  /** Requests that were read, in order, signs of life excepted. */
  readonly seen: Incoming[] = [];
  readonly #network: SimulatedNetwork;
  readonly #links = new Set<SimulatedLink>();
  #life = 0;
  #running = true;
  #stopped = false;
  #expelled = false;
  #parked: Array<() => void> = [];
  /** Begun and not carried out. */
  readonly #begun = new Map<Work, Incoming>();

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
    this.#leaveBehind();
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
    const { clock } = this.#network;
    if (isAboutCluster) {
      const { finish } = this.cluster.start(request);
      clock.after(
        0,
        this.#alive(() => this.#answer(request, link, () => finish(1))),
      );
      return;
    }
    const execute = (): void => this.#execute(request, link, this.script.repeats(request));
    const { recovery } = this.cluster;
    this.#alive(() => (recovery === null ? execute() : recovery.whenDone(request.key, execute)))();
  }

  /** `fn` in this life of the process, when it is not stopped. */
  #alive(fn: () => void): () => void {
    const life = this.#life;
    const step = (): void => {
      if (life !== this.#life) return;
      if (this.#stopped) this.#parked.push(step);
      else fn();
    };
    return step;
  }

  #execute(request: Incoming, link: SimulatedLink, repeats: number): void {
    const work = this.cluster.start(request);
    this.#begun.set(work, request);
    const carryOut = this.#alive(() => {
      this.#begun.delete(work);
      if (repeats > 0) {
        work.finish(1);
        this.#execute(request, link, repeats - 1);
        return;
      }
      this.#answer(request, link, () => work.finish(1));
      for (const drop of work.drops) {
        this.#network.clock.after(this.script.removalMs(), this.#alive(drop));
      }
    });
    this.#network.clock.after(this.script.delayMs(request), carryOut);
  }

  /** What others were told to do before it ended. */
  #leaveBehind(): void {
    for (const [work, request] of this.#begun) {
      // What one sends that the others have expelled they refuse.
      const left = this.#expelled ? null : this.script.outlives(request);
      if (left === null) continue;
      this.#network.clock.after(left.afterMs, () => {
        this.trace?.(`${describe(request)} carried out by the others, ${left.part} of it`);
        work.finish(left.part);
      });
    }
    this.#begun.clear();
  }

  #answer(request: Incoming, link: SimulatedLink, execute: () => Answer): void {
    const answer = this.script.instead(request) ?? execute();
    this.trace?.(`${describe(request)} is answered 0x${answer.result.toString(16)}`);
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
    writeVid(reply, answer);
    reply.set(answer.data, headerBytes);
    if (request.opcode === opcodes.getNodeList.code) {
      reply[nodesCount] = answer.data.length / NodeRecord.size;
    }
    const sent = this.script.garble(reply, request);
    if (sent !== null) link.answer(sent);
  }
}

function describe({ opcode, key, offset, length }: Incoming): string {
  const what = Object.entries(opcodes).find(([, { code }]) => code === opcode)?.[0];
  return `${what ?? opcode} ${key} [${offset}, +${length})`;
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
  const high = view.getUint32(at.oidHigh, true);
  const incoming: Incoming = {
    opcode: view.getUint8(at.opcode),
    flags,
    id: view.getUint32(at.id, true),
    key: `${high.toString(16)}/${view.getUint32(at.oidLow, true)}`,
    oid: readOid(view, at.oidLow),
    cowVid: view.getUint32(at.cowOidHigh, true) & vidMax,
    offset: view.getUint32(at.offset, true),
    length,
    snapId: view.getUint32(VdiRequestHeader.offsets.snapId, true),
    data: pending.slice(headerBytes, bytes),
  };
  return { incoming, bytes };
}
