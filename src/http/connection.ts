import type { Clock } from "../base/clock.ts";
import { asSheepfsError, SheepfsError } from "../base/errors.ts";
import { limits } from "../base/limits.ts";
import type { Logger } from "../base/log.ts";
import { CancelScope } from "../base/scope.ts";
import { Body, type BodySource, noBody } from "./body.ts";
import type { DateField } from "./date.ts";
import type {
  HttpHandler,
  HttpRequest,
  HttpResponse,
  RefusedRequest,
  StreamedBody,
} from "./exchange.ts";
import { type HeadFormat, isBodiless } from "./format.ts";
import { type Head, headFaultSoFar, isFault } from "./head.ts";
import { HeadMemory } from "./head-memory.ts";
import { Intake, type Told } from "./intake.ts";
import { ResponseWriter, type WriterOwner } from "./response-writer.ts";
import type { HttpSocket, HttpSocketEvents } from "./socket.ts";

/** What all connections of one server share. */
export interface ConnectionHost {
  readonly handler: HttpHandler;
  readonly clock: Clock;
  readonly log: Logger;
  readonly heads: HeadFormat;
  readonly date: DateField;
  /** Where every connection reads to first. */
  readonly reads: Buffer;
  /** No request is begun any more after the ones under way. */
  readonly stopping: boolean;
  ended(connection: Connection): void;
  refused(request: RefusedRequest): void;
}

/** `head`: between requests or within a head; `ending`: the last answer is sent, the rest is read. */
type ConnectionState = "head" | "answering" | "draining" | "ending" | "closed";

const goOn = Buffer.from("HTTP/1.1 100 Continue\r\n\r\n");

/** One client: takes its requests one after the other and sends the answers in that order. */
export class Connection implements HttpSocketEvents, WriterOwner, BodySource {
  readonly #host: ConnectionHost;
  readonly #socket: HttpSocket;
  readonly #intake: Intake;
  readonly #writer: ResponseWriter;
  readonly #heads = new HeadMemory();
  #state: ConnectionState = "head";
  #pumping = false;
  /** Of the exchange under way. */
  #head: Head | null = null;
  #body: Body | null = null;
  #scope: CancelScope | null = null;
  #streamed: StreamedBody | null = null;
  #continueDue = false;
  #keep = false;
  /** Counts exchanges, so that a late end of an earlier one is told apart. */
  #turn = 0;
  /** Bytes of an unread body that are still to be thrown away. */
  #drainLeft = 0;
  /** For how many looks nothing has happened. */
  #quietLooks = 0;
  #seenProgress = 0;

  constructor(host: ConnectionHost, socket: HttpSocket) {
    this.#host = host;
    this.#socket = socket;
    this.#intake = new Intake(socket, host.reads);
    this.#writer = new ResponseWriter(socket, this);
  }

  /** Neither within a request nor within a part of one. */
  get idle(): boolean {
    return this.#state === "head" && this.#intake.held === 0;
  }

  readable(): void {
    switch (this.#state) {
      case "head":
        this.#readHead();
        return;
      case "answering":
        this.#intake.readAhead();
        return;
      case "draining":
      case "ending":
        this.#readAway();
        return;
      case "closed":
        return;
    }
  }

  writable(): void {
    this.#writer.writable();
  }

  close(): void {
    this.#shut(new SheepfsError("cancelled", "the client ended the connection"));
  }

  destroy(): void {
    this.#shut(new SheepfsError("cancelled", "the connection was closed"));
  }

  /** Refuses the connection before its first request. */
  refuse(status: number, reason: string): void {
    this.#state = "answering";
    this.#refuse({ status, reason }, "");
  }

  /** Called every `limits.httpSweepMs`: ends what has been silent for too long. */
  look(): void {
    this.#quietLooks += 1;
    const quietMs = this.#quietLooks * limits.httpSweepMs;
    switch (this.#state) {
      case "head": {
        const between = this.#turn > 0 && this.#intake.held === 0;
        if (quietMs > (between ? limits.httpIdleTimeoutMs : limits.httpHeadTimeoutMs)) {
          this.destroy();
        }
        return;
      }
      case "answering":
        this.#lookAtAnswer(quietMs);
        return;
      case "draining":
      case "ending":
        if (quietMs > limits.httpLingerMs) this.destroy();
        return;
      case "closed":
        return;
    }
  }

  /** The body's: bytes at hand. */
  pull(into: Uint8Array, at: number, length: number): number {
    return this.#state === "closed" ? -1 : this.#intake.pull(into, at, length);
  }

  /** The body's: bytes that are kept. */
  get held(): number {
    return this.#intake.held;
  }

