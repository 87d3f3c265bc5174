import { type Address, formatAddress } from "../base/address.ts";
import { assert } from "../base/assert.ts";
import type { Clock, Timer } from "../base/clock.ts";
import { asSheepfsError, type ErrorCode, SheepfsError } from "../base/errors.ts";
import { limits } from "../base/limits.ts";
import { CancelScope } from "../base/scope.ts";
import { ReplyHeader } from "../wire/header.ts";
import { type CallReply, type CallSink, Flight } from "./flight.ts";
import { FlightTable } from "./flight-table.ts";
import { Framer, type ReplySink } from "./framer.ts";
import { Sender } from "./sender.ts";
import { type ClusterIdentity, isUnstated, readSign, signRequest } from "./sign.ts";
import type { Link, LinkEvents, Transport } from "./transport.ts";

export interface ConnectionOwner {
  /** The sheep has answered as one; requests may be sent. */
  connectionReady(connection: Connection): void;
  /** The answer of a flight is there, its payload in place; the connection has forgotten it. */
  answered(connection: Connection, flight: Flight): void;
  /** The end; what was under way is still in the connection's table. */
  connectionClosed(connection: Connection, why: SheepfsError, refused: boolean): void;
}

export interface ConnectionPorts {
  readonly transport: Transport;
  readonly clock: Clock;
}

export interface BufferSizes {
  readonly receiveBytes: number;
  readonly sendBytes: number;
}

const at = ReplyHeader.offsets;
const forever = new CancelScope(Number.POSITIVE_INFINITY);
const noData = new Uint8Array(0);

/**
 * One socket to a sheep: sends requests as they come, many under way, and hands over their answers
 * in whatever order they arrive. An answer that does not fit its request closes the connection.
 */
export class Connection implements LinkEvents, ReplySink, CallSink {
  readonly address: Address;
  readonly expected: readonly number[] = [];
  /** Which cluster the sheep said it belongs to, once ready. */
  identity: ClusterIdentity = null;
  /** The flight whose answer contradicted the protocol. */
  culprit: Flight | null = null;
  /** Payload bytes of requests under way. */
  bytes = 0;
  /** Of the cluster, when the sheep became ready. */
  epoch = 0;
  readonly #owner: ConnectionOwner;
  readonly #clock: Clock;
  readonly #link: Link;
  readonly #sender: Sender;
  readonly #framer: Framer;
  readonly #table = new FlightTable();
  readonly #sign = new Flight();
  readonly #timer: Timer;
  #askAgain: Timer | null = null;
  #state: "connecting" | "checking" | "ready" | "closed" = "connecting";
  /** Long answers can go from the link into a tube. */
  readonly #pours: boolean;
  /** Answers under way that may go there. */
  #long = 0;
  #flushAsked = false;
  #blocked = false;
  /** Something was received since the last look. */
  #moved = false;
  #quietSinceMs = 0;

  constructor(
    ports: ConnectionPorts,
    address: Address,
    owner: ConnectionOwner,
    sizes: BufferSizes,
  ) {
    this.address = address;
    this.#owner = owner;
    this.#clock = ports.clock;
    this.#sender = new Sender(sizes.sendBytes);
    this.#framer = new Framer(this, sizes.receiveBytes);
    this.#timer = ports.clock.after(limits.connectTimeoutMs, () => this.#tooLate());
    this.#link = ports.transport.connect(address, this);
    this.#pours = this.#link.pour !== undefined;
  }

  get ready(): boolean {
    return this.#state === "ready";
  }

  get headersAlone(): boolean {
    return this.#pours && this.#long > 0;
  }

  get closed(): boolean {
    return this.#state === "closed";
  }

  /** Requests under way, those included that nobody waits for. */
  get requests(): number {
    return this.#table.count;
  }

  /** Sends a request; its payload stays where it is until the answer. Needs `ready`. */
  send(flight: Flight): void {
    assert(this.#state === "ready", "requests are sent on a connection that is ready");
    flight.state = "sent";
    this.#send(flight);
  }

  /** Whether the sheep may have all of a flight's request. */
  mayHave(flight: Flight): boolean {
    return flight.streamEnd <= this.#sender.taken;
  }

  /** The owner's flights. */
  forEach(visit: (flight: Flight) => void): void {
    this.#table.forEach((flight) => {
      if (flight !== this.#sign) visit(flight);
    });
  }

