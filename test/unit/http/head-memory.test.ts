import { describe, expect, test } from "bun:test";
import { type Head, type HeadFault, isFault, parseHead } from "../../../src/http/head.ts";
import { HeadMemory } from "../../../src/http/head-memory.ts";

const names = ["host", "range", "x-range", "if-range", "connection", "authorization"];

/** Everything that is known of a head, to be compared. */
function shown(head: Head | HeadFault): unknown {
  if (isFault(head)) return head;
  const { fields, ...rest } = head;
  return { ...rest, fields: names.map((name) => [name, fields.get(name)]), count: fields.count };
}

function get(...lines: string[]): string {
  return ["GET /volume/a HTTP/1.1", "Host: a:1", ...lines].map((line) => `${line}\r\n`).join("");
}

describe("a head like the last one is read as if there had been none before", () => {
  const first = get("Range: bytes=0-4095", "X-Range: bytes=0-4095", "Connection: keep-alive");
  const rows: readonly (readonly [string, string])[] = [
    ["the same", first],
    ["other numbers", first.replace("0-4095", "1234567-2345678")],
    ["no end", first.replace("0-4095", "10-")],
    ["no number", first.replace("0-4095", "")],
    ["a suffix", first.replace("0-4095", "-5")],
    ["two ranges", first.replace("0-4095", "0-1,5-9")],
    ["another line where the numbers were", first.replace("0-4095", "0-1\r\nX-A: 3")],
    ["a line break alone", first.replace("0-4095", "0-1\n")],
    ["a longer number than is looked at", first.replace("0-4095", "12345678901234567-")],
    ["numbers of the other field", first.replace(/(X-Range: bytes=)0-4095/, "$17-8")],
    ["another path", first.replace("/volume/a", "/volume/b")],
    ["another method", first.replace("GET", "PUT")],
    ["a body", `${first}Content-Length: 5\r\n`],
    ["the first part alone", first.slice(0, first.indexOf("0-4095"))],
    ["fewer fields", get("Range: bytes=0-4095")],
    ["the end of the connection", first.replace("keep-alive", "close")],
  ];
  for (const [what, text] of rows) {
    test(what, () => {
      const memory = new HeadMemory();
      expect(shown(memory.parse(first))).toEqual(shown(parseHead(first)));
      expect(shown(memory.parse(text))).toEqual(shown(parseHead(text)));
      expect(shown(memory.parse(first))).toEqual(shown(parseHead(first)));
    });
  }

  const seconds: readonly (readonly [string, string])[] = [
    ["a field of another name first", get("X-Range: bytes=0-9", "Range: bytes=0-9")],
    ["two Range fields", get("Range: bytes=0-9", "Range: bytes=20-29")],
    ["small letters, no blank", get("range:bytes=0-9")],
    ["a Range behind a body's length", get("Content-Length: 3", "Range: bytes=0-9")],
    ["a head that is not remembered", get(`X-Long: ${"x".repeat(2_000)}`, "Range: bytes=0-9")],
  ];
  for (const [what, text] of seconds) {
    test(`${what}, then with other numbers`, () => {
      const memory = new HeadMemory();
      memory.parse(text);
      for (const other of [text.replace("0-9", "5-6"), text.replace(/0-9(?=\r\n$)/, "5-6")]) {
        expect(shown(memory.parse(other))).toEqual(shown(parseHead(other)));
      }
    });
  }

  test("a request that was answered keeps its own range", () => {
    const memory = new HeadMemory();
    const heads = ["0-1", "2-3", "4-5"].map((spec) => memory.parse(get(`Range: bytes=${spec}`)));
    const ranges = heads.map((head) => (isFault(head) ? null : head.fields.get("range")));
    expect(ranges).toEqual(["bytes=0-1", "bytes=2-3", "bytes=4-5"]);
  });
});
