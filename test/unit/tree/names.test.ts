import { describe, expect, test } from "bun:test";
import { seededRandom } from "../../../src/base/random.ts";
import { escapeName, escapeTag, fittedName, unescapeName } from "../../../src/tree/names.ts";

const bytesOf = (text: string): Uint8Array => new TextEncoder().encode(text);

describe("a name that can stand in a listing is listed as it is", () => {
  for (const name of [
    "test",
    "web-1.disk",
    "a b",
    "a.b",
    "...",
    ".hidden",
    "größe",
    "磁盘",
    "a@b",
  ]) {
    test(name, () => {
      expect(escapeName(bytesOf(name))).toBe(name);
      expect(unescapeName(name)).toEqual(bytesOf(name));
    });
  }
});

describe("a name that cannot is listed escaped, and its escaped form means it again", () => {
  const cases: readonly (readonly [string, Uint8Array, string])[] = [
    ["slash", bytesOf("a/b"), "a\\x2fb"],
    ["backslash", bytesOf("a\\b"), "a\\x5cb"],
    ["something that looks escaped", bytesOf("a\\x2fb"), "a\\x5cx2fb"],
    ["newline", bytesOf("a\nb"), "a\\x0ab"],
    ["DEL", bytesOf("a\x7f"), "a\\x7f"],
    ["control of two bytes", bytesOf("a\u0085b"), "a\\xc2\\x85b"],
    ["line separator", bytesOf("a\u2028"), "a\\xe2\\x80\\xa8"],
    ["text that turns its direction", bytesOf("a\u202eb"), "a\\xe2\\x80\\xaeb"],
    ["dot", bytesOf("."), "\\x2e"],
    ["dot dot", bytesOf(".."), "\\x2e\\x2e"],
    ["space in front", bytesOf(" a"), "\\x20a"],
    ["space behind", bytesOf("a "), "a\\x20"],
    ["space alone", bytesOf(" "), "\\x20"],
    ["no UTF-8", new Uint8Array([0x61, 0xff, 0x62]), "a\\xffb"],
    ["cut UTF-8", new Uint8Array([0xe7, 0xa3]), "\\xe7\\xa3"],
    ["surrogate", new Uint8Array([0xed, 0xa0, 0x80]), "\\xed\\xa0\\x80"],
    ["overlong slash", new Uint8Array([0xc0, 0xaf]), "\\xc0\\xaf"],
  ];
  for (const [what, raw, listed] of cases) {
    test(what, () => {
      expect(escapeName(raw)).toBe(listed);
      expect(unescapeName(listed)).toEqual(raw);
    });
  }
});

test("any bytes survive being escaped, as a name that every listing can show", () => {
  const seed = Number(process.env["SEED"] ?? Date.now() % 1e9);
  console.log("seed", seed);
  const random = seededRandom(seed);
  for (let round = 0; round < 2_000; round += 1) {
    const raw = Uint8Array.from({ length: 1 + random.below(255) }, () => random.below(256));
    const listed = escapeName(raw);
    expect(unescapeName(listed)).toEqual(raw);
    expect(listed).not.toMatch(/[/\p{Cc}]|^\.\.?$|^ | $/u);
    expect(bytesOf(fittedName(listed)).length).toBeLessThanOrEqual(255);
  }
});

test("a backslash that begins no escape is refused, saying what to write", () => {
  for (const bad of ["a\\b", "a\\", "a\\x", "a\\xg0", "\\x2"]) {
    expect(() => unescapeName(bad)).toThrow("write \\x5c for a backslash");
  }
});

test("a tag's own @ is escaped, so that the last @ of NAME@TAG is the separator", () => {
  expect(escapeTag(bytesOf("a@b"))).toBe("a\\x40b");
  expect(unescapeName("a\\x40b")).toEqual(bytesOf("a@b"));
});

describe("a name whose escaped form is too long for a directory entry", () => {
  test("keeps its beginning and gets a digest", () => {
    const listed = fittedName(escapeName(new Uint8Array(255).fill(0xff)));
    expect(listed).toMatch(/^(\\xff)+\\~[0-9a-f]{16}$/);
    expect(bytesOf(listed).length).toBeLessThanOrEqual(255);
  });

  test("is still another's than that of a name with the same beginning", () => {
    const one = new Uint8Array(200).fill(1);
    const other = one.slice();
    other[199] = 2;
    expect(fittedName(escapeName(one))).not.toBe(fittedName(escapeName(other)));
  });

  test("is never cut within a character or an escape", () => {
    for (let lead = 0; lead < 8; lead += 1) {
      const raw = bytesOf(`${"a".repeat(lead)}${"磁\n".repeat(60)}`);
      const shown = fittedName(escapeName(raw)).replace(/\\~[0-9a-f]{16}$/, "");
      const kept = unescapeName(shown);
      expect(kept).toEqual(raw.subarray(0, kept.length));
    }
  });

  test("can never be mistaken for an escaped name", () => {
    const listed = fittedName(escapeName(new Uint8Array(255).fill(0xff)));
    expect(() => unescapeName(listed)).toThrow("backslash");
  });
});