  /**
   * Called now and then: a connection that owes answers and is silent is asked for a sign of life,
   * and closed when there is none. A slow request alone closes nothing: a sheep parks requests
   * while it recovers, and answers others.
   * @returns since when answers are owed and nothing came; null when nothing is owed or much comes
   */
  check(nowMs: number): number | null {
    if (this.#state !== "ready") return null;
    if (this.#moved || this.#table.count === 0) {
      this.#moved = false;
      this.#quietSinceMs = nowMs;
      return null;
    }
    const quietMs = nowMs - this.#quietSinceMs;
    if (quietMs >= limits.quietMs && this.#sign.state !== "sent") this.#askSign();
    if (quietMs >= limits.silentConnectionMs) {
      this.fail(this.#error("unavailable", "fell silent"));
    }
    return this.#quietSinceMs;
  }

  /** Closes for a reason; what is under way is the owner's to take. */
  fail(why: SheepfsError, refused = false): void {
    if (this.#state === "closed") return;
    this.#shut();
    this.#owner.connectionClosed(this, why, refused);
  }

  /** Closes without a word. */
  destroy(): void {
    if (this.#state !== "closed") this.#shut();
  }

  open(): void {
    this.#state = "checking";
    this.#askSign();
  }

  readable(): void {
    this.#moved = true;
    if (this.#framer.pump(this.#link)) return;
    this.close(null);
  }

  writable(): void {
    this.#blocked = false;
    this.flush();
  }

  flush(): void {
    this.#flushAsked = false;
    if (this.#blocked || this.#state === "closed" || !this.#sender.pending) return;
    this.#blocked = !this.#sender.flush(this.#link);
  }

  close(why: SheepfsError | null, refused = false): void {
    const ended = this.#error("unavailable", "closed the connection");
    this.fail(why === null ? ended : this.#advised(why), refused);
  }

  replyBegins(view: DataView, place: number): Flight | null {
    const flight = this.#table.get(view.getUint32(place + at.id, true));
    if (flight === null) return this.#refuse(null, "answered a request that was not sent");
    if (view.getUint8(place + at.opcode) !== flight.opcode) {
      return this.#refuse(flight, "answered another operation than the one asked for");
    }
    if (!this.mayHave(flight)) return this.#refuse(flight, "answered before it was asked");
    flight.replyEpoch = view.getUint32(place + at.epoch, true);
    flight.result = view.getUint32(place + at.result, true);
    flight.dataLength = view.getUint32(place + at.dataLength, true);
    if (!lengthFits(flight)) {
      const { dataLength, receiveBytes } = flight;
      return this.#refuse(flight, `answered ${dataLength} bytes where ${receiveBytes} were asked`);
    }
    if (flight.call !== null) flight.keepHeader(view, place);
    return flight;
  }

  replyWhole(flight: Flight, bytes: Uint8Array, place: number): void {
    const { dataLength } = flight;
    if (flight.result === 0 && flight.exact) {
      const { target, object } = flight;
      // Nobody waits for a detached one: its buffer is not ours any more. What a change of members
      // has overtaken is asked again and not lent.
      const final = object !== null && !flight.overtaken;
      if (target !== null && !(final && object.lend(bytes, place))) {
        copyInto(bytes, place, flight, target);
      }
    } else if (flight.call !== null) {
      // A Buffer's own slice would be a view of what the next reply overwrites.
      flight.data = Uint8Array.prototype.slice.call(bytes, place, place + dataLength);
    }
    this.replyEnds(flight);
  }

  replyPlaced(flight: Flight, begun: boolean): void {
    if (flight.result === 0 && flight.exact) {
      if (!begun && !flight.overtaken && this.#pours) flight.tube = flight.object?.tube?.() ?? null;
      flight.into = flight.target;
      flight.intoAt = flight.targetAt;
      return;
    }
    flight.data = flight.call === null ? null : new Uint8Array(flight.dataLength);
    flight.into = flight.data;
    flight.intoAt = 0;
  }

  replyEnds(flight: Flight): void {
    this.#table.remove(flight.id);
    this.bytes -= flight.bytes;
    if (flight.long) this.#long -= 1;
    flight.connection = null;
    flight.into = null;
    if (flight === this.#sign) this.#signed(flight);
    else this.#owner.answered(this, flight);
  }

  /** A sign's answer is seen to in `replyEnds`. */
  done(_error: SheepfsError | null, _reply: CallReply | null): void {}

  resolved(): void {}

  #send(flight: Flight): void {
    flight.connection = this;
    flight.forgetTube();
    flight.long = isLong(flight);
    if (flight.long) this.#long += 1;
    // Silence counts from when something is owed.
    if (this.#table.count === 0) this.#moved = true;
    flight.id = this.#table.add(flight);
    this.bytes += flight.bytes;
    this.#sender.append(flight, flight.id);
    if (this.#flushAsked || this.#blocked) return;
    this.#flushAsked = true;
    this.#link.flushSoon();
  }

  #askSign(): void {
    const plan = {
      request: signRequest,
      rule: "idempotent",
      into: null,
      at: 0,
      length: 0,
    } as const;
    this.#sign.reset();
    this.#sign.beginCall(plan, this, forever);
    this.#sign.state = "sent";
    this.#send(this.#sign);
  }

  #signed(sign: Flight): void {
    sign.state = "free";
    if (this.#state !== "checking") return;
    const data = sign.data ?? noData;
    if (isUnstated(sign.result, data)) {
      this.#askAgain = this.#clock.after(limits.signAgainMs, () => this.#askSign());
      return;
    }
    try {
      this.identity = readSign(sign.result, data);
    } catch (error) {
      const { code, message } = asSheepfsError(error);
      this.fail(new SheepfsError(code, `the sheep at ${formatAddress(this.address)}: ${message}`));
      return;
    }
    this.#timer.cancel();
    this.epoch = sign.replyEpoch;
    this.#state = "ready";
    this.#quietSinceMs = this.#clock.nowMs();
    this.#owner.connectionReady(this);
  }

  #tooLate(): void {
    const what = this.#state === "connecting" ? "cannot be reached" : "does not answer";
    this.fail(this.#error("unavailable", `${what} within ${limits.connectTimeoutMs / 1000} s`));
  }

  #refuse(culprit: Flight | null, what: string): null {
    this.culprit = culprit;
    this.fail(this.#error("corrupt", what));
    return null;
  }

  #shut(): void {
    this.#state = "closed";
    this.#timer.cancel();
    this.#askAgain?.cancel();
    this.#link.destroy();
    if (this.#sign.state === "sent") this.#table.remove(this.#sign.id);
    this.#sign.state = "free";
  }

  #error(code: ErrorCode, what: string): SheepfsError {
    const text = `the sheep at ${formatAddress(this.address)} ${what}`;
    return this.#advised(new SheepfsError(code, text));
  }

  /** What has accepted us and not yet said what it is may be another program. */
  #advised(why: SheepfsError): SheepfsError {
    if (this.#state !== "checking") return why;
    const advice = "check that a sheep listens there";
    return new SheepfsError(why.code, `${why.message}; ${advice}`, { cause: why });
  }
}

/** A success is exactly as long as asked; an error may come with as much as was offered or sent. */
function lengthFits(flight: Flight): boolean {
  const { dataLength, receiveBytes } = flight;
  if (flight.result !== 0) return dataLength <= Math.max(receiveBytes, flight.bodyLength);
  return flight.exact ? dataLength === receiveBytes : dataLength <= receiveBytes;
}

/** Its answer may go into a tube. */
function isLong(flight: Flight): boolean {
  return flight.receiveBytes > limits.lendBytesMax && flight.exact && flight.call === null;
}

function copyInto(bytes: Uint8Array, place: number, flight: Flight, target: Uint8Array): void {
  const { targetAt, dataLength } = flight;
  // A Buffer copies between two arrays without a view of either.
  if (bytes instanceof Buffer) bytes.copy(target, targetAt, place, place + dataLength);
  else target.set(bytes.subarray(place, place + dataLength), targetAt);
}
