import { expect, test } from "bun:test";
import type { SheepfsError } from "../../../src/base/errors.ts";
import { limits } from "../../../src/base/limits.ts";
import { slotsAt } from "../../../src/wire/inode.ts";
import { opcodes } from "../../../src/wire/opcode.ts";
import { World } from "./world.ts";

const vid = 0xabcdef;

/** A cluster with one inode, of which the first sheep has written a slot. */
function written(): World {
  const world = new World({ sheep: 2 });
  world.cluster.objects.set("80abcdef/0", new Uint8Array(slotsAt + 64));
  expect(world.clock.settle(writeSlot(world))).toBe(true);
  return world;
}

function writeSlot(world: World): Promise<boolean> {
  return world.client.store.writeInode(vid, slotsAt, new Uint8Array(4), world.scope());
}

/**
 * How long it takes until no sheep has anything left to remove for what ended by then; null: longer
 * than `timeoutMs`.
 */
function overAfterMs(world: World, timeoutMs = 600_000, endedMs?: number): number | null {
  const { clock, client } = world;
  const beganMs = clock.nowMs();
  const over = client.store.removalsOver(endedMs ?? beganMs, world.scope(timeoutMs)).then(
    () => clock.nowMs() - beganMs,
    (error: SheepfsError) => {
      expect(error.code).toBe("timed_out");
      return null;
    },
  );
  return clock.settle(over);
}

test("a sheep that runs has removed what it was to remove after a while", async () => {
  await using world = written();
  const { removalRunMs } = limits;
  const endedMs = world.clock.nowMs();
  expect(overAfterMs(world)).toBeWithin(removalRunMs, removalRunMs + 3_000);
  // Many blocks may wait for it, one after the other.
  expect(overAfterMs(world, 1_000, endedMs)).toBe(0);
  world.clock.settle(writeSlot(world));
  expect(overAfterMs(world)).toBeGreaterThan(removalRunMs);
});

test("what a stopped sheep was to remove is not removed before it has run again", async () => {
  await using world = written();
  world.first.stop();
  world.clock.after(100_000, () => world.first.wake());
  expect(overAfterMs(world, 60_000)).toBeNull();
  expect(overAfterMs(world)).toBeGreaterThan(40_000 + limits.removalRunMs);
});

test("a sheep that has ended or left removes nothing", async () => {
  for (const how of ["ended", "left"] as const) {
    await using world = written();
    // The members are known by then.
    world.clock.pass(2 * limits.membersLookMs);
    if (how === "ended") world.first.kill();
    else world.first.stop();
    if (how === "left") world.cluster.leave(world.first.address);
    expect(overAfterMs(world, 60_000)).toBeWithin(limits.removalRunMs, 30_000);
  }
});

test("who has written no slot is not waited for", async () => {
  await using world = new World({ sheep: 2 });
  world.cluster.objects.set("80abcdef/0", new Uint8Array(64));
  world.clock.settle(world.client.store.readInode(vid, 0, new Uint8Array(8), world.scope()));
  world.first.stop();
  expect(overAfterMs(world)).not.toBeNull();
});

test("it is told whether a write of slots was sent more than once", async () => {
  await using world = written();
  let cuts = 1;
  world.first.script.garble = (reply, { opcode }) => {
    if (opcode !== opcodes.writeObject.code || cuts === 0) return reply;
    cuts -= 1;
    world.first.cut();
    return null;
  };
  expect(world.clock.settle(writeSlot(world))).toBe(false);
  expect(world.clock.settle(writeSlot(world))).toBe(true);
});
