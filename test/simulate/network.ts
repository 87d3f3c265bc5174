import { type Address, formatAddress } from "../../src/base/address.ts";
import { SheepfsError } from "../../src/base/errors.ts";
import type { Random } from "../../src/base/random.ts";
import { type Tube, tubeFull } from "../../src/base/transfer.ts";
import type { Link, LinkEvents, Transport } from "../../src/client/transport.ts";
import type { SimulatedClock } from "./clock.ts";
import { MemoryTube } from "./memory-tube.ts";

/** The other end of a link. */
export interface Peer {
  accept(link: SimulatedLink): void;
}

/** How bytes travel; may be changed while they do. */
export interface Weather {
  /** Longest time of a piece on its way. */
  latencyMs: number;
  /** Bytes arrive in pieces of at most so many. */
  cutBytes: number;
  /** A link takes at most so many bytes at once. */
  takeBytes: number;
}

const retransmitMs = 100;

/** A network in memory: every cut, delay and order comes from the seed. */
export class SimulatedNetwork implements Transport {
  readonly clock: SimulatedClock;
  readonly random: Random;
  readonly weather: Weather = { latencyMs: 1, cutBytes: 1 << 20, takeBytes: 1 << 20 };
  /** Its links can put what they read into tubes. */
  pours = false;
  /** Links ever made. */
  readonly links: SimulatedLink[] = [];
  readonly #peers = new Map<string, Peer>();
  readonly #apart = new Set<string>();

  constructor(clock: SimulatedClock, random: Random) {
    this.clock = clock;
    this.random = random;
  }

  listen(at: Address, peer: Peer | null): void {
    if (peer === null) this.#peers.delete(formatAddress(at));
    else this.#peers.set(formatAddress(at), peer);
  }

  connect(to: Address, events: LinkEvents): Link {
    const link = new SimulatedLink(this, to, events);
    this.links.push(link);
    const arrive = (): void => {
      if (link.ended) return;
      if (this.isApart(to)) {
        this.clock.after(retransmitMs, arrive);
        return;
      }
      const peer = this.#peers.get(formatAddress(to));
      if (peer === undefined) link.refuse();
      else link.established(peer);
    };
    this.clock.after(this.delay(), arrive);
    return link;
  }

  /** Between the client and this address nothing travels, and nobody is told. */
  part(from: Address): void {
    this.#apart.add(formatAddress(from));
  }

  heal(from: Address): void {
    this.#apart.delete(formatAddress(from));
  }

  isApart(from: Address): boolean {
    return this.#apart.has(formatAddress(from));
  }

  delay(): number {
    return (this.random.below(1_000) / 1_000) * this.weather.latencyMs;
  }

  cut(length: number, most: number): number {
    return most >= length ? length : 1 + this.random.below(Math.max(1, most));
  }
}

/** One connection, seen from both ends. */
export class SimulatedLink implements Link {
  readonly pour?: NonNullable<Link["pour"]>;
  readonly to: Address;
  /** Set by the peer: bytes in order, and the end. */
  onBytes: (bytes: Uint8Array) => void = () => {};
  onEnd: () => void = () => {};
  readonly #network: SimulatedNetwork;
  readonly #events: LinkEvents;
  #at: "connecting" | "open" | "ended" = "connecting";
  #inbox: Uint8Array[] = [];
  #toPeer: Uint8Array[] = [];
  #toClient: Uint8Array[] = [];
  #moving = { toPeer: false, toClient: false };
  #blocked = false;
  #flushAsked = false;
  #readableDue = false;
  #ending: SheepfsError | null | undefined;

  constructor(network: SimulatedNetwork, to: Address, events: LinkEvents) {
    this.#network = network;
    this.to = to;
    this.#events = events;
    if (network.pours) this.pour = (tube, length) => this.#pour(tube, length);
  }

  get ended(): boolean {
    return this.#at === "ended";
  }

