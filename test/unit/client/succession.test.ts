import { expect, test } from "bun:test";
import { limits } from "../../../src/base/limits.ts";
import { keyOf, pattern, TestRequest, World } from "./world.ts";

function prepared(predecessors: readonly number[]): World {
  const world = new World({ sheep: 2, predecessors });
  world.cluster.objects.set(keyOf(0), new Uint8Array(1 << 20));
  return world;
}

function submit(world: World, kind: "read" | "write"): TestRequest {
  const what = kind === "read" ? { kind, length: 4096 } : { kind, data: pattern(4096, 1) };
  const request = new TestRequest(world.scope(), what);
  world.client.store.submit(request);
  return request;
}

// [S-90]
test("a successor reads at once, and writes when its predecessor's writes have landed", async () => {
  await using world = prepared([0]);
  const began = world.clock.nowMs();
  const write = submit(world, "write");
  const read = submit(world, "read");
  world.clock.until(() => read.dones > 0);
  expect(world.clock.nowMs() - began).toBeLessThan(limits.successionMs / 2);
  expect(write.dones).toBe(0);
  world.clock.until(() => write.dones > 0);
  expect([read.error, write.error]).toEqual([null, null]);
  const took = world.clock.nowMs() - began;
  expect(took).toBeGreaterThanOrEqual(limits.successionMs);
  expect(took).toBeLessThan(limits.successionMs + 250);
});

// [S-90]
test("as long as a sheep that may have writes is silent, a successor writes nothing", async () => {
  await using world = prepared([0, 1]);
  world.sheep[1]?.stop();
  const write = submit(world, "write");
  world.clock.pass(20_000);
  expect(write.dones).toBe(0);
  expect(world.client.sheepInUse()).toContainEqual(world.address(1));
  world.sheep[1]?.wake();
  world.clock.until(() => write.dones > 0);
  expect(write.error).toBeNull();
});

test("without a predecessor nothing waits, and one that is gone is waited for no longer", async () => {
  for (const predecessors of [[], [1]]) {
    await using world = prepared(predecessors);
    if (predecessors.length > 0) world.sheep[1]?.kill();
    const began = world.clock.nowMs();
    const write = submit(world, "write");
    world.clock.until(() => write.dones > 0);
    const atLeast = predecessors.length === 0 ? 0 : limits.successionMs;
    expect(world.clock.nowMs() - began).toBeGreaterThanOrEqual(atLeast);
    expect(world.clock.nowMs() - began).toBeLessThan(atLeast + 2_000);
  }
});
