import { expect, test } from "bun:test";
import { progressLine } from "../../../src/cli/progress.ts";
import { sizeWithUnit } from "../../../src/cli/size-text.ts";

const MiB = 2 ** 20;

test("a bar tells how much is done, how fast, and how long it takes yet", () => {
  expect(progressLine({ doneBytes: 512 * MiB, totalBytes: 2048 * MiB }, 4)).toBe(
    "[######..................] 25% 512 MiB, 128 MiB/s, 12 s left",
  );
  expect(progressLine({ doneBytes: 0, totalBytes: 0 }, 0)).toContain("100% 0 bytes, 0 bytes/s");
});

test("sizes have the unit that suits them", () => {
  const texts = [0, 1023, 1024, 1.5 * MiB, 999 * MiB, 2 ** 41].map(sizeWithUnit);
  expect(texts).toEqual(["0 bytes", "1023 bytes", "1.0 KiB", "1.5 MiB", "999 MiB", "2.0 TiB"]);
});
