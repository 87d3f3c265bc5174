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
import { backoffMs } from "./replay.ts";
import type { ClusterIdentity } from "./sign.ts";

export interface PoolOwner {
  /** Something waits for a gateway. */
  readonly needsGateway: boolean;
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

/** Which gateway is used: the current one as long as it can be, then the next of the list. */
export class GatewayPool implements GatewayOwner {
  readonly #ports: PoolPorts;
  readonly #owner: PoolOwner;
  #addresses: readonly Address[];
  #index = 0;
  #current: Gateway | null = null;
  /** Left, with answers still to come. */
  readonly #retiring = new Set<Gateway>();
  #timer: Timer | null = null;
  #attempt = 0;
  /** Gateways tried in vain since one was ready. */
  #failed = 0;
  #everReady = false;
  /** Why the gateways that were tried since one was ready could not be used, by address. */
  readonly #reasons = new Map<string, SheepfsError>();
  #hopeful = false;
  #identity: ClusterIdentity = null;
  /** Whether another cluster may take the place of the one we knew. */
  mayChangeCluster: () => boolean = () => false;

  constructor(ports: PoolPorts, owner: PoolOwner, addresses: readonly Address[]) {
    assert(addresses.length > 0, "a client has a gateway");
    this.#ports = ports;
    this.#owner = owner;
    this.#addresses = addresses;
  }

  get addresses(): readonly Address[] {
    return this.#addresses;
  }

  get address(): Address {
    const address = this.#current?.address ?? this.#addresses[this.#index];
    assert(address !== undefined, "the index is within the list");
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
    if (this.#current === null && this.#timer === null) this.#open();
  }

  /** The cluster answered a request: trouble is over. */
  worked(): void {
    this.#attempt = 0;
  }

  check(nowMs: number): void {
    this.#current?.check(nowMs);
    for (const gateway of [...this.#retiring]) {
      if (gateway.requests > 0) {
        gateway.check(nowMs);
      } else {
        this.#retiring.delete(gateway);
        gateway.destroy();
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
    const why = new SheepfsError("unavailable", `the sheep at ${gateway.title} is leaving`);
    this.#next(gateway.address, why);
  }

  /** From now on these, beginning with one that was found good; the old one answers what it owes. */
  moveTo(addresses: readonly Address[], index: number, identity: ClusterIdentity): void {
    const old = this.#current;
    this.#current = null;
    this.#timer?.cancel();
    this.#timer = null;
    this.#addresses = addresses;
    this.#index = index;
    this.#attempt = 0;
    this.#failed = 0;
    this.#reasons.clear();
    if (identity !== null) this.#identity = identity;
    if (old !== null) this.#retire(old);
    if (this.#owner.needsGateway) this.#open();
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
    this.forEachGateway((gateway) => gateway.destroy());
    this.#current = null;
    this.#retiring.clear();
  }

  refuses(gateway: Gateway, identity: ClusterIdentity): SheepfsError | null {
    const refused = this.otherCluster(gateway.title, identity);
    if (refused === null && identity !== null) this.#identity = identity;
    return refused;
  }

  gatewayReady(gateway: Gateway, epoch: number): void {
    if (gateway !== this.#current) return;
    if (this.#failed > 0) this.#ports.log.info(`the sheep at ${gateway.title} answers`);
    this.#failed = 0;
    this.#everReady = true;
    this.#hopeful = false;
    this.#reasons.clear();
    this.#owner.gatewayReady(gateway, epoch);
  }

  answered(flight: Flight, gateway: Gateway): void {
    this.#owner.answered(flight, gateway);
  }

  connectionLost(connection: Connection, why: SheepfsError): void {
    this.#owner.connectionLost(connection, why);
  }

  gatewayDown(gateway: Gateway, why: SheepfsError): void {
    this.#retiring.delete(gateway);
    if (gateway !== this.#current) return;
    this.#current = null;
    if (this.#failed === 0) this.#ports.log.warn(why.message);
    // A sheep that was good may be so again, whatever ended it.
    if (gateway.wasReady) this.#hopeful = true;
    this.#next(gateway.address, why);
  }

  #open(): void {
    this.#current = new Gateway(this.#ports, this.address, this);
    this.#current.open();
  }

  #retire(gateway: Gateway): void {
    this.#retiring.add(gateway);
    if (this.#retiring.size <= limits.gatewaysRetiringMax) return;
    const [oldest] = this.#retiring;
    oldest?.fail(new SheepfsError("unavailable", `the sheep at ${oldest.title} was left long ago`));
  }

  /** The gateway of this index is no good: the next of the list, after all of them a pause. */
  #next(address: Address, why: SheepfsError): void {
    this.#reasons.set(formatAddress(address), why);
    this.#failed += 1;
    if (!hopeless.has(why.code)) this.#hopeful = true;
    this.#index = (this.#index + 1) % this.#addresses.length;
    if (this.#failed % this.#addresses.length !== 0) {
      if (this.#owner.needsGateway) this.#open();
      return;
    }
    const hopeful = this.#hopeful && this.#everReady;
    this.#hopeful = false;
    this.#timer = this.#ports.clock.after(this.#pauseMs(), () => {
      this.#timer = null;
      if (this.#owner.needsGateway) this.ensure();
    });
    this.#owner.noGateway(this.lastWhy ?? why, !hopeful);
  }

  #pauseMs(): number {
    this.#attempt += 1;
    return backoffMs(this.#attempt - 1, this.#ports.random);
  }
}
