import { describe, expect, test } from "bun:test";
import { limits } from "../../../src/base/limits.ts";
import { type Head, type HeadFault, parseHead } from "../../../src/http/head.ts";

function parse(...lines: readonly string[]): Head | HeadFault {
  return parseHead(lines.map((line) => `${line}\r\n`).join(""));
}

function head(...lines: readonly string[]): Head {
  const parsed = parse(...lines);
  if ("reason" in parsed) throw new Error(parsed.reason);
  return parsed;
}

function statusOf(...lines: readonly string[]): number | null {
  const parsed = parse(...lines);
  return "reason" in parsed ? parsed.status : null;
}

const get = "GET /a HTTP/1.1";
const host = "Host: h";

describe("a head", () => {
  test("gives method, target and fields, names in lower case and blanks trimmed", () => {
    const { method, target, fields, bodyBytes, keepAlive } = head(
      "PUT /volume/a%20b?x=1 HTTP/1.1",
      "HOST: h:80",
      "X-One:  a b\t ",
      "x-one:c",
      "Empty:",
      "Content-Length: 12",
    );
    expect([method, target, bodyBytes, keepAlive]).toEqual(["PUT", "/volume/a%20b?x=1", 12, true]);
    expect(fields.get("host")).toBe("h:80");
    expect(fields.get("x-one")).toBe("a b, c");
    expect(fields.get("empty")).toBe("");
    expect(fields.get("none")).toBeNull();
  });

  test("in absolute form names its host itself", () => {
    const { target, fields } = head("GET http://other:8080/a?b HTTP/1.1", "Host: h");
    expect([target, fields.get("host")]).toEqual(["/a?b", "other:8080"]);
    expect(head("GET http://other HTTP/1.1", host).target).toBe("/");
    expect(head("GET http://other?x HTTP/1.1", host).target).toBe("/?x");
  });

  test("with bytes beyond ASCII in its target has them encoded", () => {
    expect(head("GET /\xc3\xa4 HTTP/1.1", host).target).toBe("/%C3%A4");
  });

  test("ends the connection when it says so or is of HTTP/1.0", () => {
    expect(head(get, host).keepAlive).toBe(true);
    expect(head(get, host, "Connection: keep-alive").keepAlive).toBe(true);
    expect(head(get, host, "Connection: TE, Close").keepAlive).toBe(false);
    expect(head("GET /a HTTP/1.0").keepAlive).toBe(false);
    expect(head("GET /a HTTP/1.0", "Connection: keep-alive").keepAlive).toBe(false);
  });

  test("asks for 100 Continue only with a body", () => {
    const expects = "Expect: 100-Continue";
    expect(head("PUT /a HTTP/1.1", host, expects, "Content-Length: 1").expects).toBe(true);
    expect(head("PUT /a HTTP/1.1", host, expects, "Transfer-Encoding: chunked").expects).toBe(true);
    expect(head("PUT /a HTTP/1.1", host, expects).expects).toBe(false);
    expect(head("PUT /a HTTP/1.0", expects, "Content-Length: 1").expects).toBe(false);
  });

  test("has a body of the length it says, or chunks", () => {
    expect(head(get, host).bodyBytes).toBe(0);
    expect(head(get, host, "Content-Length: 0").bodyBytes).toBe(0);
    expect(head(get, host, "Content-Length: 17592186044416").bodyBytes).toBe(2 ** 44);
    expect(head(get, host, "Content-Length: 5", "Content-Length: 5").bodyBytes).toBe(5);
    expect(head(get, host, "Content-Length: 5, 5").bodyBytes).toBe(5);
    expect(head(get, host, "Transfer-Encoding: Chunked").bodyBytes).toBeNull();
  });
});

describe("a head is refused", () => {
  const cases: readonly (readonly [what: string, status: number, lines: readonly string[]])[] = [
    ["without a Host in HTTP/1.1", 400, [get]],
    ["with two Hosts", 400, [get, host, "Host: other"]],
    ["in absolute form without a Host", 400, ["GET http://h/ HTTP/1.1"]],
    ["in absolute form with two Hosts", 400, ["GET http://h/ HTTP/1.1", host, "Host: other"]],
    ["in absolute form with a host that is none", 400, ["GET http://user@h/ HTTP/1.1", host]],
    ["with a Host that is none", 400, [get, "Host: a/b"]],
    ["with a Host of a user", 400, [get, "Host: user@h"]],
    ["of HTTP/2", 505, ["PRI * HTTP/2.0"]],
    ["of HTTP/0.9", 400, ["GET /a"]],
    ["with another protocol", 400, ["GET /a ICY/1.1", host]],
    ["with two blanks in its line", 400, ["GET  /a HTTP/1.1", host]],
    ["with a blank in its target", 400, ["GET /a b HTTP/1.1", host]],
    ["with a method that is no token", 400, ["G(T /a HTTP/1.1", host]],
    ["with a target that is no path", 400, ["GET a HTTP/1.1", host]],
    ["with '*' for a method that has no use of it", 400, ["GET * HTTP/1.1", host]],
    ["for CONNECT to elsewhere", 400, ["CONNECT h:80 HTTP/1.1", host]],
    [
      "with a target too long",
      414,
      [`GET /${"a".repeat(limits.httpTargetBytesMax)} HTTP/1.1`, host],
    ],
    ["with a field without a colon", 400, [get, host, "nothing"]],
    ["with a field without a name", 400, [get, host, ": value"]],
    ["with a blank before the colon", 400, [get, host, "Content-Length : 5"]],
    ["with a folded field", 400, [get, host, "X-One: a", " b"]],
    ["with a NUL", 400, [get, host, "X-One: a\0b"]],
    ["with a control character", 400, [get, host, "X-One: a\x07"]],
    ["with a lone CR", 400, [get, host, "X-One: a\rb"]],
    ["with a lone LF", 400, [get, host, "X-One: a\nX-Two: b"]],
    [
      "with too many fields",
      431,
      [get, host, ...Array.from({ length: limits.httpFieldsMax }, (_, at) => `X-${at}: 1`)],
    ],
    ["with both framings", 400, [get, host, "Content-Length: 5", "Transfer-Encoding: chunked"]],
    ["with lengths that differ", 400, [get, host, "Content-Length: 5", "Content-Length: 6"]],
    ["with a negative length", 400, [get, host, "Content-Length: -1"]],
    ["with a signed length", 400, [get, host, "Content-Length: +1"]],
    ["with a hexadecimal length", 400, [get, host, "Content-Length: 0x10"]],
    ["with a length that is not exact", 400, [get, host, "Content-Length: 9999999999999999"]],
    ["with an empty length", 400, [get, host, "Content-Length:"]],
    ["with a coding that is not known", 501, [get, host, "Transfer-Encoding: gzip, chunked"]],
    ["with a coding that has no end", 400, [get, host, "Transfer-Encoding: gzip"]],
    ["with chunks in chunks", 400, [get, host, "Transfer-Encoding: chunked, chunked"]],
    [
      "with two codings in two fields",
      400,
      [get, host, "Transfer-Encoding: chunked", "Transfer-Encoding: chunked"],
    ],
    ["with chunked and more behind it", 400, [get, host, "Transfer-Encoding: chunked, identity"]],
    ["with chunks in HTTP/1.0", 400, ["PUT /a HTTP/1.0", "Transfer-Encoding: chunked"]],
    ["with another expectation", 417, [get, host, "Expect: tea"]],
  ];
  for (const [what, status, lines] of cases) {
    test(what, () => {
      expect(statusOf(...lines)).toBe(status);
    });
  }
});
