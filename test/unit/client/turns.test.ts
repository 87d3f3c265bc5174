import { expect, test } from "bun:test";
import { limits } from "../../../src/base/limits.ts";
import { opcodes } from "../../../src/wire/opcode.ts";
import { keyOf, pattern, TestRequest, World } from "./world.ts";

const objectBytes = 1 << 20;
const slowMs = 50;

/** A client that has found its cluster settled, of a sheep that takes a while for everything. */
function settledWorld(): World {
  const world = new World();
  world.cluster.objects.set(keyOf(0), pattern(objectBytes, 1));
  world.cluster.objects.set(keyOf(1), pattern(objectBytes, 2));
  world.first.script.delayMs = () => slowMs;
  const both = [write(world, 0, 0), write(world, 0, 8192)];
  for (const request of both) world.client.store.submit(request);
  expect(world.clock.until(() => both.every(({ dones }) => dones > 0))).toBe(true);
  // The first of two on one object made it ask the members.
  world.clock.pass(limits.recoveryLookMs);
  return world;
}

function write(world: World, index: number, offset: number): TestRequest {
  return new TestRequest(world.scope(), { kind: "write", index, offset, data: pattern(512, 9) });
}

function read(world: World, index: number): TestRequest {
  return new TestRequest(world.scope(), { kind: "read", index, length: 512 });
}

/** Submits all and tells how many were sent before any was answered. */
function sentTogether(world: World, requests: readonly TestRequest[]): number {
  const before = world.first.seen.length;
  for (const request of requests) world.client.store.submit(request);
  world.clock.pass(slowMs / 2);
  const sent = world.first.seen.length - before;
  expect(world.clock.until(() => requests.every(({ dones }) => dones > 0))).toBe(true);
  expect(requests.map(({ error }) => error)).toEqual(requests.map(() => null));
  return sent;
}

function writesSeen(world: World): number {
  return world.first.seen.filter(({ opcode }) => opcode === opcodes.writeObject.code).length;
}

/** The members change; the first answer tells the client. */
function changeMembers(world: World): void {
  world.cluster.epoch += 1;
  world.cluster.recovering = true;
  expect(world.run(read(world, 1))).toBeNull();
}

test("in a settled cluster writes to one object are under way together", async () => {
  await using world = settledWorld();
  const requests = [0, 4096, 8192, 12_288].map((offset) => write(world, 0, offset));
  expect(sentTogether(world, requests)).toBe(4);
});

// [S-41]
test("a write whose answer comes after the members changed is sent again before it is done", async () => {
  await using world = settledWorld();
  const before = writesSeen(world);
  const request = write(world, 0, 4096);
  world.client.store.submit(request);
  world.clock.pass(slowMs / 2);
  world.cluster.epoch += 1;
  expect(world.clock.until(() => request.dones > 0)).toBe(true);
  expect([request.error, request.dones]).toEqual([null, 1]);
  expect(writesSeen(world) - before).toBe(2);
  expect(world.client.stats().repeats).toBe(1);
});

test("a read whose answer comes after the members changed is asked again and not handed on", async () => {
  await using world = settledWorld();
  const before = world.first.seen.length;
  const request = read(world, 0);
  request.takesLent = true;
  world.client.store.submit(request);
  world.clock.pass(slowMs / 2);
  world.cluster.epoch += 1;
  expect(world.clock.until(() => request.dones > 0)).toBe(true);
  expect([request.error, request.dones, request.lends]).toEqual([null, 1, 1]);
  expect(world.first.seen.length - before).toBe(2);
});

test("while members recover, each request has its object for itself, and other objects go on", async () => {
  await using world = settledWorld();
  changeMembers(world);
  const same = [write(world, 0, 0), write(world, 0, 4096), read(world, 0)];
  expect(sentTogether(world, same)).toBe(1);
  expect(sentTogether(world, [write(world, 0, 0), write(world, 1, 0)])).toBe(2);
  expect(sentTogether(world, [read(world, 0), read(world, 0), read(world, 1)])).toBe(2);
});

test("when every member has recovered, writes go together again", async () => {
  await using world = settledWorld();
  changeMembers(world);
  const four = (): TestRequest[] => [0, 4096, 8192, 12_288].map((at) => write(world, 0, at));
  expect(sentTogether(world, four())).toBe(1);
  world.clock.pass(limits.recoveryBeginsMs + limits.recoveryLookMs);
  expect(sentTogether(world, four())).toBe(1);
  world.cluster.recovering = false;
  world.clock.pass(limits.recoveryLookMs);
  sentTogether(world, four());
  expect(sentTogether(world, four())).toBe(4);
});

test("a cluster that has recovered before anybody asked is given time to begin", async () => {
  await using world = settledWorld();
  changeMembers(world);
  world.cluster.recovering = false;
  sentTogether(world, [write(world, 0, 0), write(world, 0, 4096)]);
  expect(sentTogether(world, [write(world, 0, 0), write(world, 0, 4096)])).toBe(1);
});
