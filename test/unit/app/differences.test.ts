import { expect, test } from "bun:test";
import {
  aligned,
  type Difference,
  differences,
  type Indexed,
} from "../../../src/app/backup/differences.ts";
import { limits } from "../../../src/base/limits.ts";
import { seededRandom } from "../../../src/base/random.ts";
import type { SlotRun } from "../../../src/volume/extents.ts";

const KiB = 1024;
const seed = Number(process.env["SEED"] ?? Date.now() % 1_000_000);

/** A volume by its slots alone; it hands out so many runs at a time. */
function indexed(objectBytes: number, sizeBytes: number, slots: readonly number[]): Indexed {
  return {
    objectBytes,
    sizeBytes,
    slotRuns: async (offset) => {
      const runs: SlotRun[] = [];
      for (let index = Math.floor(offset / objectBytes); index < slots.length; index += 1) {
        const vid = slots[index] ?? 0;
        const at = index * objectBytes;
        const length = Math.min(objectBytes, sizeBytes - at);
        const last = runs.at(-1);
        if (vid === 0) continue;
        if (last?.vid === vid && last.offset + last.length === at) {
          runs[runs.length - 1] = { ...last, length: last.length + length };
        } else if (runs.length === limits.slotRunsMax) {
          break;
        } else {
          runs.push({ offset: at, length, vid });
        }
      }
      return runs;
    },
  };
}

/** Of each 4 KiB, what there is of it. */
function model(
  a: Indexed,
  slotsA: readonly number[],
  b: Indexed,
  slotsB: readonly number[],
): string {
  const kinds: string[] = [];
  const same = a.objectBytes === b.objectBytes;
  for (let at = 0; at < Math.max(a.sizeBytes, b.sizeBytes); at += 4 * KiB) {
    const inA = at < a.sizeBytes ? (slotsA[Math.floor(at / a.objectBytes)] ?? 0) : 0;
    const inB = at < b.sizeBytes ? (slotsB[Math.floor(at / b.objectBytes)] ?? 0) : 0;
    if (inA === 0 && inB === 0) kinds.push(".");
    else if (inA !== 0 && inB !== 0) kinds.push(same && inA === inB ? "." : "c");
    else kinds.push(inA === 0 ? "a" : "r");
  }
  return kinds.join("");
}

async function drawn(a: Indexed, b: Indexed): Promise<string> {
  const kinds = new Array<string>(Math.max(a.sizeBytes, b.sizeBytes) / (4 * KiB)).fill(".");
  let last: Difference = { offset: 0, length: 0, kind: "changed" };
  for await (const one of differences(a, b)) {
    const { offset, length, kind } = one;
    const joins = last.length > 0 && last.offset + last.length === offset && last.kind === kind;
    expect([offset >= last.offset + last.length, joins]).toEqual([true, false]);
    kinds.fill(kind.slice(0, 1), offset / (4 * KiB), (offset + length) / (4 * KiB));
    last = one;
  }
  return kinds.join("");
}

test("[S-120] differences are those of the objects, whatever sizes both have", async () => {
  console.log(`SEED=${seed}`);
  const random = seededRandom(seed);
  for (let round = 0; round < 200; round += 1) {
    const volume = () => {
      const objectBytes = 4 * KiB * 2 ** random.below(3);
      const count = 1 + random.below(40);
      const sizeBytes = objectBytes * count - 4 * KiB * random.below(objectBytes / (4 * KiB));
      const slots = Array.from({ length: count }, () => random.below(4));
      return { slots, index: indexed(objectBytes, sizeBytes, slots) };
    };
    const [a, b] = [volume(), volume()];
    expect(await drawn(a.index, b.index)).toBe(model(a.index, a.slots, b.index, b.slots));
  }
});

test("[S-120] of an index with very many runs only a bounded number is held", async () => {
  const count = 3 * limits.slotRunsMax + 5;
  const slots = Array.from({ length: count }, (_, at) => 1 + (at % 2));
  const other = slots.map((slot, at) => (at % 3 === 0 ? 9 : slot));
  const [a, b] = [slots, other].map((one) => indexed(4 * KiB, count * 4 * KiB, one));
  if (a === undefined || b === undefined) throw new Error("there are two");
  expect(await drawn(a, b)).toBe(model(a, slots, b, other));
});

test("extents are rounded out to where checksums begin, and joined", async () => {
  async function* extents() {
    yield { offset: 4 * KiB, length: 4 * KiB };
    yield { offset: 60 * KiB, length: 8 * KiB };
    yield { offset: 300 * KiB, length: 3 };
    yield { offset: 500 * KiB, length: 5 };
  }
  expect(await Array.fromAsync(aligned(extents(), 500 * KiB + 5))).toEqual([
    { offset: 0, length: 128 * KiB },
    { offset: 256 * KiB, length: 64 * KiB },
    { offset: 448 * KiB, length: 52 * KiB + 5 },
  ]);
});
