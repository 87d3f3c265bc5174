import { expect, test } from "bun:test";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { ContentSum, sumHex } from "../../../src/app/backup/digest.ts";
import type { IncrementAbout } from "../../../src/app/backup/increment-format.ts";
import { IncrementReader } from "../../../src/app/backup/increment-reader.ts";
import { IncrementWriter } from "../../../src/app/backup/increment-writer.ts";
import { TemporaryFolder } from "../../support/process.ts";

const KiB = 1024;
const state = {
  name: "a",
  tag: "one",
  vid: "000001",
  created: "1.000000000",
  taken: "2.000000000",
};

function piece(offset: number, length: number, byte: number) {
  return { offset, bytes: new Uint8Array(length).fill(byte) };
}

// What is in files of people must mean the same to every later version.
test("[S-121] checksums and increments are those of docs/INCREMENT.md, for ever", async () => {
  const sum = new ContentSum();
  sum.add(piece(0, 64 * KiB, 1));
  sum.add(piece(128 * KiB, 64 * KiB, 0));
  sum.add(piece(192 * KiB, 7, 3));
  expect([sumHex(sum.value), sum.digest(192 * KiB + 7)]).toEqual([
    "0f9c65d878e40dc0071107ea9912ec61",
    "6f686cbaa11b98985c4e4f9a9fd74254b1da8f086520f75346a801b46628270e",
  ]);
  const written: Uint8Array[] = [];
  const about: IncrementAbout = {
    base: { ...state, sizeBytes: 192 * KiB, sum: sumHex(sum.value) },
    state: { ...state, tag: "two", vid: "000002" },
    sizeBytes: 256 * KiB,
  };
  const writer = await IncrementWriter.begin(async (bytes) => {
    written.push(bytes.slice());
  }, about);
  await writer.zeros(0, 64 * KiB, 5n);
  await writer.data(piece(64 * KiB, 64 * KiB, 9), 0n);
  const end = await writer.end();
  const file = Buffer.concat(written);
  const hash = new Bun.CryptoHasher("sha256").update(file).digest("hex");
  expect([file.length, hash]).toEqual([
    66_231,
    "a6c019b3c9a770344657af6fa98affe5914e0271b6e5cb99731ff35bcf171a2e",
  ]);
  using folder = new TemporaryFolder();
  const path = join(folder.path, "inc");
  writeFileSync(path, file);
  await using reader = await IncrementReader.open(path);
  expect(reader.about).toEqual(about);
  expect(await reader.checked(() => {})).toEqual(end);
  const parts = await Array.fromAsync(reader.parts());
  expect(parts.map(({ offset, length, bytes }) => [offset, length, bytes?.[0] ?? null])).toEqual([
    [0, 64 * KiB, null],
    [64 * KiB, 64 * KiB, 9],
  ]);
});

test("[S-121] a checksum is the same of whole and of parts, in any order, and of what changed", () => {
  const [a, b, c] = [
    piece(0, 64 * KiB, 1),
    piece(64 * KiB, 64 * KiB, 2),
    piece(64 * KiB, 64 * KiB, 3),
  ];
  const sumOf = (...pieces: readonly (typeof a)[]): bigint => {
    const sum = new ContentSum();
    for (const one of pieces) sum.add(one);
    return sum.value;
  };
  expect(sumOf(b, a)).toBe(sumOf(a, b));
  const changed = new ContentSum(sumOf(a, b));
  changed.subtractSum(sumOf(b));
  changed.addSum(sumOf(c));
  expect(changed.value).toBe(sumOf(a, c));
  // Moved bytes are others, and so are those of another length.
  expect(sumOf(piece(64 * KiB, 64 * KiB, 1))).not.toBe(sumOf(a));
  expect(sumOf(piece(0, 5, 1))).not.toBe(sumOf(piece(0, 6, 1)));
});
