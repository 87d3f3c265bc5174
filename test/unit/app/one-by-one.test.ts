import { expect, test } from "bun:test";
import { vdiHolds, vdiLife } from "../../../src/app/facts.ts";
import { OneByOne } from "../../../src/app/one-by-one.ts";
import { newHolder } from "../../../src/app/self.ts";
import { silentLogger } from "../../../src/base/log.ts";
import type { VdiLife } from "../../../src/tree/entries/life.ts";
import { MemorySheep, never, text } from "../cluster/memory-sheep.ts";
import { ManualClock } from "../tree/manual-clock.ts";

/** With nothing attached. */
function lifeOn(caller: MemorySheep): VdiLife {
  const [clock, log] = [new ManualClock(), silentLogger];
  const isGone = (): boolean => false;
  const holds = vdiHolds({ caller, clock, log, isGone, self: newHolder() });
  const volumes = { list: () => [], refresh: async () => {} };
  return vdiLife({ caller, clock, log, isGone, self: newHolder(), holds, volumes });
}

test("two snapshots of one VDI at once are two snapshots, and the second rolls nothing back", async () => {
  const sheep = new MemorySheep();
  const vid = sheep.add({ name: text("web") }, { 0: "own" });
  const life = lifeOn(sheep);
  await Promise.all(["a", "b"].map((tag) => life.snapshot([text("web")], text(tag), never)));
  expect(sheep.inodes.size).toBe(3);
  const working = sheep.workingOf(text("web"));
  const between = sheep.headerOf(working?.parentVid ?? 0);
  expect([between.parentVid, between.isSnapshot]).toEqual([vid, true]);
  expect(sheep.headerOf(vid).tag).toEqual(text("a"));
  expect(between.tag).toEqual(text("b"));
});

test("who gives up waiting for a turn lets nobody overtake, and what is over is forgotten", async () => {
  const clock = new ManualClock();
  const turns = new OneByOne(clock);
  const gate = Promise.withResolvers<void>();
  const order: string[] = [];
  const first = turns.take("a", () => gate.promise.then(() => order.push("first")), never);
  const scope = clock.scope();
  const second = turns.take("a", async () => order.push("second"), scope);
  scope.cancel();
  await expect(second).rejects.toMatchObject({ code: "cancelled" });
  const third = turns.take("a", async () => order.push("third"), never);
  await turns.take("b", async () => order.push("other"), never);
  gate.resolve();
  await Promise.all([first, third]);
  expect(order).toEqual(["other", "first", "third"]);
});
