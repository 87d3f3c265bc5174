import { expect, test } from "bun:test";
import { limits } from "../../../src/base/limits.ts";
import type { SlotRun } from "../../../src/volume/extents.ts";
import { slotsAt } from "../../../src/wire/inode.ts";
import { World } from "./world.ts";

const block = 4096;

test("runs of an index are told in bounded numbers, of arrays and hypervolumes", () => {
  for (const storePolicy of [0, 1] as const) {
    const world = new World({ seed: 1, objectShift: 12, sizeBytes: 2 ** 27 + 5, storePolicy });
    const runsAt = (offset: number): readonly SlotRun[] =>
      world.sim.run(world.volume.slotRuns(offset, world.sim.scope()));
    expect(runsAt(0)).toEqual([]);
    for (const at of [0, 3, 100]) world.write(at * block, new Uint8Array(block + 1));
    world.write(2 ** 27, new Uint8Array(5));
    expect(runsAt(0)).toEqual([
      { offset: 0, length: 2 * block, vid: world.vid },
      { offset: 3 * block, length: 2 * block, vid: world.vid },
      { offset: 100 * block, length: 2 * block, vid: world.vid },
      { offset: 2 ** 27, length: 5, vid: world.vid },
    ]);
    expect(runsAt(4 * block).map(({ offset }) => offset / block)).toEqual([4, 100, 2 ** 15]);
  }
});

test("no more runs than the limit are told at once, and the next call goes on", () => {
  const world = new World({ seed: 1, objectShift: 12, sizeBytes: 2 ** 26 });
  const count = 2 ** 14;
  const slots = Uint32Array.from({ length: count }, (_, at) => (at % 2 === 0 ? world.vid : 0));
  world.cluster.inode(world.vid).write(slotsAt, new Uint8Array(slots.buffer));
  const found: number[] = [];
  for (let at = 0; ; ) {
    const runs = world.sim.run(world.volume.slotRuns(at, world.sim.scope()));
    expect(runs.length).toBeLessThanOrEqual(limits.slotRunsMax);
    const last = runs.at(-1);
    if (last === undefined) break;
    found.push(...runs.map(({ offset }) => offset / block));
    at = last.offset + last.length;
  }
  expect(found).toEqual(Array.from({ length: count / 2 }, (_, at) => 2 * at));
});
