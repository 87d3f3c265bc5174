import type { Address } from "../base/address.ts";
import type { Timer } from "../base/clock.ts";
import { SheepfsError } from "../base/errors.ts";
import { limits } from "../base/limits.ts";
import type { Scope } from "../base/scope.ts";
import { resultError, results } from "../wire/result.ts";
import type { Connection } from "./connection.ts";
import { newCounters } from "./counters.ts";
import { closedError, doubted, endOf, unusable } from "./ending.ts";
import type { Suspect } from "./exclusion.ts";
import { type CallPlan, type CallSink, Flight } from "./flight.ts";
import type { Gateway } from "./gateway.ts";
import { Holding } from "./holding.ts";
import type { ObjectRequest } from "./object-request.ts";
import { GatewayPool, type PoolOwner, type PoolPorts } from "./pool.ts";
import { FlightQueue } from "./queue.ts";
import { afterAnswer, afterLoss, backoffMs } from "./replay.ts";
import { Succession } from "./succession.ts";
import { Turns } from "./turns.ts";
import { Waits, worldOf } from "./waits.ts";

/** Who belongs to the cluster: its client looks that up through us. */
export interface ClusterMembers {
  lookSoon(): void;
  left(address: Address): Promise<boolean>;
  recovering(): Promise<boolean>;
}

interface DispatchPorts extends PoolPorts {
  /** See SheepClientOptions. */
  readonly predecessors: readonly Address[];
}

/**
 * Takes every request of a client through its attempts: waiting, sent, sent again after a pause or
 * a lost connection, held until lost copies are excluded. Each ends exactly once.
 *
 * What exceeds the limits of a connection or of the bytes in flight waits in order of coming. The
 * queue is bounded by those who submit: a frontend has messagesInflightMax messages under way, each
 * with piecesInflightMax pieces, and calls are few and sequential.
 */
export class Dispatcher implements PoolOwner {
  readonly pool: GatewayPool;
  readonly counters = newCounters();
  readonly waits: Waits;
  readonly #ports: PoolPorts;
  readonly #members: ClusterMembers;
  readonly holding: Holding;
  readonly #turns: Turns;
  readonly #succession: Succession;
  readonly #waiting = new FlightQueue();
  readonly #paused = new Map<Flight, Timer>();
  readonly #free: Flight[] = [];
  /** Flights that have not ended, abandoned ones included, detached ones not. */
  #count = 0;
  #bytes = 0;
  #sweepTimer: Timer | null = null;
  #pumpTimer: Timer | null = null;
  #nowMs = 0;
  #closed = false;
  /** Told before anything is sent to a sheep that nothing was sent to. */
  usesSheep: () => void = () => {};

