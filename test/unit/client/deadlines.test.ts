import { expect, test } from "bun:test";
import { limits } from "../../../src/base/limits.ts";
import { opcodes } from "../../../src/wire/opcode.ts";
import { failure } from "../../simulate/cluster.ts";
import { keyOf, pattern, TestRequest, World } from "./world.ts";

/** A world whose sheep answers requests on object 7 after `delayMs`, others at once. */
function slowWorld(delayMs: number): World {
  const world = new World();
  for (const index of [0, 7]) world.cluster.objects.set(keyOf(index), pattern(1 << 20, index));
  world.first.script.delayMs = (request) => (request.key === keyOf(7) ? delayMs : 0);
  return world;
}

test("a read without an answer ends at its deadline, and the late answer goes nowhere", async () => {
  await using world = slowWorld(5_000);
  const began = world.clock.nowMs();
  const read = new TestRequest(world.scope(1_000), { kind: "read", index: 7, length: 200_000 });
  expect(world.run(read)?.code).toBe("timed_out");
  expect(read.error?.inDoubt).toBe(false);
  expect(world.clock.nowMs() - began).toBeLessThan(1_000 + 2 * limits.requestSweepMs);
  world.clock.pass(10_000);
  expect(read.data.every((byte) => byte === 0xee)).toBe(true);
  expect([read.dones, read.lends]).toEqual([1, 0]);
  // The connection is as good as before.
  const next = new TestRequest(world.scope(), { kind: "read", index: 0, length: 4096 });
  expect(world.run(next)).toBeNull();
  expect(world.client.stats().connectionsLost).toBe(0);
});

test("a read that is cancelled while its answer arrives leaves its buffer alone from then on", async () => {
  await using world = slowWorld(0);
  world.network.weather.cutBytes = 1_000;
  world.network.weather.latencyMs = 20;
  const scope = world.scope();
  const read = new TestRequest(scope, { kind: "read", index: 7, length: 262_144 });
  world.client.store.submit(read);
  const half = (): boolean => read.data[20_000] !== 0xee;
  expect(world.clock.until(half)).toBe(true);
  scope.cancel();
  expect(world.clock.until(() => read.dones > 0, 1_000)).toBe(true);
  expect(read.error?.code).toBe("cancelled");
  const then = read.data.slice();
  const next = new TestRequest(world.scope(), { kind: "read", index: 0, length: 4096 });
  expect(world.run(next)).toBeNull();
  world.clock.pass(20_000);
  expect(read.data).toEqual(then);
  expect(next.data).toEqual(pattern(1 << 20, 0).subarray(0, 4096));
});

test("a write that was sent and is cancelled is in doubt until its answer comes", async () => {
  await using world = slowWorld(5_000);
  const scope = world.scope();
  const data = pattern(100_000, 3);
  const write = new TestRequest(scope, { kind: "write", index: 7, data });
  world.client.store.submit(write);
  world.clock.pass(100);
  scope.cancel();
  expect(world.clock.until(() => write.dones > 0, 1_000)).toBe(true);
  expect([write.error?.code, write.error?.inDoubt]).toEqual(["cancelled", true]);
  expect(write.resolves).toBe(0);
  write.buffer.fill(0);
  expect(world.clock.until(() => write.resolves > 0)).toBe(true);
  expect(world.cluster.object(keyOf(7)).subarray(0, data.length)).toEqual(data);
  expect([write.dones, write.resolves]).toEqual([1, 1]);
});

test("a cancelled write of which a part was sent goes out as it was, whatever becomes of its buffer", async () => {
  await using world = slowWorld(0);
  world.network.weather.takeBytes = 3_000;
  world.network.weather.latencyMs = 30;
  const scope = world.scope();
  const data = pattern(262_144, 4);
  const write = new TestRequest(scope, { kind: "write", index: 7, data });
  world.client.store.submit(write);
  world.clock.pass(200);
  expect(write.dones).toBe(0);
  scope.cancel();
  expect(world.clock.until(() => write.dones > 0, 1_000)).toBe(true);
  expect(write.error?.inDoubt).toBe(true);
  write.buffer.fill(0);
  expect(world.clock.until(() => write.resolves > 0)).toBe(true);
  expect(world.cluster.object(keyOf(7)).subarray(0, data.length)).toEqual(data);
});

test("what was cancelled before it was sent is not sent", async () => {
  await using world = slowWorld(0);
  const scope = world.scope();
  scope.cancel();
  const write = new TestRequest(scope, { kind: "write", data: pattern(512, 1) });
  world.client.store.submit(write);
  expect(write.dones).toBe(0);
  expect(world.run(new TestRequest(scope, { kind: "read", length: 5 }))?.code).toBe("cancelled");
  expect(write.error?.inDoubt).toBe(false);
  expect(world.first.seen).toEqual([]);
});

