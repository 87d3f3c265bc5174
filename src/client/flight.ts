import type { SheepfsError } from "../base/errors.ts";
import { CancelScope, type Scope } from "../base/scope.ts";
import type { Tube } from "../base/transfer.ts";
import { headerBytes, ObjectRequestHeader, type SheepRequest } from "../wire/header.ts";
import { opcodes, type ReplayRule } from "../wire/opcode.ts";
import type { Connection } from "./connection.ts";
import type { Suspect } from "./exclusion.ts";
import type { Gateway } from "./gateway.ts";
import type { ObjectRequest } from "./object-request.ts";
import { placeOf } from "./turns.ts";

/** Who asked for a request that is not on a data object. */
export interface CallSink {
  /** Results other than success that are answers. */
  readonly expected: readonly number[];
  done(error: SheepfsError | null, reply: CallReply | null): void;
  /** After `done` with an error that is `inDoubt`. */
  resolved(): void;
}

export interface CallReply {
  /** 48 bytes. */
  readonly header: DataView;
  readonly result: number;
  /** The payload; empty when it went into the caller's own buffer. */
  readonly data: Uint8Array;
  readonly gateway: Gateway;
  /** How often it was sent, wherever. */
  readonly sends: number;
}

/** A call, before it is a flight. */
export interface CallPlan {
  readonly request: SheepRequest;
  readonly rule: ReplayRule;
  /** Where the payload of an exact answer goes; null for an answer of its own length. */
  readonly into: Uint8Array | null;
  readonly at: number;
  readonly length: number;
}

const objectOpcode = {
  read: opcodes.readObject.code,
  write: opcodes.writeObject.code,
  create: opcodes.createAndWriteObject.code,
  cow: opcodes.createAndWriteObject.code,
} as const;

/** Opcodes that change an object: a copy of them that lands late would undo what came after. */
const changing: ReadonlySet<number> = new Set([
  opcodes.writeObject.code,
  opcodes.createAndWriteObject.code,
  opcodes.removeObject.code,
  opcodes.discardObject.code,
]);

/** Of the high half of an object's name. */
const inodeBit = 1 << 31;

const endless = new CancelScope(Number.POSITIVE_INFINITY);

/** Where a flight is. `detached`: nobody waits for it, but its connection owes an answer. */
export type FlightState = "free" | "waiting" | "paused" | "sent" | "held" | "detached";

const noData = new Uint8Array(0);

/**
 * One request under way, through all its attempts. Reused; its fields are set by who holds it: the
 * dispatcher, and while it is sent the connection.
 */
export class Flight {
  state: FlightState = "free";
  /** Exactly one of the two is set, none when detached. */
  object: ObjectRequest | null = null;
  call: CallSink | null = null;
  /** Of a call: 48 bytes without the id. */
  header: Uint8Array | null = null;
  opcode = 0;
  /** Further flags of an object request. */
  flags = 0;
  rule: ReplayRule = "idempotent";
  changes = false;
  /** Of its object among those that take turns; -1 for a request on none. */
  place = -1;
  /** Of its object, when it has a place. */
  oidLow = 0;
  oidHigh = 0;
  scope: Scope = endless;
  /** When it was asked for. */
  beganMs = 0;
  deadlineMs = 0;
  body: Uint8Array | null = null;
  bodyAt = 0;
  bodyLength = 0;
  /** The submitter's buffer that an exact answer goes into. */
  target: Uint8Array | null = null;
  targetAt = 0;
  /** Bytes that the answer must have (`exact`) or may have. */
  receiveBytes = 0;
  exact = false;

  connection: Connection | null = null;
  id = 0;
  /** Where its last byte lies in what its connection sends. */
  streamEnd = 0;
  /** Of the cluster, as far as it was known when it was let go, and in the answer. */
  sentEpoch = 0;
  replyEpoch = 0;
  result = 0;
  dataLength = 0;
  /** Of a call: whose answer it is. */
  gateway: Gateway | null = null;
  replyHeader: DataView | null = null;
  /** Where a long payload is being placed; null drops it. */
  into: Uint8Array | null = null;
  intoAt = 0;
  /** Where it is being put instead, or was by the last attempt. */
  tube: Tube | null = null;
  /** Its connection counts it among those whose answer may go there. */
  long = false;
  /** The payload of an answer that is not exact. */
  data: Uint8Array | null = null;

  /** Its payload counts as in flight. */
  charged = false;
  attempts = 0;
  sends = 0;
  corruptReplies = 0;
  /** Lost copies of it that might still be executed. */
  suspects: Suspect[] | null = null;
  /** What it ends with when it is held. */
  error: SheepfsError | null = null;
  answeredAtMs = 0;
  /** `done` was called with inDoubt, `resolved` is due. */
  abandoned = false;
  next: Flight | null = null;

