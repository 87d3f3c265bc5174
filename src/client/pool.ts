import { type Address, formatAddress } from "../base/address.ts";
import { assert } from "../base/assert.ts";
import type { Timer } from "../base/clock.ts";
import { type ErrorCode, SheepfsError } from "../base/errors.ts";
import { limits } from "../base/limits.ts";
import type { Logger } from "../base/log.ts";
import type { Random } from "../base/random.ts";
import type { Connection, ConnectionPorts } from "./connection.ts";
import type { Flight } from "./flight.ts";
import { Gateway, type GatewayOwner } from "./gateway.ts";
import { Homecoming } from "./homecoming.ts";
import { backoffMs } from "./replay.ts";
import { Round } from "./round.ts";
import type { ClusterIdentity } from "./sign.ts";
import { Spares } from "./spares.ts";

export interface PoolOwner {
  /** Something waits for a gateway. */
  readonly needsGateway: boolean;
  /** Of the cluster, as far as answers told; 0: not at all. */
  readonly epoch: number;
  /** More can be sent than before. */
  gatewayReady(gateway: Gateway, epoch: number): void;
  answered(flight: Flight, gateway: Gateway): void;
  connectionLost(connection: Connection, why: SheepfsError): void;
  /**
   * Every gateway was tried and none can be used. `hopeless`: trying again would not help, or none
   * ever answered, so that what waits is better told at once.
   */
  noGateway(why: SheepfsError, hopeless: boolean): void;
}

export interface PoolPorts extends ConnectionPorts {
  readonly random: Random;
  readonly log: Logger;
}

/** Reasons that a pause does not cure. */
const hopeless: ReadonlySet<ErrorCode> = new Set<ErrorCode>(["version", "invalid", "corrupt"]);

/**
 * Which gateway is used: the current one as long as it can be, then another one, of those that were
 * named and of the members of their cluster. One that fell silent is left as soon as another one
 * answers; one that was named earlier in the list is returned to when it is back.
 */
export class GatewayPool implements GatewayOwner {
  readonly #ports: PoolPorts;
  readonly #owner: PoolOwner;
  /** As they were named: the first is preferred. */
  #named: readonly Address[];
  readonly #spares: Spares;
  readonly #homecoming: Homecoming;
  #current: Gateway | null = null;
  /** The search for a gateway, also for one in place of a silent one. */
  #round: Round | null = null;
  /** What a round begins and ends with. */
  #firstTried: Address | null = null;
  #lastTried: Address | null = null;
  /** Left, with answers still to come. */
  readonly #retiring = new Set<Gateway>();
  #timer: Timer | null = null;
  /** Gateways lost and rounds in vain since the cluster answered a request. */
  #attempt = 0;
  #everReady = false;
  /** Why the gateways that were tried since one was ready could not be used, by address. */
  readonly #reasons = new Map<string, SheepfsError>();
  #hopeful = false;
  #identity: ClusterIdentity = null;
  /** A sheep was refused as it belongs to another cluster, and none was found since. */
  #sawAnother = false;
  /** Whether another cluster may take the place of the one we knew. */
  mayChangeCluster: () => boolean = () => false;

  constructor(ports: PoolPorts, owner: PoolOwner, addresses: readonly Address[]) {
    assert(addresses.length > 0, "a client has a gateway");
    this.#ports = ports;
    this.#owner = owner;
    this.#named = addresses;
    this.#spares = new Spares(ports);
    this.#homecoming = new Homecoming(ports, (address) => this.#return(address));
  }

  /** As they were named. */
  get addresses(): readonly Address[] {
    return this.#named;
  }

  /** Members of the cluster that are used when none of those answers. */
  get spares(): readonly Address[] {
    return this.#spares.addresses;
  }

  /** The gateway in use, or the one that is tried first. */
  get address(): Address {
    const using = this.#current ?? this.#round?.first;
    const address = using?.address ?? this.#candidates()[0];
    assert(address !== undefined, "somebody was named");
    return address;
  }

  /** For messages. */
  get title(): string {
    return formatAddress(this.address);
  }

  get current(): Gateway | null {
    return this.#current;
  }

  get ready(): boolean {
    return this.#current?.ready ?? false;
  }

  /** Something is under way on some connection. */
  get busy(): boolean {
    return this.#retiring.size > 0 || (this.#current !== null && this.#current.requests > 0);
  }

