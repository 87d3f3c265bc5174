import type { SheepfsError } from "../base/errors.ts";
import type { MaybePromise } from "../base/maybe-promise.ts";
import type { Scope } from "../base/scope.ts";
import type { BodyWriter } from "./body-writer.ts";

/** Header fields of a request. Names are asked for in lower case. */
export interface RequestHeaders {
  /** The value, fields of one name joined with ", "; null when there is none. */
  get(name: string): string | null;
}

/** The body of a request, in order, with back-pressure: nothing is read ahead of what is asked. */
export interface RequestBody {
  /** Bytes that the client announced; 0 without a body, null when it is chunked. */
  readonly announcedBytes: number | null;
  /** Why it has ended too early; null when it has not. */
  readonly failure: SheepfsError | null;
  /**
   * The next bytes, valid until the next call; null at the end. The first call answers
   * `Expect: 100-continue`.
   * @throws cancelled when the connection is gone | invalid for bad framing or an early end |
   * timed_out when the client stays silent
   */
  next(): MaybePromise<Uint8Array | null>;
  /**
   * Puts what has arrived into `into[at, at+length)`: bytes taken, 0 none now, -1 at the end.
   * @throws the same
   */
  take(into: Uint8Array, at: number, length: number): number;
  /** Resolves when `take` has something to tell again. @throws the same */
  more(): Promise<void>;
}

/** One request as the server has read it: syntax is checked, meaning is not. */
export interface HttpRequest {
  readonly method: string;
  /** Origin form as it came, e.g. `/volume/a%20b?x`; `*` for OPTIONS. */
  readonly target: string;
  readonly headers: RequestHeaders;
  readonly body: RequestBody;
  /** Came over TLS. */
  readonly secure: boolean;
  readonly peer: string;
  /** Cancelled when the client is gone. */
  readonly scope: Scope;
}

/** A request that was answered before any handler saw it, or a client that was not let in. */
export interface RefusedRequest {
  readonly peer: string;
  /** Its first line, latin1, as far as it came. */
  readonly line: string;
  readonly status: number;
  /** Of the answer's body. */
  readonly bytes: number;
}

/** Header fields of a response, in the order in which they are sent. */
export type ResponseHeaders = ReadonlyArray<readonly [name: string, value: string]>;

/** A body that is made while it is sent. */
export interface StreamedBody {
  /** Bytes that will follow exactly. */
  readonly lengthBytes: number;
  /**
   * Sends it; a failure closes the connection, so that a short body is never taken for a whole. What
   * returns no Promise may go on by callbacks until all bytes were taken or `writer.fail` is called.
   */
  send(writer: BodyWriter, scope: Scope): MaybePromise<void>;
  /** Called once after an `offer` that did not take everything. */
  writable?(): void;
  /** What to answer in its place when it fails before its first byte; else the connection ends. */
  instead?(thrown: unknown): HttpResponse;
  /** Called once when it was sent, failed, or was not wanted (HEAD, a client that is gone). */
  release(): void;
}

/**
 * What a request is answered with, decided before a byte is sent. `Date`, `Content-Length`,
 * `Connection` and `Server` are the server's to add. On HEAD the body is measured and not sent.
 */
export interface HttpResponse {
  readonly status: number;
  /** An array that comes again for many answers is made text of once: it must never change. */
  readonly headers: ResponseHeaders;
  /** Fields of this answer alone, sent behind the others. */
  readonly ownHeaders?: ResponseHeaders;
  readonly body: Uint8Array | string | StreamedBody | null;
}

/** The only thing the server knows of what it serves. Never rejects with what a client could cause. */
export type HttpHandler = (request: HttpRequest) => MaybePromise<HttpResponse>;
