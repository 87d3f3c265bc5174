import { expect, test } from "bun:test";
import type { ObjectStore } from "../../../src/volume/ports.ts";
import { keyOf, pattern, TestRequest, World } from "./world.ts";

test("what is written is read back, through cuts of every length", async () => {
  for (const cutBytes of [1, 7, 47, 48, 49, 1000, 100_000]) {
    await using world = new World();
    world.network.weather.cutBytes = cutBytes;
    world.network.weather.takeBytes = cutBytes;
    const length = cutBytes < 100 ? 3000 : 300_000;
    const data = pattern(length, cutBytes);
    const create = new TestRequest(world.scope(), { kind: "create", offset: 5, data });
    expect(world.run(create)).toBeNull();
    const read = new TestRequest(world.scope(), { kind: "read", offset: 5, length });
    expect(world.run(read)).toBeNull();
    expect(read.data).toEqual(data);
    expect(read.buffer.subarray(0, 8).every((byte) => byte === 0xee)).toBe(true);
  }
});

test("the store is what a volume needs", async () => {
  await using world = new World();
  const store: ObjectStore = world.client.store;
  expect(store).toBe(world.client.store);
});

test("a sheep that restarts in the middle of writes costs a pause and no error", async () => {
  await using world = new World();
  world.first.script.delayMs = () => 20;
  world.cluster.objects.set(keyOf(0), new Uint8Array(1 << 20));
  const writes = Array.from({ length: 40 }, (_, tag) => {
    const data = pattern(4096, tag);
    return new TestRequest(world.scope(), { kind: "write", offset: tag * 4096, data });
  });
  for (const write of writes) world.client.store.submit(write);
  world.clock.pass(15);
  world.first.kill();
  world.clock.pass(500);
  world.first.start();
  expect(world.clock.until(() => writes.every((write) => write.dones === 1))).toBe(true);
  expect(writes.map((write) => write.error)).toEqual(writes.map(() => null));
  for (const [tag, write] of writes.entries()) {
    expect(world.cluster.object(keyOf(0)).subarray(tag * 4096, tag * 4096 + 4096)).toEqual(
      write.data,
    );
  }
});