  /** Why there is no gateway, as far as is known. */
  get lastWhy(): SheepfsError | null {
    const [first, ...others] = this.#reasons.values();
    if (first === undefined || others.length === 0) return first ?? null;
    const messages = [first, ...others].map((why) => why.message);
    return new SheepfsError(first.code, messages.join("; "), { cause: first });
  }

  get retiring(): number {
    return this.#retiring.size;
  }

  pick(): Connection | null {
    return this.#current?.pick() ?? null;
  }

  /** Sees to it that there is a gateway, or will be. */
  ensure(): void {
    if (this.#current === null) this.#search();
  }

  /** The cluster answered a request: trouble is over. */
  worked(): void {
    this.#attempt = 0;
  }

  /** These sheep are the members of the cluster now. */
  learn(members: readonly Address[]): void {
    if (this.#identity !== null) this.#spares.heard(members, this.#named, this.#identity);
  }

  check(nowMs: number): void {
    const current = this.#current;
    current?.check(nowMs);
    if (current !== null && current === this.#current) this.#judge(current, nowMs);
    for (const gateway of [...this.#retiring]) {
      gateway.check(nowMs);
      if (gateway.requests === 0) {
        this.#retiring.delete(gateway);
        gateway.destroy();
      } else if (gateway.silent && this.ready) {
        gateway.fail(silence(gateway));
      }
    }
  }

  forEachGateway(visit: (gateway: Gateway) => void): void {
    if (this.#current !== null) visit(this.#current);
    for (const gateway of [...this.#retiring]) visit(gateway);
  }

  /** This gateway says itself that it is no good: another is used, it answers what it still owes. */
  leave(gateway: Gateway): void {
    if (gateway !== this.#current) return;
    this.#current = null;
    this.#retire(gateway);
    const text = `the sheep at ${gateway.title} is leaving`;
    this.#lost(gateway, new SheepfsError("unavailable", text));
  }

  /** From now on these, beginning with one that was found good; the old one answers what it owes. */
  moveTo(addresses: readonly Address[], index: number, identity: ClusterIdentity): void {
    this.#named = addresses;
    this.#reasons.clear();
    if (identity !== null) this.#identity = identity;
    this.#spares.forget();
    this.#change(addresses[index] ?? null);
  }

  /** What answers is this cluster now: sheep are asked anew which one they belong to. */
  become(identity: ClusterIdentity): void {
    if (identity === null || identity === this.#identity) return;
    const known = this.#identity !== null;
    this.#identity = identity;
    if (!known) return;
    this.#spares.forget();
    this.#change(this.#current?.address ?? null);
  }

  /** Sheep answer, of another cluster than ours, and none of ours does. */
  get onlyAnother(): boolean {
    return this.#current === null && this.#sawAnother;
  }

  /** @returns why a sheep with this identity may not be used */
  otherCluster(title: string, identity: ClusterIdentity): SheepfsError | null {
    if (identity === null || this.#identity === null || identity === this.#identity) return null;
    if (this.mayChangeCluster()) return null;
    const text = `the sheep at ${title} belongs to another cluster than the attached volumes`;
    return new SheepfsError("invalid", `${text}; detach them first`);
  }

  destroy(): void {
    this.#timer?.cancel();
    this.#stopRound();
    this.#spares.forget();
    this.#homecoming.destroy();
    this.forEachGateway((gateway) => gateway.destroy());
    this.#current = null;
    this.#retiring.clear();
  }

  refuses(gateway: Gateway, identity: ClusterIdentity): SheepfsError | null {
    const refused = this.otherCluster(gateway.title, identity);
    if (refused !== null) this.#sawAnother = true;
    else if (identity !== null) this.#identity = identity;
    return refused;
  }

  gatewayReady(gateway: Gateway, epoch: number): void {
    if (this.#round?.has(gateway) === true) this.#found(gateway);
    if (gateway === this.#current) this.#owner.gatewayReady(gateway, epoch);
  }

  answered(flight: Flight, gateway: Gateway): void {
    this.#owner.answered(flight, gateway);
  }

  connectionLost(connection: Connection, why: SheepfsError): void {
    this.#owner.connectionLost(connection, why);
  }

  gatewayDown(gateway: Gateway, why: SheepfsError): void {
    this.#retiring.delete(gateway);
    if (this.#round?.has(gateway) === true) {
      this.#triedInVain(this.#round, gateway, why);
    } else if (gateway === this.#current) {
      this.#current = null;
      this.#ports.log.warn(why.message);
      this.#lost(gateway, why);
    }
  }

  #candidates(): Address[] {
    const all = [...this.#named, ...this.#spares.addresses];
    const rankOf = (address: Address): number => {
      if (address === this.#firstTried) return 0;
      return address === this.#lastTried ? 2 : 1;
    };
    return all.sort((a, b) => rankOf(a) - rankOf(b));
  }

  /** Begins to look for a gateway, unless that is under way or has to wait. */
  #search(): void {
    if (this.#round !== null || this.#timer !== null) return;
    const inUse = this.#current?.address;
    const addresses = this.#candidates().filter((address) => address !== inUse);
    if (addresses.length === 0) return;
    this.#round = new Round(this.#ports.clock, addresses, (address) => {
      const gateway = new Gateway(this.#ports, address, this);
      gateway.open();
      return gateway;
    });
  }

  #stopRound(): void {
    this.#round?.destroy();
    this.#round = null;
  }

  #found(gateway: Gateway): void {
    const silent = this.#current;
    this.#round?.take(gateway);
    this.#round = null;
    this.#current = gateway;
    this.#firstTried = null;
    if (this.#reasons.size > 0 || silent !== null) {
      this.#ports.log.info(`the sheep at ${gateway.title} answers`);
    }
    this.#everReady = true;
    this.#hopeful = false;
    this.#sawAnother = false;
    this.#reasons.clear();
    if (silent === null) return;
    const why = silence(silent);
    this.#ports.log.warn(why.message);
    this.#lastTried = silent.address;
    this.#homecoming.lost();
    silent.fail(why);
  }

  #judge(current: Gateway, nowMs: number): void {
    if (current.silent) {
      this.#search();
      return;
    }
    this.#stopRound();
    const rank = this.#named.indexOf(current.address);
    const better = rank < 0 ? this.#named : this.#named.slice(0, rank);
    if (better.length === 0) return;
    const cluster = { identity: this.#identity, epoch: this.#owner.epoch };
    this.#homecoming.check(nowMs, better, cluster);
  }

  #return(address: Address): void {
    this.#ports.log.info(`the sheep at ${formatAddress(address)} is back and used again`);
    this.#change(address);
  }

  /** Another gateway is to be used, this one if it can be; the present one answers what it owes. */
  #change(address: Address | null): void {
    const old = this.#current;
    this.#current = null;
    this.#stopRound();
    this.#timer?.cancel();
    this.#timer = null;
    this.#attempt = 0;
    this.#firstTried = address;
    this.#lastTried = old?.address ?? null;
    if (old !== null) this.#retire(old);
    if (this.#owner.needsGateway) this.#search();
  }

  #retire(gateway: Gateway): void {
    this.#retiring.add(gateway);
    if (this.#retiring.size <= limits.gatewaysRetiringMax) return;
    const [oldest] = this.#retiring;
    oldest?.fail(new SheepfsError("unavailable", `the sheep at ${oldest.title} was left long ago`));
  }

  /** The gateway in use is no good any more: the others at once, after all of them a pause. */
  #lost(gateway: Gateway, why: SheepfsError): void {
    this.#reasons.set(gateway.title, why);
    // A sheep that was good may be so again, whatever ended it.
    this.#hopeful = true;
    this.#lastTried = gateway.address;
    this.#homecoming.lost();
    this.#attempt += 1;
    if (this.#attempt % this.#candidates().length === 0) this.#pause();
    else if (this.#owner.needsGateway) this.#search();
  }

  #triedInVain(round: Round, gateway: Gateway, why: SheepfsError): void {
    if (this.#reasons.size === 0 && this.#current === null) this.#ports.log.warn(why.message);
    if (this.#current === null) this.#reasons.set(gateway.title, why);
    if (!hopeless.has(why.code)) this.#hopeful = true;
    if (!round.down(gateway)) return;
    this.#round = null;
    this.#attempt += 1;
    this.#pause();
    if (this.#current !== null) return;
    const hopeful = this.#hopeful && this.#everReady;
    this.#hopeful = false;
    this.#owner.noGateway(this.lastWhy ?? why, !hopeful);
  }

  #pause(): void {
    const pauseMs = backoffMs(Math.max(0, this.#attempt - 1), this.#ports.random);
    this.#timer?.cancel();
    this.#timer = this.#ports.clock.after(pauseMs, () => {
      this.#timer = null;
      if (this.#owner.needsGateway) this.ensure();
    });
  }
}

function silence(gateway: Gateway): SheepfsError {
  return new SheepfsError("unavailable", `the sheep at ${gateway.title} fell silent`);
}