  /** The body's: reads once and keeps it. */
  gather(): void {
    if (this.#state !== "closed") this.#intake.gather();
  }

  /** The body's: tells when `pull` has something again. */
  wait(told: Told): void {
    if (this.#state === "closed") {
      told(null);
      return;
    }
    this.#quietLooks = 0;
    this.#intake.wait(told);
  }

  /** The body's: somebody is about to read it. */
  wanted(): void {
    if (!this.#continueDue) return;
    this.#continueDue = false;
    // A client that has begun to send it does not wait.
    if (this.#intake.held > 0) return;
    const taken = this.#socket.write(goOn, 0, goOn.length, null, 0, 0);
    // No answer is under way: a socket without room for one line is broken.
    if (taken < goOn.length) this.destroy();
  }

  /** The writer's: the response under way is all with the socket. */
  sent(): void {
    const left = this.#body?.leftBytes ?? 0;
    this.#releaseStreamed();
    this.#scope = null;
    this.#head = null;
    this.#body = null;
    this.#turn += 1;
    this.#quietLooks = 0;
    // Whoever stops the server meanwhile waits for no request that is not begun.
    if (!this.#keep || this.#host.stopping) {
      this.#end();
      return;
    }
    this.#drainLeft = left;
    this.#state = left > 0 ? "draining" : "head";
    this.#intake.resume();
    if (left > 0) this.#readAway();
    this.#pump();
  }

  /** The writer's: the client takes more. */
  mayOffer(): void {
    this.#streamed?.writable?.();
  }

  /** The writer's: the body under way cannot be completed. */
  failed(why: SheepfsError): void {
    this.#bodyFailed(why);
  }

  #lookAtAnswer(quietMs: number): void {
    const { progress } = this.#writer;
    if (progress !== this.#seenProgress) {
      this.#seenProgress = progress;
      this.#quietLooks = 0;
    } else if (this.#writer.blocked) {
      if (quietMs > limits.httpStallMs) {
        this.#shut(new SheepfsError("timed_out", "the client takes nothing of its answer"));
      }
    } else if (!this.#intake.awaited) {
      // It waits for us, not we for it.
      this.#quietLooks = 0;
    } else if (quietMs > limits.httpBodySilenceMs) {
      this.#intake.tell(new SheepfsError("timed_out", "the client stopped sending its body"));
    }
  }

  #readHead(): void {
    if (this.#intake.held === 0) this.#quietLooks = 0;
    const head = this.#intake.readHead();
    if (head !== null) {
      this.#begin(head);
      this.#pump();
    } else if (this.#intake.ended) {
      // Also within a head: whoever ends there has asked for nothing.
      this.destroy();
    } else {
      this.#checkUnfinished();
    }
  }

  /** Takes requests from what is held, as long as one is whole and none is under way. */
  #pump(): void {
    if (this.#pumping || this.#state !== "head") return;
    this.#pumping = true;
    try {
      while (this.#state === "head" && this.#intake.held > 0) {
        const head = this.#intake.heldHead();
        if (head === null) {
          this.#checkUnfinished();
          break;
        }
        this.#begin(head);
      }
    } finally {
      this.#pumping = false;
    }
    if (this.#state === "head" && this.#intake.ended) this.#end();
  }

  /** A head that can only become a wrong one is not waited for. */
  #checkUnfinished(): void {
    const text = this.#intake.heldText;
    const fault = headFaultSoFar(text);
    if (fault === null) return;
    this.#state = "answering";
    this.#refuse(fault, text);
  }

  #refuse({ status, reason }: { status: number; reason: string }, head: string): void {
    const response = plainText(status, reason);
    this.#respond(response);
    const line = head.trimStart().split("\n", 1)[0]?.trimEnd() ?? "";
    const { peer } = this.#socket;
    this.#host.refused({ peer, line, status, bytes: response.body.length });
  }

  #begin(text: string): void {
    this.#state = "answering";
    const head = this.#heads.parse(text);
    if (isFault(head)) {
      this.#refuse(head, text);
      return;
    }
    const { clock, handler } = this.#host;
    const turn = this.#turn;
    const body = head.bodyBytes === 0 ? null : new Body(this, head.bodyBytes);
    const scope = new CancelScope(clock.nowMs() + limits.operationTimeoutMs);
    this.#head = head;
    this.#body = body;
    this.#scope = scope;
    this.#continueDue = head.expects;
    const request: HttpRequest = {
      method: head.method,
      target: head.target,
      headers: head.fields,
      body: body ?? noBody,
      secure: this.#socket.secure,
      peer: this.#socket.peer,
      scope,
    };
    try {
      const response = handler(request);
      if (!(response instanceof Promise)) this.#respond(response);
      else void this.#respondLater(response, turn);
    } catch (thrown) {
      this.#handlerFailed(thrown);
    }
  }

