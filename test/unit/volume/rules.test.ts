import { describe, expect, test } from "bun:test";
import { seededRandom } from "../../../src/base/random.ts";
import { type RangeHold, RangeLock } from "../../../src/base/ranges.ts";
import { callObject } from "../../../src/volume/object-call.ts";
import { slotOffset } from "../../../src/wire/inode.ts";
import { MemoryCluster } from "./memory-store.ts";
import { Simulation } from "./simulation.ts";
import { seedOf } from "./world.ts";

function cluster(): { sim: Simulation; given: MemoryCluster; vid: number } {
  const sim = new Simulation();
  const given = new MemoryCluster(sim, seededRandom(1));
  const spec = { name: "test", sizeBytes: 2 ** 20, objectShift: 12, storePolicy: 0 } as const;
  return { sim, given, vid: given.createVdi(spec) };
}

describe("the cluster of these tests notices", () => {
  const cases = [
    ["two creates of one object", ["create", 0], ["create", 2048], 1],
    ["a write beside a create", ["create", 0], ["write", 2048], 1],
    ["two writes in one 512 bytes", ["write", 0], ["write", 200], 1],
    ["nothing about writes beside each other", ["write", 0], ["write", 512], 0],
  ] as const;
  for (const [what, first, second, count] of cases) {
    test(what, () => {
      const { sim, given, vid } = cluster();
      const call = {
        vid,
        index: 0,
        cowVid: 0,
        copies: 1,
        copyPolicy: 0,
        bytes: new Uint8Array(99),
      };
      const calls = [first, second].map(([kind, offset]) =>
        callObject(given, { ...call, kind, offset }, sim.scope(), () => {}).catch(() => {}),
      );
      sim.run(Promise.all(calls));
      expect(given.violations.length).toBe(count);
    });
  }

  test("a slot that names nothing, or is written twice", () => {
    const { sim, given, vid } = cluster();
    const slot = new Uint8Array(Uint32Array.of(vid).buffer);
    sim.run(given.writeInode(vid, slotOffset(3), slot, sim.scope()));
    expect(given.violations).toEqual(["slot 3 names nothing"]);
    sim.run(given.writeInode(vid, slotOffset(3), slot, sim.scope()));
    expect(given.violations.length).toBe(3);
  });
});

class Hold implements RangeHold {
  key = 0;
  start = 0;
  end = 0;
  held = false;
  earlier: RangeHold | null = null;
  later: RangeHold | null = null;
  readonly #onGranted: () => void;

  constructor(place: { key: number; start: number; end: number }, onGranted: () => void) {
    Object.assign(this, place);
    this.#onGranted = onGranted;
  }

  granted(): void {
    this.#onGranted();
  }
}

test("ranges that overlap are held one after the other, as they came, and all are in the end", () => {
  const random = seededRandom(seedOf(7));
  const lock = new RangeLock();
  const all: Hold[] = [];
  const overlap = (a: Hold, b: Hold): boolean =>
    a.key === b.key && a.start < b.end && b.start < a.end;
  const check = (): void => {
    const held = all.filter((hold) => hold.held);
    for (const a of held) expect(held.some((b) => b !== a && overlap(a, b))).toBe(false);
  };
  const release = (hold: Hold): void => {
    all.splice(all.indexOf(hold), 1);
    lock.release(hold);
  };
  for (let step = 0; step < 20_000; step += 1) {
    const dice = random.below(10);
    const held = all.filter((hold) => hold.held);
    const some = held[random.below(Math.max(1, held.length))];
    if (dice < 4 && all.length < 24) {
      const start = random.below(8);
      const place = { key: 256 * random.below(2), start, end: start + 1 + random.below(4) };
      const hold: Hold = new Hold(place, () => {
        if (random.below(4) === 0) release(hold);
      });
      const before = all.some((other) => overlap(other, hold));
      all.push(hold);
      expect(lock.acquire(hold)).toBe(!before);
    } else if (some !== undefined && dice < 7) {
      release(some);
    } else if (some !== undefined && dice < 8) {
      lock.widen(some, 0, 12);
    } else if (some !== undefined && some.end - some.start > 1) {
      lock.shrink(some, some.start, some.start + 1);
    }
    check();
  }
  for (;;) {
    const next = all.find((hold) => hold.held);
    if (next === undefined) break;
    release(next);
  }
  expect(all).toEqual([]);
  expect(lock.waiting).toBe(0);
});
