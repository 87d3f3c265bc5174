import { expect, test } from "bun:test";
import { FamilyList, familiesOf } from "../../../src/tree/entries/families.ts";
import { Patience } from "../../../src/tree/patience.ts";
import { never, plainHeader, text } from "../cluster/memory-sheep.ts";
import { ManualClock } from "./manual-clock.ts";

const header = (name: string, snapId: number, tag: string | null) => ({
  ...plainHeader,
  name: text(name),
  tag: text(tag ?? ""),
  isSnapshot: tag !== null,
  vid: snapId,
  snapId,
});

// [S-100]
test("a snapshot is named by its tag, or by its id where the tag does not do", () => {
  const families = familiesOf([
    header("a", 1, "monday"),
    header("a", 2, ""),
    header("a", 3, "monday"),
    header("a", 4, "17"),
    header("a", 5, "x@y/z"),
    header("a", 6, null),
    header("b", 7, null),
  ]);
  const titles = [...families].map(([name, { snapshots }]) => [name, [...snapshots.keys()]]);
  expect(titles).toEqual([
    ["a", ["monday", "2", "3", "4", "x\\x40y\\x2fz"]],
    ["b", []],
  ]);
});

// [S-138]
test("a tag that was changed elsewhere is read again within half a minute, ours at once", async () => {
  let nowMs = 0;
  const asked: (readonly number[] | null)[] = [];
  const clock = { nowMs: () => nowMs, wallMs: () => nowMs, after: () => ({ cancel: () => {} }) };
  const list = new FamilyList(
    async (_scope, known) => {
      asked.push(known?.headers.map(({ vid }) => vid) ?? null);
      return { headers: [header("a", 1, "monday"), header("a", 2, null)], vidsSince: 1 };
    },
    { clock, patience: new Patience() },
  );
  for (const atMs of [0, 10_000, 25_000, 31_000, 40_000]) {
    nowMs = atMs;
    await list.get(never);
  }
  list.forgetOne(1);
  await list.get(never);
  expect(asked).toEqual([null, [1, 2], [1, 2], null, [1, 2], [2]]);
});

test("what was listed is known to the next listing, but in another cluster", async () => {
  const asked: (number | null)[] = [];
  const clock = { nowMs: () => 0, wallMs: () => 0, after: () => ({ cancel: () => {} }) };
  const list = new FamilyList(
    async (_scope, known) => {
      asked.push(known?.headers.length ?? null);
      return { headers: [header("a", 1, "monday"), header("a", 2, null)], vidsSince: 1 };
    },
    { clock, patience: new Patience() },
  );
  await list.get(never);
  await list.get(never);
  list.invalidate();
  await list.get(never);
  list.forget();
  await list.get(never);
  expect(asked).toEqual([null, 2, null]);
});

// [S-155]
test("a listing that takes long holds for longer than a second", async () => {
  const clock = new ManualClock();
  let listings = 0;
  const list = new FamilyList(
    async () => {
      listings += 1;
      clock.advance(3_000);
      return { headers: [], vidsSince: 1 };
    },
    { clock, patience: new Patience() },
  );
  await list.get(never);
  clock.advance(11_000);
  await list.get(never);
  expect(listings).toBe(1);
  clock.advance(2_000);
  await list.get(never);
  expect(listings).toBe(2);
});
