import { describe, expect, test } from "bun:test";
import type { BodyWriter } from "../../../src/http/body-writer.ts";
import type { HttpResponse, StreamedBody } from "../../../src/http/exchange.ts";
import { type AccessFacts, AccessLog, accessLine } from "../../../src/webdav/door/access-log.ts";
import { ManualClock } from "../tree/manual-clock.ts";
import { requestOf } from "./requests.ts";

const facts: AccessFacts = {
  peer: "192.0.2.7",
  user: "anna",
  atMs: Date.UTC(2026, 9, 10, 13, 5, 6),
  line: "GET /volume/test?x HTTP/1.1",
  status: 206,
  bytes: 4096,
};

describe("a line", () => {
  test("is in the common log format", () => {
    expect(accessLine(facts)).toBe(
      '192.0.2.7 - anna [10/Oct/2026:13:05:06 +0000] "GET /volume/test?x HTTP/1.1" 206 4096\n',
    );
    expect(accessLine({ ...facts, user: null, status: 401, bytes: 0 })).toBe(
      '192.0.2.7 - - [10/Oct/2026:13:05:06 +0000] "GET /volume/test?x HTTP/1.1" 401 -\n',
    );
  });

  test("stays one line, whatever was sent", () => {
    const bad = { user: 'a "b"\n', line: 'G\u001b[2J /\r\n"\\\u0085ü HTTP/1.1' };
    expect(accessLine({ ...facts, ...bad })).toBe(
      "192.0.2.7 - a\\x20\\x22b\\x22\\x0a [10/Oct/2026:13:05:06 +0000] " +
        '"G\\x1b[2J /\\x0d\\x0a\\x22\\x5c\\xc2\\x85\\xc3\\xbc HTTP/1.1" 206 4096\n',
    );
  });
});

test("what was refused before it was understood is written too, without a password", () => {
  const lines: string[] = [];
  const log = new AccessLog(new ManualClock(), (line) => lines.push(line));
  const refused = { peer: "192.0.2.7", status: 400, bytes: 5 };
  log.refused({ ...refused, line: "GET http://anna:secret@here/ HTTP/1.1" });
  log.refused({ ...refused, line: `\u0016\u0003 ${"x".repeat(9_000)}` });
  log.refused({ ...refused, line: "" });
  expect(lines[0]).toEndWith(' "GET http://-@here/ HTTP/1.1" 400 5\n');
  expect(lines[1]).toStartWith("192.0.2.7 - - [");
  expect(lines[1]).toMatch(/ "\\x16\\x03 x{100,300}" 400 5\n$/);
  expect(lines[2]).toEndWith(' "" 400 5\n');
});

describe("what is written of an answer", () => {
  const writer: BodyWriter = {
    offer: (_bytes, _at, length) => Math.min(length, 10),
    write: () => {},
    fail: () => {},
  };

  function noted(response: HttpResponse, method = "GET") {
    const lines: string[] = [];
    const log = new AccessLog(new ManualClock(), (line) => lines.push(line));
    return { lines, response: log.note(requestOf(method), null, response) };
  }

  function streamed(rest: Partial<StreamedBody>): HttpResponse {
    const body = { lengthBytes: 100, send: () => {}, release: () => {}, ...rest };
    return { status: 200, headers: [], body };
  }

  const endings = (lines: readonly string[]): string[] =>
    lines.map((line) => line.trimEnd().split('" ')[1] ?? "");

  test("counts the bytes of a text, none for HEAD", () => {
    const body = { status: 404, headers: [], body: "ü\n" };
    expect(endings(noted(body).lines)).toEqual(["404 3"]);
    expect(endings(noted(body, "HEAD").lines)).toEqual(["404 -"]);
  });

  test("counts what of a stream was sent, at its end", async () => {
    const bytes = new Uint8Array(100);
    const { lines, response } = noted(
      streamed({
        send: (to) => {
          to.offer(bytes, 0, 100);
          return to.write(bytes, 10, 40);
        },
      }),
    );
    const body = response.body as StreamedBody;
    await body.send(writer, requestOf("GET").scope);
    expect(lines).toEqual([]);
    body.release();
    expect(endings(lines)).toEqual(["200 50"]);
  });

  test("counts what was offered last, which ends the answer at once", () => {
    const ends: BodyWriter = {
      ...writer,
      offer: (_bytes, _at, length) => {
        body.release();
        return length;
      },
    };
    const { lines, response } = noted(streamed({ send: (to) => void to.offer(bytes, 0, 100) }));
    const bytes = new Uint8Array(100);
    const body = response.body as StreamedBody;
    void body.send(ends, requestOf("GET").scope);
    expect(endings(lines)).toEqual(["200 100"]);
  });

  test("is what was answered in its place when it failed at once", () => {
    const instead = { status: 503, headers: [], body: "no\n" };
    const { lines, response } = noted(streamed({ instead: () => instead }));
    const body = response.body as StreamedBody;
    expect(body.instead?.(new Error("gone"))).toBe(instead);
    body.release();
    expect(endings(lines)).toEqual(["503 3"]);
  });
});