// [S-83]
test("who wants to wait for ever does, and can be interrupted", async () => {
  await using world = slowWorld(0);
  const first = new TestRequest(world.scope(), { kind: "read", length: 512 });
  expect(world.run(first)).toBeNull();
  world.first.kill();
  const scopes = [1, 2].map(() => world.scope(Number.POSITIVE_INFINITY));
  const [patient, interrupted] = scopes.map((scope) => {
    const read = new TestRequest(scope, { kind: "read", index: 7, length: 512 });
    world.client.store.submit(read);
    return read;
  });
  world.clock.pass(3_600_000);
  expect([patient?.dones, interrupted?.dones]).toEqual([0, 0]);
  scopes[1]?.cancel();
  expect(world.clock.until(() => interrupted?.dones === 1, 1_000)).toBe(true);
  expect(interrupted?.error?.code).toBe("cancelled");
  world.first.start();
  expect(world.clock.until(() => patient?.dones === 1, 5_000)).toBe(true);
  expect(patient?.error).toBeNull();
});

test("a result that may pass is tried again with pauses, and told when it does not pass", async () => {
  await using world = slowWorld(0);
  let answers = 0;
  world.first.script.instead = (request) => {
    if (request.opcode !== opcodes.readObject.code || request.key !== keyOf(7)) return null;
    answers += 1;
    return failure(0x8c);
  };
  const read = new TestRequest(world.scope(10_000), { kind: "read", index: 7, length: 512 });
  expect(world.run(read)?.code).toBe("not_ready");
  expect(answers).toBeGreaterThan(5);
  expect(answers).toBeLessThan(20);
  answers = 0;
  world.first.script.instead = () => null;
  expect(
    world.run(new TestRequest(world.scope(), { kind: "read", index: 7, length: 512 })),
  ).toBeNull();
});

test("an unformatted cluster is told at once, in one line", async () => {
  await using world = slowWorld(0);
  world.cluster.ctimeSeconds = null;
  let answers = 0;
  world.first.script.instead = (request) => {
    if (request.opcode !== opcodes.readObject.code) return null;
    answers += 1;
    return failure(0x16);
  };
  const began = world.clock.nowMs();
  const read = new TestRequest(world.scope(), { kind: "read", length: 512 });
  expect(world.run(read)?.code).toBe("not_ready");
  expect(read.error?.message).toContain("dog cluster format");
  expect(answers).toBe(1);
  expect(world.clock.nowMs() - began).toBeLessThan(100);
});

test("requests that are never answered do not take up the client for ever", async () => {
  await using world = slowWorld(1e9);
  for (let round = 0; round < 12; round += 1) {
    const reads = Array.from({ length: 100 }, (_, number) => {
      const index = number % 4 === 0 ? 7 : 0;
      return new TestRequest(world.scope(20_000), { kind: "read", index, length: 512 });
    });
    for (const read of reads) world.client.store.submit(read);
    expect(world.clock.until(() => reads.every((read) => read.dones > 0))).toBe(true);
    const bad = reads.filter((read) => read.index === 0 && read.error !== null);
    expect(bad).toEqual([]);
  }
});

test("closing the client ends what is under way", async () => {
  const world = slowWorld(0);
  world.first.script.delayMs = () => 1e9;
  const read = new TestRequest(world.scope(), { kind: "read", index: 0, length: 512 });
  const write = new TestRequest(world.scope(), { kind: "write", index: 7, data: pattern(512, 1) });
  world.client.store.submit(read);
  world.client.store.submit(write);
  world.clock.pass(500);
  world.clock.settle(world.client[Symbol.asyncDispose]());
  expect([read.dones, write.dones]).toEqual([1, 1]);
  expect([read.error?.inDoubt, write.error?.inDoubt]).toEqual([false, true]);
  const late = new TestRequest(world.scope(), { kind: "read", length: 512 });
  expect(world.run(late)?.code).toBe("cancelled");
});

test("what comes behind a request that was given up before it was submitted is sent all the same", async () => {
  await using world = new World();
  world.cluster.objects.set(keyOf(0), pattern(1 << 20, 1));
  // A write makes it find out that the cluster is settled.
  const first = new TestRequest(world.scope(), { kind: "write", data: pattern(512, 1) });
  expect(world.run(first)).toBeNull();
  world.clock.pass(limits.membersLookMs + 1_000);
  const over = new TestRequest(world.scope(), { kind: "read", length: 512 });
  over.scope.cancel();
  const behind = new TestRequest(world.scope(), { kind: "read", length: 512 });
  for (const request of [over, behind]) world.client.store.submit(request);
  expect(world.clock.until(() => behind.dones > 0, 1_000)).toBe(true);
  expect([over.error?.code, behind.error]).toEqual(["cancelled", null]);
});
