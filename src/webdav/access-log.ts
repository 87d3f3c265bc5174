import type { Clock } from "../base/clock.ts";
import type { BodyWriter } from "../http/body-writer.ts";
import type { HttpRequest, HttpResponse, StreamedBody } from "../http/exchange.ts";

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
    const write = (bytes: number): void => {
      const { peer, method, target } = request;
      this.#sink(accessLine({ peer, user, atMs, method, target, status: response.status, bytes }));
    };
    const { body } = response;
    if (body === null || request.method === "HEAD") {
      // A body that is not wanted is released without being sent.
      write(0);
      return response;
    }
    if (typeof body === "string") {
      write(new TextEncoder().encode(body).length);
      return response;
    }
    if (body instanceof Uint8Array) {
      write(body.length);
      return response;
    }
    return { ...response, body: counted(body, write) };
  }
}

function counted(body: StreamedBody, done: (bytes: number) => void): StreamedBody {
  let bytes = 0;
  return {
    lengthBytes: body.lengthBytes,
    send: (writer, scope) => {
      const counting: BodyWriter = {
        offer: (from, at, length) => {
          const taken = writer.offer(from, at, length);
          bytes += taken;
          return taken;
        },
        write: (from, at, length) => {
          bytes += length;
          return writer.write(from, at, length);
        },
      };
      return body.send(counting, scope);
    },
    release: () => {
      body.release();
      done(bytes);
    },
  };
}

export interface AccessFacts {
  readonly peer: string;
  readonly user: string | null;
  /** When it was answered, ms since 1970. */
  readonly atMs: number;
  readonly method: string;
  readonly target: string;
  readonly status: number;
  /** Of the body, as far as they were sent. */
  readonly bytes: number;
}

const months = "Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec".split(" ");

/** `peer - user [10/Oct/2026:13:55:36 +0000] "GET /x HTTP/1.1" 200 2326`, and its end. */
export function accessLine(facts: AccessFacts): string {
  const { peer, user, atMs, method, target, status, bytes } = facts;
  const at = new Date(atMs);
  const two = (value: number): string => String(value).padStart(2, "0");
  const day = `${two(at.getUTCDate())}/${months[at.getUTCMonth()]}/${at.getUTCFullYear()}`;
  const time = [at.getUTCHours(), at.getUTCMinutes(), at.getUTCSeconds()].map(two).join(":");
  const who = user === null || user === "" ? "-" : escaped(user).replaceAll(" ", "\\x20");
  const line = `${escaped(method)} ${escaped(target)} HTTP/1.1`;
  return `${peer} - ${who} [${day}:${time} +0000] "${line}" ${status} ${bytes === 0 ? "-" : bytes}\n`;
}

const encoder = new TextEncoder();

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
