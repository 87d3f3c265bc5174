import { describe, expect, test } from "bun:test";
import { limits } from "../../../src/base/limits.ts";
import { parseContentRange, parseRange } from "../../../src/webdav/content/range.ts";

const TiB = 2 ** 40;

/** Ranges as `offset+length`, or the kind. */
function wish(field: string, sizeBytes: number): string {
  const parsed = parseRange(field, sizeBytes);
  if (parsed.kind !== "ranges") return parsed.kind;
  return parsed.ranges.map(({ offset, length }) => `${offset}+${length}`).join(" ");
}

describe("a Range", () => {
  const cases: readonly (readonly [field: string, sizeBytes: number, wanted: string])[] = [
    ["bytes=0-0", 100, "0+1"],
    ["bytes=10-19", 100, "10+10"],
    ["Bytes=10-19", 100, "10+10"],
    ["bytes=007-010", 100, "7+4"],
    ["bytes=90-", 100, "90+10"],
    ["bytes=-10", 100, "90+10"],
    ["bytes=-1000", 100, "0+100"],
    ["bytes=90-1000", 100, "90+10"],
    ["bytes=90-99999999999999999999999", 100, "90+10"],
    ["bytes=99-99", 100, "99+1"],
    ["bytes=100-", 100, "none"],
    ["bytes=99999999999999999999-", 100, "none"],
    ["bytes=-0", 100, "none"],
    ["bytes=0-", 0, "none"],
    ["bytes=-5", 0, "none"],
    [`bytes=${16 * TiB - 1}-`, 16 * TiB, `${16 * TiB - 1}+1`],
    [`bytes=-${4096}`, 16 * TiB, `${16 * TiB - 4096}+4096`],
    ["bytes=5-3", 100, "none"],
    ["bytes=-", 100, "none"],
    ["bytes=", 100, "none"],
    ["bytes=a-b", 100, "none"],
    ["bytes=0-1,x", 100, "none"],
    ["bytes= 0-1 , 50-51 ", 100, "0+2 50+2"],
    ["bytes=0-1,,50-51", 100, "0+2 50+2"],
    ["bytes=50-51,0-1", 100, "50+2 0+2"],
    ["bytes=0-10,5-20", 100, "0+21"],
    ["bytes=0-10,11-20", 100, "0+21"],
    ["bytes=50-60,0-10,55-70", 100, "0+11 50+21"],
    ["bytes=0-1,200-201", 100, "0+2"],
    ["bytes=200-201,300-301", 100, "none"],
    [`bytes=${"0-0,".repeat(limits.davRangesMax)}5-5`, 100, "none"],
    ["lines=1-2", 100, "whole"],
    ["bytes", 100, "whole"],
  ];
  for (const [field, sizeBytes, wanted] of cases) {
    test(`'${field.slice(0, 40)}' of ${sizeBytes} bytes is ${wanted}`, () => {
      expect(wish(field, sizeBytes)).toBe(wanted);
    });
  }
});

describe("a Content-Range", () => {
  const cases: readonly (readonly [field: string, wanted: string | null])[] = [
    ["bytes 0-9/100", "0+10 of 100"],
    ["bytes 0-9/*", "0+10 of null"],
    ["BYTES 99-99/100", "99+1 of 100"],
    [`bytes ${8 * TiB}-${8 * TiB + 9}/${16 * TiB}`, `${8 * TiB}+10 of ${16 * TiB}`],
    ["bytes 0-9", null],
    ["bytes 0-/100", null],
    ["bytes -9/100", null],
    ["bytes */100", null],
    ["bytes 9-0/100", null],
    ["bytes 0-100/100", null],
    ["bytes=0-9/100", null],
    ["bytes 0-9999999999999999/*", null],
    ["bytes 0-9/100, bytes 0-9/100", null],
    ["lines 0-9/100", null],
  ];
  for (const [field, wanted] of cases) {
    test(`'${field}' is ${wanted ?? "refused"}`, () => {
      const parsed = parseContentRange(field);
      const shown =
        parsed && `${parsed.extent.offset}+${parsed.extent.length} of ${parsed.totalBytes}`;
      expect(shown).toBe(wanted);
    });
  }
});