  constructor(ports: DispatchPorts, addresses: readonly Address[], members: ClusterMembers) {
    this.#ports = ports;
    this.#members = members;
    this.waits = new Waits(ports.clock, ports.log);
    this.pool = new GatewayPool(ports, this, addresses);
    const left = (address: Address): Promise<boolean> => members.left(address);
    this.holding = new Holding({ ...ports, left });
    this.#turns = new Turns({
      clock: ports.clock,
      recovering: () => members.recovering(),
      changed: () => this.#pump(),
      submit: (plan, sink, scope) => this.submitCall(plan, sink, scope),
    });
    const lost = (address: Address): Suspect => this.holding.lost(address);
    const opened = (): void => this.#pump();
    this.#succession = new Succession({ ...ports, lost, opened }, ports.predecessors);
  }

  /** Sheep that may have writes which were not answered. */
  sheepInUse(): Address[] {
    const addresses = this.holding.suspects();
    this.pool.forEachGateway(({ address }) => addresses.push(address));
    return addresses;
  }

  get needsGateway(): boolean {
    return this.#count > 0;
  }

  get epoch(): number {
    return this.#turns.epoch;
  }

  get waiting(): number {
    return this.#waiting.count;
  }

  get bytesInflight(): number {
    return this.#bytes;
  }

  get requestsInflight(): number {
    return this.#count;
  }

  submitObject(request: ObjectRequest, flags: number): void {
    const flight = this.#take();
    flight.beginObject(request, flags);
    this.#begin(flight);
  }

  submitCall(plan: CallPlan, sink: CallSink, scope: Scope): void {
    const flight = this.#take();
    flight.beginCall(plan, sink, scope);
    this.#begin(flight);
  }

  /** Ends everything; nothing is sent any more. */
  destroy(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#sweepTimer?.cancel();
    this.#pumpTimer?.cancel();
    const flights = this.#flights();
    this.holding.destroy();
    this.#turns.destroy();
    this.#succession.destroy();
    for (const timer of this.#paused.values()) timer.cancel();
    this.#waiting.remove(() => true);
    this.pool.destroy();
    for (const flight of flights) {
      if (flight.abandoned) continue;
      const error = closedError(flight);
      flight.object?.done(error);
      flight.call?.done(error, null);
    }
  }

  gatewayReady(gateway: Gateway, epoch: number): void {
    if (gateway.connections === 1) {
      this.usesSheep();
      this.#members.lookSoon();
      this.#turns.restart(epoch);
    } else {
      this.#sawEpoch(epoch);
    }
    this.#pump();
  }

  noGateway(why: SheepfsError, hopeless: boolean): void {
    if (!hopeless) return;
    const gone = this.#waiting.remove((flight) => flight.suspects === null);
    for (const flight of gone) this.#finish(flight, unusable(why));
  }

  answered(flight: Flight, gateway: Gateway): void {
    if (flight.call !== null) flight.gateway = gateway;
    this.holding.removals.mayRemove(flight, gateway.address);
    this.#turns.ended(flight);
    this.#sawEpoch(flight.replyEpoch);
    if (flight.state === "detached") {
      this.#recycle(flight);
    } else if (flight.result === 0) {
      this.pool.worked();
      this.waits.worked();
      if (flight.overtaken) {
        this.#repeat(flight);
      } else {
        this.#conclude(flight, null);
      }
    } else {
      this.#refused(flight, gateway);
    }
    if (this.#waiting.first !== null) this.#pump();
  }

  connectionLost(connection: Connection, why: SheepfsError): void {
    this.counters.connectionsLost += 1;
    const { log } = this.#ports;
    if (why.code === "corrupt") log.warn(why.message);
    else if (log.debugging) log.debug(`connection lost: ${why.message}`);
    connection.forEach((flight) => {
      flight.connection = null;
      this.#turns.ended(flight);
      if (flight.state === "detached") this.#recycle(flight);
      else this.#lost(flight, connection, why);
    });
    // After the other connections have had their say: when one is gone they often all are.
    this.#pumpSoon();
  }

  #take(): Flight {
    return this.#free.pop() ?? new Flight();
  }

  #begin(flight: Flight): void {
    this.#armSweep();
    this.#count += 1;
    this.counters.requests += 1;
    flight.beganMs = this.#nowMs;
    flight.deadlineMs = flight.scope.deadlineMs;
    const ended = this.#closed || flight.scope.cancelled || flight.deadlineMs <= this.#nowMs;
    if (!ended && this.#waiting.first === null && this.#send(flight)) return;
    this.#wait(flight);
    if (this.#apart) this.#pumpSoon();
    if (ended) this.#ports.clock.after(0, () => this.#sweep());
    else this.pool.ensure();
  }

  #wait(flight: Flight): void {
    flight.state = "waiting";
    this.#waiting.push(flight);
  }

  #sawEpoch(epoch: number): void {
    if (epoch > this.#turns.epoch) this.#members.lookSoon();
    this.#turns.sawEpoch(epoch);
  }

  /** What it wrote may be lost in a recovery, and what it read be neither old nor new. */
  #repeat(flight: Flight): void {
    this.counters.repeats += 1;
    this.#wait(flight);
  }

  /** Some may go while others that came before wait. */
  get #apart(): boolean {
    return this.#turns.apart || this.#succession.holds;
  }

  #pumpSoon(): void {
    this.#pumpTimer ??= this.#ports.clock.after(0, () => {
      this.#pumpTimer = null;
      this.#pump();
    });
  }

  #pump(): void {
    if (this.#apart) this.#pumpApart();
    else this.#pumpInOrder();
    if (this.#waiting.first !== null) this.pool.ensure();
  }

  /** Whose object is free goes, whoever else waits. */
  #pumpApart(): void {
    const blocked: Flight[] = [];
    this.#waiting.remove((flight) => {
      if (this.#send(flight)) return true;
      if (!this.#turns.isFree(flight)) blocked.push(flight);
      return false;
    });
    // Each may lead to a request of our own, which is sent soon.
    for (const flight of blocked) if (flight.state === "waiting") this.#turns.waits(flight);
  }

  #pumpInOrder(): void {
    for (let flight = this.#waiting.first; flight !== null; flight = this.#waiting.first) {
      if (!this.#fits(flight)) break;
      const connection = this.pool.pick();
      if (connection === null) break;
      this.#waiting.shift();
      this.#sendOn(connection, flight);
    }
  }

  #send(flight: Flight): boolean {
    if (!this.#fits(flight) || !this.#turns.isFree(flight)) return false;
    if (flight.changes && this.#succession.holds) return false;
    const connection = this.pool.pick();
    if (connection === null) return false;
    this.#sendOn(connection, flight);
    return true;
  }

  #fits(flight: Flight): boolean {
    const { bytes } = flight;
    return flight.charged || this.#bytes === 0 || this.#bytes + bytes <= limits.inflightBytesMax;
  }

  #sendOn(connection: Connection, flight: Flight): void {
    if (!flight.charged) {
      flight.charged = true;
      this.#bytes += flight.bytes;
    }
    this.#turns.began(flight);
    flight.sentEpoch = this.#turns.epoch;
    flight.sends += 1;
    connection.send(flight);
  }

  #uncharge(flight: Flight): void {
    if (!flight.charged) return;
    flight.charged = false;
    this.#bytes -= flight.bytes;
  }

  /** The answer is a result other than success. */
  #refused(flight: Flight, gateway: Gateway): void {
    const { result } = flight;
    if (flight.call?.expected.includes(result) === true) {
      this.#conclude(flight, null);
      return;
    }
    switch (afterAnswer(flight.rule, result)) {
      case "retry":
        if (flight.changes && result === results.network.code) this.holding.lostWithin(flight);
        this.#pause(flight);
        return;
      case "elsewhere":
        this.pool.leave(gateway);
        this.#pause(flight);
        return;
      case "in_doubt":
        this.#finish(flight, doubted(resultError(result)));
        return;
      case "done":
      case "fail":
        this.#conclude(flight, resultError(result));
    }
  }

  #pause(flight: Flight): void {
    this.counters.retries += 1;
    const delayMs = backoffMs(flight.attempts, this.#ports.random);
    flight.attempts += 1;
    flight.state = "paused";
    const timer = this.#ports.clock.after(delayMs, () => {
      this.#paused.delete(flight);
      this.#wait(flight);
      this.#pump();
    });
    this.#paused.set(flight, timer);
  }

  #lost(flight: Flight, connection: Connection, why: SheepfsError): void {
    const sent = connection.mayHave(flight);
    if (connection.culprit === flight) flight.corruptReplies += 1;
    if (sent && flight.changes && flight.rule !== "once") {
      this.holding.lostAt(flight, connection.address);
    }
    if (flight.abandoned && flight.suspects === null) {
      // Nobody waits for it, and it was not executed.
      this.#finish(flight, null);
      return;
    }
    switch (afterLoss(flight.rule, { sent, corruptReplies: flight.corruptReplies })) {
      case "replay":
        this.counters.replays += 1;
        this.#wait(flight);
        return;
      case "in_doubt":
        this.counters.inDoubt += 1;
        this.#finish(flight, doubted(why));
        return;
      case "fail":
        this.#conclude(flight, why);
    }
  }

  /** An attempt decided it; what remains is to exclude that an earlier one still lands. */
  #conclude(flight: Flight, error: SheepfsError | null): void {
    if (flight.suspects === null) {
      this.#finish(flight, error);
      return;
    }
    flight.error = error;
    this.holding.hold(flight);
  }

  /** The end of a flight that no connection knows. */
  #finish(flight: Flight, error: SheepfsError | null): void {
    const { object, call, abandoned } = flight;
    const reply = call === null || abandoned || error !== null ? null : flight.reply();
    this.#uncharge(flight);
    this.#count -= 1;
    this.#recycle(flight);
    if (abandoned) {
      object?.resolved();
      call?.resolved();
    } else if (object !== null) {
      object.done(error);
    } else {
      call?.done(error, reply);
    }
  }

  #recycle(flight: Flight): void {
    flight.reset();
    if (this.#free.length < limits.pooledRequestsMax) this.#free.push(flight);
  }

  #armSweep(): void {
    if (this.#sweepTimer !== null || this.#closed) return;
    this.#nowMs = this.#ports.clock.nowMs();
    this.#sweepTimer = this.#ports.clock.after(limits.requestSweepMs, () => {
      this.#sweepTimer = null;
      this.#sweep();
      if (this.#count > 0 || this.pool.busy) this.#armSweep();
    });
  }

  /** Looks at every flight for its deadline, its cancellation and the end of its being held. */
  #sweep(): void {
    this.#nowMs = this.#ports.clock.nowMs();
    const over = this.#waiting.remove((flight) => this.#isOver(flight) && flight.suspects === null);
    for (const flight of over) this.#finish(flight, this.#endOf(flight, false));
    // What came behind them was not looked at: there was somebody before it.
    if (over.length > 0) this.#pumpSoon();
    for (let flight = this.#waiting.first; flight !== null; flight = flight.next) {
      if (this.#isOver(flight)) this.#abandon(flight);
    }
    for (const [flight, timer] of [...this.#paused]) {
      if (!this.#isOver(flight)) continue;
      if (flight.suspects !== null) {
        this.#abandon(flight);
        continue;
      }
      timer.cancel();
      this.#paused.delete(flight);
      this.#finish(flight, this.#endOf(flight, false));
    }
    for (const flight of this.holding.take(this.#nowMs)) this.#finish(flight, flight.error);
    for (const flight of this.holding.flights()) if (this.#isOver(flight)) this.#abandon(flight);
    this.pool.forEachGateway((gateway) => gateway.forEachConnection((one) => this.#sweepSent(one)));
    this.pool.check(this.#nowMs);
    this.waits.look(this.#flights(), worldOf(this.pool, this.#turns.apart, this.#nowMs));
  }

  /** All that somebody waits for. */
  #flights(): Flight[] {
    const flights: Flight[] = [...this.#paused.keys(), ...this.holding.flights()];
    for (let flight = this.#waiting.first; flight !== null; flight = flight.next) {
      flights.push(flight);
    }
    this.pool.forEachGateway((gateway) =>
      gateway.forEachConnection((connection) =>
        connection.forEach((flight) => {
          if (flight.state !== "detached") flights.push(flight);
        }),
      ),
    );
    return flights;
  }

  #sweepSent(connection: Connection): void {
    let detached = 0;
    let oldestMs = Number.POSITIVE_INFINITY;
    connection.forEach((flight) => {
      if (flight.state === "sent" && this.#isOver(flight)) this.#give(flight);
      if (flight.state !== "detached") return;
      detached += 1;
      oldestMs = Math.min(oldestMs, flight.deadlineMs);
    });
    if (detached === 0 || this.#nowMs < oldestMs + limits.requestTimeoutMs) return;
    // They hold slots for answers that may never come.
    if (detached === connection.requests || detached * 2 >= limits.connectionRequestsMax) {
      connection.fail(new SheepfsError("unavailable", "requests were never answered"));
    }
  }

  /** Stops waiting for the answer of a flight that was sent. */
  #give(flight: Flight): void {
    if (flight.changes && flight.rule !== "once") {
      this.#abandon(flight);
      return;
    }
    const error = this.#endOf(flight, flight.rule === "once");
    const { object, call } = flight;
    this.#uncharge(flight);
    this.#count -= 1;
    flight.detach();
    flight.deadlineMs = this.#nowMs;
    object?.done(error);
    call?.done(error, null);
  }

  /** Tells that a write is in doubt; it goes on by itself until it can no longer land. */
  #abandon(flight: Flight): void {
    if (flight.abandoned) return;
    const error = this.#endOf(flight, true);
    flight.keepBody();
    flight.abandoned = true;
    flight.deadlineMs = Number.POSITIVE_INFINITY;
    flight.object?.done(error);
    flight.call?.done(error, null);
  }

  #isOver(flight: Flight): boolean {
    if (flight.abandoned) return false;
    return this.#closed || flight.scope.cancelled || this.#nowMs >= flight.deadlineMs;
  }

  #endOf(flight: Flight, inDoubt: boolean): SheepfsError {
    if (inDoubt) this.counters.inDoubt += 1;
    return this.#closed ? closedError(flight) : endOf(flight, this.pool, inDoubt);
  }
}
