import type { Clock } from "../../base/clock.ts";
import type { BodyWriter } from "../../http/body-writer.ts";
import type {
  HttpRequest,
  HttpResponse,
  RefusedRequest,
  StreamedBody,
} from "../../http/exchange.ts";

/** Takes one line, with its end; never waits. */
export type AccessLogSink = (line: string) => void;

/** Writes a line for each answer in the common log format, when the answer has been sent. */
export class AccessLog {
  readonly #clock: Clock;
  readonly #sink: AccessLogSink;

  constructor(clock: Clock, sink: AccessLogSink) {
    this.#clock = clock;
    this.#sink = sink;
  }

  /** @returns the response, with a body that is counted when it is streamed */
  note(request: HttpRequest, user: string | null, response: HttpResponse): HttpResponse {
    const atMs = this.#clock.wallMs();
    const { peer, method, target } = request;
    const line = `${method} ${target} HTTP/1.1`;
    const write = (status: number, bytes: number): void => {
      this.#sink(accessLine({ peer, user, atMs, line, status, bytes }));
    };
    const { body, status } = response;
    if (isStreamed(body) && method !== "HEAD") {
      return { ...response, body: counted(body, status, write) };
    }
    write(status, method === "HEAD" ? 0 : plainBytes(body));
    return response;
  }

  /** What was answered before it was understood, or before anything was asked. */
  refused({ peer, line: sent, status, bytes }: RefusedRequest): void {
    // A URL may have a password in it, and a line that is none may be long.
    const line = sent.replace(/\/\/[^/ ]*@/g, "//-@").slice(0, refusedLineMax);
    this.#sink(accessLine({ peer, user: null, atMs: this.#clock.wallMs(), line, status, bytes }));
  }
}

const refusedLineMax = 256;

type Write = (status: number, bytes: number) => void;

/** The same body, which says at its end how much of it was sent. */
function counted(body: StreamedBody, status: number, write: Write): StreamedBody {
  let bytes = 0;
  let instead: HttpResponse | null = null;
  let offering = false;
  let over = false;
  const end = (): void => {
    if (instead === null) write(status, bytes);
    else write(instead.status, plainBytes(instead.body));
  };
  const counting = (writer: BodyWriter): BodyWriter => ({
    offer: (from, at, length) => {
      offering = true;
      const taken = writer.offer(from, at, length);
      offering = false;
      bytes += taken;
      // What is offered last ends the answer before it is known here how much was taken.
      if (over) end();
      return taken;
    },
    write: (from, at, length) => {
      bytes += length;
      return writer.write(from, at, length);
    },
    fail: (why) => writer.fail(why),
  });
  const replaced = (thrown: unknown): HttpResponse => {
    const response = body.instead?.(thrown);
    if (response === undefined) throw thrown;
    instead = response;
    return response;
  };
  return {
    lengthBytes: body.lengthBytes,
    send: (writer, scope) => body.send(counting(writer), scope),
    writable: () => body.writable?.(),
    ...(body.instead === undefined ? {} : { instead: (thrown: unknown) => replaced(thrown) }),
    release: () => {
      body.release();
      over = true;
      if (!offering) end();
    },
  };
}

function isStreamed(body: HttpResponse["body"]): body is StreamedBody {
  return body !== null && typeof body !== "string" && !(body instanceof Uint8Array);
}

function plainBytes(body: HttpResponse["body"]): number {
  if (body === null) return 0;
  if (typeof body === "string") return encoder.encode(body).length;
  return body instanceof Uint8Array ? body.length : body.lengthBytes;
}

export interface AccessFacts {
  readonly peer: string;
  readonly user: string | null;
  /** When it was answered, ms since 1970. */
  readonly atMs: number;
  /** What was asked for, as it came. */
  readonly line: string;
  readonly status: number;
  /** Of the body, as far as they were sent. */
  readonly bytes: number;
}

const encoder = new TextEncoder();
const months = "Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec".split(" ");

/** `peer - user [10/Oct/2026:13:55:36 +0000] "GET /x HTTP/1.1" 200 2326`, and its end. */
export function accessLine(facts: AccessFacts): string {
  const { peer, user, atMs, line, status, bytes } = facts;
  const who = user === null || user === "" ? "-" : escaped(user).replaceAll(" ", "\\x20");
  const size = bytes === 0 ? "-" : bytes;
  return `${peer} - ${who} [${timeText(atMs)}] "${escaped(line)}" ${status} ${size}\n`;
}

/** Most lines are of the same second as the one before. */
let lastSecond = Number.NaN;
let lastText = "";

function timeText(atMs: number): string {
  const second = Math.floor(atMs / 1000);
  if (second !== lastSecond) {
    const at = new Date(second * 1000);
    const two = (value: number): string => String(value).padStart(2, "0");
    const day = `${two(at.getUTCDate())}/${months[at.getUTCMonth()]}/${at.getUTCFullYear()}`;
    const time = [at.getUTCHours(), at.getUTCMinutes(), at.getUTCSeconds()].map(two).join(":");
    lastText = `${day}:${time} +0000`;
    lastSecond = second;
  }
  return lastText;
}

/** What could end the line or its quotes, or drive a terminal, is written as `\xNN`. */
function escaped(text: string): string {
  if (/^[ !#-[\]-~]*$/.test(text)) return text;
  let out = "";
  for (const byte of encoder.encode(text)) {
    const plain = byte >= 0x20 && byte < 0x7f && byte !== 0x22 && byte !== 0x5c;
    out += plain ? String.fromCharCode(byte) : `\\x${byte.toString(16).padStart(2, "0")}`;
  }
  return out;
}
