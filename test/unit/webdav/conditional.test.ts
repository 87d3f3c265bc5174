import { describe, expect, test } from "bun:test";
import type { RequestHeaders } from "../../../src/http/exchange.ts";
import {
  checkConditions,
  type EntityFacts,
  ifRangeHolds,
  isPresentTag,
} from "../../../src/webdav/conditions/conditional.ts";
import { parseHttpDate } from "../../../src/webdav/conditions/http-date.ts";

const changed = "Sun, 06 Nov 1994 08:49:37 GMT";
const before = "Sun, 06 Nov 1994 08:49:36 GMT";
const after = "Sun, 06 Nov 1994 08:49:38 GMT";
const modifiedMs = Date.UTC(1994, 10, 6, 8, 49, 37) + 400;

const strong: EntityFacts = { exists: true, etag: '"5"', strong: true, modifiedMs };
const weak: EntityFacts = { exists: true, etag: 'W/"5"', strong: false, modifiedMs };
const bare: EntityFacts = { exists: true, etag: null, strong: false, modifiedMs: null };
const nothing: EntityFacts = { ...bare, exists: false };

function fields(given: Readonly<Record<string, string>>): RequestHeaders {
  return { get: (name) => given[name] ?? null };
}

describe("conditions, in their order", () => {
  // [S-54]
  for (const [method, facts, given, expected] of [
    ["GET", strong, {}, null],
    // If-Match compares letter for letter.
    ["PUT", strong, { "if-match": '"5"' }, null],
    ["PUT", strong, { "if-match": '"4", "5"' }, null],
    ["PUT", strong, { "if-match": '"4","5",' }, null],
    ["PUT", strong, { "if-match": '"4"' }, 412],
    ["PUT", strong, { "if-match": 'W/"5"' }, 412],
    ["PUT", strong, { "if-match": "5" }, 412],
    ["PUT", strong, { "if-match": '"5' }, 412],
    ["PUT", weak, { "if-match": 'W/"5"' }, null],
    // davfs2 sends a weak tag back as a strong one.
    ["PUT", weak, { "if-match": '"5"' }, null],
    ["PUT", weak, { "if-match": '"4"' }, 412],
    ["PUT", weak, { "if-match": "*" }, null],
    ["PUT", bare, { "if-match": "*" }, null],
    ["PUT", bare, { "if-match": '"5"' }, 412],
    ["PUT", nothing, { "if-match": "*" }, 412],
    ["GET", strong, { "if-match": '"4"' }, 412],
    // If-Unmodified-Since counts only without If-Match.
    ["PUT", strong, { "if-unmodified-since": changed }, null],
    ["PUT", strong, { "if-unmodified-since": after }, null],
    ["PUT", strong, { "if-unmodified-since": before }, 412],
    ["GET", strong, { "if-unmodified-since": before }, 412],
    ["PUT", strong, { "if-unmodified-since": "yesterday" }, null],
    ["PUT", bare, { "if-unmodified-since": before }, null],
    ["PUT", strong, { "if-match": '"5"', "if-unmodified-since": before }, null],
    // If-None-Match compares weakly.
    ["GET", strong, { "if-none-match": '"5"' }, 304],
    ["HEAD", strong, { "if-none-match": 'W/"5"' }, 304],
    ["GET", weak, { "if-none-match": 'W/"4", W/"5"' }, 304],
    ["GET", strong, { "if-none-match": '"4"' }, null],
    ["GET", strong, { "if-none-match": "*" }, 304],
    ["GET", strong, { "if-none-match": "5" }, null],
    ["PUT", strong, { "if-none-match": "*" }, 412],
    ["PUT", nothing, { "if-none-match": "*" }, null],
    ["PUT", strong, { "if-none-match": '"5"' }, 412],
    ["PUT", strong, { "if-none-match": '"4"' }, null],
    ["PUT", strong, { "if-none-match": "5" }, 412],
    // If-Modified-Since counts for reading, and only without If-None-Match.
    ["GET", strong, { "if-modified-since": changed }, 304],
    ["HEAD", strong, { "if-modified-since": after }, 304],
    ["GET", strong, { "if-modified-since": before }, null],
    ["PUT", strong, { "if-modified-since": changed }, null],
    ["GET", strong, { "if-modified-since": "0" }, null],
    ["GET", bare, { "if-modified-since": after }, null],
    ["GET", strong, { "if-modified-since": changed, "if-none-match": '"4"' }, null],
    ["GET", strong, { "if-modified-since": before, "if-none-match": '"5"' }, 304],
    // What must match is looked at before what must not.
    ["GET", strong, { "if-match": '"4"', "if-none-match": '"5"' }, 412],
    ["GET", strong, { "if-match": '"5"', "if-none-match": '"5"' }, 304],
  ] as const) {
    const tag = facts.etag ?? (facts.exists ? "no tag" : "nothing");
    test(`${method} of ${tag} with ${JSON.stringify(given)}: ${expected ?? "goes on"}`, () => {
      expect(checkConditions(fields(given), facts, method)).toBe(expected);
    });
  }
});

describe("If-Range", () => {
  for (const [facts, field, expected] of [
    [strong, null, true],
    [strong, '"5"', true],
    [strong, '"4"', false],
    [strong, 'W/"5"', false],
    [strong, '"5", "5"', false],
    [strong, "*", false],
    [strong, changed, false],
    [weak, 'W/"5"', false],
    [weak, null, true],
    [bare, '"5"', false],
  ] as const) {
    test(`${field ?? "none"} at ${facts.etag}: ${expected}`, () => {
      const given: Record<string, string> = field === null ? {} : { "if-range": field };
      expect(ifRangeHolds(fields(given), facts)).toBe(expected);
    });
  }
});

test("the tag in an If header is compared weakly", () => {
  expect(isPresentTag('W/"5"', weak)).toBe(true);
  expect(isPresentTag('"5"', weak)).toBe(true);
  expect(isPresentTag('"4"', strong)).toBe(false);
  expect(isPresentTag('"5"', bare)).toBe(false);
});

describe("dates", () => {
  const seconds = Date.UTC(1994, 10, 6, 8, 49, 37);
  for (const [text, expected] of [
    ["Sun, 06 Nov 1994 08:49:37 GMT", seconds],
    ["Sunday, 06-Nov-94 08:49:37 GMT", seconds],
    ["Sun Nov  6 08:49:37 1994", seconds],
    ["Sunday, 06-Nov-40 08:49:37 GMT", Date.UTC(2040, 10, 6, 8, 49, 37)],
    ["Sunday, 06-Nov-90 08:49:37 GMT", Date.UTC(1990, 10, 6, 8, 49, 37)],
    ["Sun, 06 Nov 1994 08:49:37 UTC", null],
    ["Sun, 06 Nov 1994 24:49:37 GMT", null],
    ["Sun, 06 Xxx 1994 08:49:37 GMT", null],
    ["Sun, 00 Nov 1994 08:49:37 GMT", null],
    ["1994-11-06T08:49:37Z", null],
    ["", null],
  ] as const) {
    test(`'${text}'`, () => {
      expect(parseHttpDate(text, Date.UTC(2026, 0, 1))).toBe(expected);
    });
  }
});
