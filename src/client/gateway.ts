import { type Address, formatAddress } from "../base/address.ts";
import type { SheepfsError } from "../base/errors.ts";
import { limits } from "../base/limits.ts";
import { Connection, type ConnectionOwner, type ConnectionPorts } from "./connection.ts";
import type { Flight } from "./flight.ts";
import { Probe } from "./probe.ts";
import type { ClusterIdentity } from "./sign.ts";

export interface GatewayOwner {
  /** The sheep can be used: the first time, and with each further connection. */
  gatewayReady(gateway: Gateway, epoch: number): void;
  /** @returns why a sheep of this cluster may not be used, or null */
  refuses(gateway: Gateway, identity: ClusterIdentity): SheepfsError | null;
  answered(flight: Flight, gateway: Gateway): void;
  /** What was under way on a connection that has closed is the owner's now. */
  connectionLost(connection: Connection, why: SheepfsError): void;
  /** No connection is left. */
  gatewayDown(gateway: Gateway, why: SheepfsError): void;
}

/** What one request weighs beside its payload when connections are compared. */
const requestWeightBytes = 16 * 1024;
/**
 * Up to here requests stay on one connection: those of one burst then go out in one system call and
 * are answered in few. 4 KiB at depth 16 are some 10 % faster so than spread over four.
 */
const gatherBytes = 512 * 1024;
const sizes = { receiveBytes: limits.receiveBufferBytes, sendBytes: limits.sendBufferBytes };

/** The connections to one sheep, from the first attempt until the last of them is gone. */
export class Gateway implements ConnectionOwner {
  readonly address: Address;
  /** FLUSH_VDI was answered with: nothing to flush, do not ask again. */
  flushFree = false;
  /** Took requests once. */
  wasReady = false;
  /** It owes answers and gives no sign of life in any way, for as long as a live one never does. */
  silent = false;
  readonly #ports: ConnectionPorts;
  readonly #owner: GatewayOwner;
  readonly #connections: Connection[] = [];
  #openNotBeforeMs = 0;
  #ended = false;
  #heardAtMs: number;
  #probe: Probe | null = null;

  constructor(ports: ConnectionPorts, address: Address, owner: GatewayOwner) {
    this.#ports = ports;
    this.address = address;
    this.#owner = owner;
    this.#heardAtMs = ports.clock.nowMs();
  }

  get connections(): number {
    return this.#connections.length;
  }

  get ready(): boolean {
    return this.#connections.some((connection) => connection.ready);
  }

  /** Requests under way, those included that nobody waits for. */
  get requests(): number {
    let count = 0;
    for (const connection of this.#connections) count += connection.requests;
    return count;
  }

  get title(): string {
    return formatAddress(this.address);
  }

  open(): void {
    this.#connections.push(new Connection(this.#ports, this.address, this, sizes));
  }

  /**
   * A connection that can take one more, or null: the first that has little under way, else the one
   * with the least. Opens a further one when all have much to do.
   */
  pick(): Connection | null {
    let best: Connection | null = null;
    let bestLoad = Number.POSITIVE_INFINITY;
    for (const connection of this.#connections) {
      if (!connection.ready || connection.requests >= limits.connectionRequestsMax) continue;
      const load = connection.bytes + connection.requests * requestWeightBytes;
      if (load < gatherBytes) return connection;
      if (load >= bestLoad) continue;
      best = connection;
      bestLoad = load;
    }
    if (this.#connections.length < limits.connectionsPerGateway) this.#openFurther();
    return best;
  }

  check(nowMs: number): void {
    let quiet = false;
    let heard = false;
    for (const connection of [...this.#connections]) {
      const sinceMs = connection.check(nowMs);
      quiet ||= sinceMs !== null;
      heard ||= sinceMs === null && connection.requests > 0;
    }
    if (heard || !quiet) {
      this.#heard(nowMs);
      return;
    }
    const quietMs = nowMs - this.#heardAtMs;
    if (quietMs >= limits.quietMs) this.#ask();
    this.silent = quietMs >= limits.silentMs;
  }

  forEach(visit: (flight: Flight) => void): void {
    for (const connection of [...this.#connections]) connection.forEach(visit);
  }

  forEachConnection(visit: (connection: Connection) => void): void {
    for (const connection of [...this.#connections]) visit(connection);
  }

  /** Closes what is left; flights under way go to the owner, and then it is down. */
  fail(why: SheepfsError): void {
    for (const connection of [...this.#connections]) connection.fail(why);
  }

  destroy(): void {
    this.#ended = true;
    this.#probe?.destroy();
    for (const connection of this.#connections.splice(0)) connection.destroy();
  }

  connectionReady(connection: Connection): void {
    const refused = this.#owner.refuses(this, connection.identity);
    if (refused !== null) {
      this.fail(refused);
      return;
    }
    this.wasReady = true;
    this.#owner.gatewayReady(this, connection.epoch);
  }

  answered(_connection: Connection, flight: Flight): void {
    this.#owner.answered(flight, this);
  }

  connectionClosed(connection: Connection, why: SheepfsError): void {
    const place = this.#connections.indexOf(connection);
    if (place >= 0) this.#connections.splice(place, 1);
    this.#openNotBeforeMs = this.#ports.clock.nowMs() + limits.backoffLongestMs;
    this.#owner.connectionLost(connection, why);
    if (this.#ended || this.#connections.length > 0) return;
    this.#ended = true;
    this.#probe?.destroy();
    this.#owner.gatewayDown(this, why);
  }

  #heard(nowMs: number): void {
    this.#heardAtMs = nowMs;
    this.silent = false;
    this.#probe?.destroy();
    this.#probe = null;
  }

  #ask(): void {
    if (this.#ended) return;
    this.#probe ??= new Probe(this.#ports, this.address, (outcome) => {
      this.#probe = null;
      if (outcome.is === "alive") this.#heard(this.#ports.clock.nowMs());
      // The process that had our requests has ended; its connections just have not said so.
      else if (outcome.decided) this.fail(outcome.why);
    });
  }

  #openFurther(): void {
    // One at a time, and not at once after one was lost.
    if (!this.wasReady || this.#connections.some((connection) => !connection.ready)) return;
    if (this.#ports.clock.nowMs() >= this.#openNotBeforeMs) this.open();
  }
}