  refuse(): void {
    if (this.#at === "ended") return;
    this.#at = "ended";
    const text = `connection refused: no sheep listens at ${formatAddress(this.to)}`;
    this.#events.close(new SheepfsError("unavailable", text), true);
  }

  established(peer: Peer): void {
    if (this.#at === "ended") return;
    this.#at = "open";
    peer.accept(this);
    this.#events.open();
  }

  /** The peer sends. */
  answer(bytes: Uint8Array): void {
    // After its end it sends nothing: a late answer would follow on bytes that the reset has lost.
    if (this.#at !== "open" || this.#ending !== undefined) return;
    this.#toClient.push(bytes.slice());
    this.#moveToClient();
  }

  /** The peer ends the connection; what it sent before still arrives, or not when it is `abrupt`. */
  end(abrupt: boolean): void {
    if (this.#at !== "open") return;
    // It has closed its socket: what still comes is not read.
    this.onBytes = () => {};
    this.#ending = abrupt ? new SheepfsError("unavailable", "the connection was reset") : null;
    if (abrupt) this.#toClient = [];
    if (this.#toClient.length === 0) this.#endSoon();
  }

  read(into: Uint8Array, at: number, length: number): number {
    if (at + length > into.length) throw new Error("a read beyond the buffer");
    const [first] = this.#inbox;
    if (first === undefined) return 0;
    const count = Math.min(length, first.length);
    into.set(first.subarray(0, count), at);
    if (count === first.length) this.#inbox.shift();
    else this.#inbox[0] = first.subarray(count);
    return count;
  }

  #pour(tube: Tube, length: number): number {
    const [first] = this.#inbox;
    if (first === undefined) return 0;
    if (!(tube instanceof MemoryTube)) throw new Error("a tube of another kind");
    const bytes = new Uint8Array(Math.min(length, first.length, tube.room));
    if (bytes.length === 0) return tubeFull;
    const count = this.read(bytes, 0, bytes.length);
    tube.put(bytes);
    return count;
  }

  write(
    head: Uint8Array,
    headAt: number,
    headLength: number,
    body: Uint8Array | null,
    bodyAt: number,
    bodyLength: number,
  ): number {
    if (this.#at !== "open") return 0;
    const total = headLength + bodyLength;
    const taken = this.#blocked ? 0 : this.#network.cut(total, this.#network.weather.takeBytes);
    const bytes = new Uint8Array(taken);
    const fromHead = Math.min(taken, headLength);
    bytes.set(head.subarray(headAt, headAt + fromHead));
    if (body !== null) bytes.set(body.subarray(bodyAt, bodyAt + taken - fromHead), fromHead);
    if (taken > 0) {
      this.#toPeer.push(bytes);
      this.#moveToPeer();
    }
    if (taken < total && !this.#blocked) {
      this.#blocked = true;
      this.#network.clock.after(this.#network.delay(), () => {
        this.#blocked = false;
        if (this.#at === "open") this.#events.writable();
      });
    }
    return taken;
  }

  flushSoon(): void {
    if (this.#flushAsked) return;
    this.#flushAsked = true;
    this.#network.clock.after(0, () => {
      this.#flushAsked = false;
      if (this.#at === "open") this.#events.flush();
    });
  }

  pause(): void {}

  resume(): void {}

  destroy(): void {
    if (this.#at === "ended") return;
    this.#at = "ended";
    this.#inbox = [];
    // What is on its way arrives before the reset does; the rest is still here, and forgotten.
    const onItsWay = this.#network.isApart(this.to) ? null : this.#takePiece(this.#toPeer);
    this.#toPeer = onItsWay === null ? [] : [onItsWay];
    if (onItsWay === null) this.onEnd();
  }

  #moveToPeer(): void {
    if (this.#moving.toPeer) return;
    this.#moving.toPeer = true;
    this.#network.clock.after(this.#delay(), () => {
      this.#moving.toPeer = false;
      if (!this.#network.isApart(this.to)) {
        const bytes = this.#takePiece(this.#toPeer);
        if (bytes !== null) this.onBytes(bytes);
      }
      if (this.#toPeer.length > 0) this.#moveToPeer();
      else if (this.#at === "ended") this.onEnd();
    });
  }

  #moveToClient(): void {
    if (this.#moving.toClient) return;
    this.#moving.toClient = true;
    this.#network.clock.after(this.#delay(), () => {
      this.#moving.toClient = false;
      if (this.#at !== "open") return;
      const bytes = this.#network.isApart(this.to) ? null : this.#takePiece(this.#toClient);
      if (bytes !== null) {
        this.#inbox.push(bytes);
        this.#readableSoon();
      }
      if (this.#toClient.length > 0) this.#moveToClient();
      else if (this.#ending !== undefined) this.#endSoon();
    });
  }

  #readableSoon(): void {
    if (this.#readableDue) return;
    this.#readableDue = true;
    this.#network.clock.after(0, () => {
      this.#readableDue = false;
      if (this.#at !== "open") return;
      this.#events.readable();
      if (this.#at === "open" && this.#inbox.length > 0) this.#readableSoon();
    });
  }

  #delay(): number {
    return this.#network.isApart(this.to) ? retransmitMs : this.#network.delay();
  }

  #endSoon(): void {
    this.#network.clock.after(this.#delay(), () => {
      if (this.#at !== "open") return;
      if (this.#network.isApart(this.to)) {
        this.#endSoon();
        return;
      }
      this.#at = "ended";
      this.#events.close(this.#ending ?? null);
    });
  }

  #takePiece(queue: Uint8Array[]): Uint8Array | null {
    const [first] = queue;
    if (first === undefined) return null;
    const length = this.#network.cut(first.length, this.#network.weather.cutBytes);
    if (length === first.length) queue.shift();
    else queue[0] = first.subarray(length);
    return first.subarray(0, length);
  }
}