  get bytes(): number {
    return this.bodyLength + this.receiveBytes;
  }

  /** Its answer comes from another time of the cluster than its request. */
  get overtaken(): boolean {
    return this.place >= 0 && this.rule !== "once" && this.replyEpoch > this.sentEpoch;
  }

  /** It may clear slots, after which a sheep removes objects by itself. */
  get writesInode(): boolean {
    return this.changes && this.place >= 0 && (this.oidHigh & inodeBit) !== 0;
  }

  beginObject(request: ObjectRequest, flags: number): void {
    const reads = request.kind === "read";
    this.object = request;
    this.opcode = objectOpcode[request.kind];
    this.flags = flags;
    this.rule = "idempotent";
    this.changes = !reads;
    this.#setObject(request.index, request.vid);
    this.scope = request.scope;
    this.body = reads ? null : request.buffer;
    this.bodyAt = reads ? 0 : request.at;
    this.bodyLength = reads ? 0 : request.length;
    this.target = reads ? request.buffer : null;
    this.targetAt = reads ? request.at : 0;
    this.receiveBytes = reads ? request.length : 0;
    this.exact = true;
  }

  beginCall(plan: CallPlan, sink: CallSink, scope: Scope): void {
    const { request } = plan;
    this.call = sink;
    this.header = request.header;
    this.opcode = opcodes[request.opcode].code;
    this.flags = 0;
    this.rule = plan.rule;
    this.#findObject(request);
    this.scope = scope;
    this.body = request.data;
    this.bodyAt = 0;
    this.bodyLength = request.data?.length ?? 0;
    const touches = this.opcode === opcodes.writeObject.code && this.bodyLength === 0;
    this.changes = changing.has(this.opcode) && !touches;
    this.target = plan.into;
    this.targetAt = plan.at;
    this.receiveBytes = plan.into === null ? request.receiveBytes : plan.length;
    this.exact = plan.into !== null;
  }

  /** What it was answered with; null when it never was. */
  reply(): CallReply | null {
    const { replyHeader: header, gateway, result, data, sends } = this;
    if (header === null || gateway === null) return null;
    return { header, result, data: data ?? noData, gateway, sends };
  }

  /** Keeps what is to be sent, since the buffer goes back to its owner. */
  keepBody(): void {
    if (this.body === null || this.bodyLength === 0) return;
    const end = this.bodyAt + this.bodyLength;
    // The slice of a Buffer would be a view.
    this.body = Uint8Array.prototype.slice.call(this.body, this.bodyAt, end);
    this.bodyAt = 0;
  }

  /** Nobody waits any more: a late answer is thrown away. */
  detach(): void {
    this.keepBody();
    this.state = "detached";
    this.object = null;
    this.call = null;
    this.target = null;
    this.into = null;
    this.tube = null;
    this.scope = endless;
  }

  /** What an earlier attempt left is not the answer. */
  forgetTube(): void {
    this.tube?.clear();
    this.tube = null;
  }

  /** The tube takes no more: the answer goes on in memory. */
  leaveTube(): void {
    const { tube, target } = this;
    this.into = target;
    this.intoAt = this.targetAt;
    this.tube = null;
    if (target !== null) tube?.drain(target, this.targetAt);
  }

  /** Takes a copy of the reply's header, for a call. */
  keepHeader(view: DataView, at: number): void {
    const start = view.byteOffset + at;
    this.replyHeader = new DataView(view.buffer.slice(start, start + headerBytes));
  }

  reset(): void {
    this.state = "free";
    this.object = null;
    this.call = null;
    this.header = null;
    this.scope = endless;
    this.body = null;
    this.target = null;
    this.into = null;
    this.tube = null;
    this.data = null;
    this.connection = null;
    this.replyHeader = null;
    this.gateway = null;
    this.charged = false;
    this.attempts = 0;
    this.sends = 0;
    this.corruptReplies = 0;
    for (const suspect of this.suspects ?? []) suspect.wanted -= 1;
    this.suspects = null;
    this.error = null;
    this.abandoned = false;
    this.result = 0;
    this.next = null;
  }

  #findObject({ opcode, header }: SheepRequest): void {
    if (opcodes[opcode].header !== "object") {
      this.place = -1;
      return;
    }
    const view = new DataView(header.buffer, header.byteOffset);
    const { oidLow, oidHigh } = ObjectRequestHeader.offsets;
    this.#setObject(view.getUint32(oidLow, true), view.getUint32(oidHigh, true));
  }

  #setObject(oidLow: number, oidHigh: number): void {
    this.oidLow = oidLow;
    this.oidHigh = oidHigh;
    this.place = placeOf(oidLow, oidHigh);
  }
}