  async #respondLater(promise: Promise<HttpResponse>, turn: number): Promise<void> {
    try {
      const response = await promise;
      if (turn === this.#turn) this.#respond(response);
      else releaseBody(response);
    } catch (thrown) {
      if (turn === this.#turn) this.#handlerFailed(thrown);
    }
  }

  #handlerFailed(thrown: unknown): void {
    this.#host.log.error("a request was not answered", asSheepfsError(thrown));
    if (this.#state === "answering") this.#respond(plainText(500, "internal error; see the log"));
  }

  #respond(response: HttpResponse): void {
    if (this.#state !== "answering") {
      releaseBody(response);
      return;
    }
    const { body } = response;
    const bodiless = isBodiless(response.status);
    const bytes = typeof body === "string" ? Buffer.from(body) : body;
    const length = bodyLength(bytes);
    const sends = !bodiless && this.#head?.method !== "HEAD";
    this.#keep = this.#mayKeep();
    const { date, clock, heads } = this.#host;
    const head = heads.format(response, {
      date: date.at(clock.wallMs()),
      contentBytes: bodiless ? null : length,
      keepAlive: this.#keep,
    });
    this.#writer.begin(head, sends ? length : 0);
    if (bytes === null || bytes instanceof Uint8Array) {
      this.#writer.whole(sends ? bytes : null);
      return;
    }
    this.#streamed = bytes;
    if (sends && length > 0) this.#stream(bytes);
    else this.#writer.whole(null);
  }

  #stream(body: StreamedBody): void {
    const turn = this.#turn;
    try {
      const sending = body.send(this.#writer, this.#scope ?? new CancelScope(0));
      if (sending instanceof Promise) void this.#streamEnds(sending, turn);
    } catch (thrown) {
      if (turn === this.#turn) this.#bodyFailed(thrown);
    }
  }

  async #streamEnds(sending: Promise<void>, turn: number): Promise<void> {
    try {
      await sending;
      if (turn !== this.#turn) return;
      this.#bodyFailed(new SheepfsError("internal", "a body ended before its announced length"));
    } catch (thrown) {
      if (turn === this.#turn) this.#bodyFailed(thrown);
    }
  }

  #bodyFailed(thrown: unknown): void {
    if (this.#state !== "answering") return;
    const streamed = this.#streamed;
    if (this.#writer.untouched && streamed?.instead !== undefined) {
      const response = streamed.instead(thrown);
      this.#releaseStreamed();
      this.#respond(response);
      return;
    }
    const error = asSheepfsError(thrown);
    this.#host.log.warn(`an answer to ${this.#socket.peer} broke off: ${error.message}`);
    this.#shut(error);
  }

  /** Whether the connection lives on after the response that is about to begin. */
  #mayKeep(): boolean {
    const head = this.#head;
    if (head === null || !head.keepAlive || this.#host.stopping) return false;
    if (this.#intake.ended && this.#intake.held === 0) return false;
    const left = this.#body?.leftBytes ?? (this.#body === null ? 0 : null);
    // Nobody knows whether a client that was not told to go on sends the body all the same.
    if (left === null || (this.#continueDue && left > 0)) return false;
    return left <= limits.httpDrainBytesMax;
  }

  #readAway(): void {
    const draining = this.#state === "draining";
    const bytes = this.#intake.readAway(draining ? this.#drainLeft : Number.POSITIVE_INFINITY);
    if (draining) this.#drainLeft -= bytes;
    if (draining && this.#drainLeft === 0) this.#state = "head";
    else if (this.#intake.ended) this.destroy();
  }

  /**
   * Ends our direction and reads on for a while: closing at once with something unread would take the
   * last answer back from the client.
   */
  #end(): void {
    this.#state = "ending";
    this.#quietLooks = 0;
    this.#intake.clear();
    this.#socket.end();
    if (this.#intake.ended) this.destroy();
    else this.#intake.resume();
  }

  #shut(why: SheepfsError): void {
    if (this.#state === "closed") return;
    this.#state = "closed";
    this.#turn += 1;
    this.#socket.destroy();
    this.#intake.clear();
    this.#writer.close(why);
    this.#intake.tell(why);
    this.#scope?.cancel();
    this.#releaseStreamed();
    this.#host.ended(this);
  }

  #releaseStreamed(): void {
    const streamed = this.#streamed;
    this.#streamed = null;
    streamed?.release();
  }
}

function bodyLength(body: Uint8Array | StreamedBody | null): number {
  if (body === null) return 0;
  return body instanceof Uint8Array ? body.length : body.lengthBytes;
}

function releaseBody({ body }: HttpResponse): void {
  if (body !== null && typeof body === "object" && "release" in body) body.release();
}

function plainText(status: number, text: string): HttpResponse & { readonly body: string } {
  return {
    status,
    headers: [["Content-Type", "text/plain; charset=utf-8"]],
    body: `${text}\n`,
  };
}
