import { expect, test } from "bun:test";
import { limits } from "../../../src/base/limits.ts";
import { opcodes } from "../../../src/wire/opcode.ts";
import type { Incoming } from "../../simulate/cluster.ts";
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
  // The first one made it ask the members.
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
  finish(world, requests);
  return sent;
}

function writesSeen(world: World): number {
  return writes(world).filter(({ length }) => length > 0).length;
}

function touchesSeen(world: World): number {
  return writes(world).filter(({ length }) => length === 0).length;
}

function writes(world: World): Incoming[] {
  return world.first.seen.filter(({ opcode }) => opcode === opcodes.writeObject.code);
}

/** Runs until all are done, without an error. */
function finish(world: World, requests: readonly TestRequest[]): void {
  expect(world.clock.until(() => requests.every(({ dones }) => dones > 0))).toBe(true);
  expect(requests.map(({ error }) => error)).toEqual(requests.map(() => null));
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

test("a write in doubt that the members' change has overtaken is sent again before it is resolved", async () => {
  await using world = settledWorld();
  const before = writesSeen(world);
  const scope = world.scope();
  const request = new TestRequest(scope, { kind: "write", offset: 4096, data: pattern(512, 9) });
  world.first.script.delayMs = () => 10 * slowMs;
  world.client.store.submit(request);
  world.clock.pass(slowMs);
  scope.cancel();
  world.clock.pass(4 * slowMs);
  expect([request.dones, request.error?.inDoubt, request.resolves]).toEqual([1, true, 0]);
  world.cluster.epoch += 1;
  expect(world.clock.until(() => request.resolves > 0)).toBe(true);
  expect(writesSeen(world) - before).toBe(2);
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

test("while members recover, reads have their object for themselves, and other objects go on", async () => {
  await using world = settledWorld();
  changeMembers(world);
  expect(sentTogether(world, [read(world, 0), read(world, 0), read(world, 1)])).toBe(2);
});

test("while members recover, an object is touched, and written a while later, in parallel", async () => {
  await using world = settledWorld();
  changeMembers(world);
  const before = writesSeen(world);
  const requests = [0, 4096, 8192, 12_288].map((offset) => write(world, 0, offset));
  for (const request of requests) world.client.store.submit(request);
  world.clock.pass(limits.recoveryRestMs);
  expect([touchesSeen(world), writesSeen(world) - before]).toEqual([1, 0]);
  world.clock.pass(slowMs + slowMs / 2);
  expect([touchesSeen(world), writesSeen(world) - before]).toEqual([1, 4]);
  finish(world, requests);
  expect(sentTogether(world, [write(world, 0, 0), write(world, 0, 4096), read(world, 0)])).toBe(3);
  expect(touchesSeen(world)).toBe(1);
});

// [S-41]
test("a recovery that was under way when an object was touched replaces nothing that was acknowledged", async () => {
  await using world = settledWorld();
  changeMembers(world);
  const late = 400;
  world.first.script.instead = ({ opcode, length, key }) => {
    if (opcode !== opcodes.writeObject.code || length > 0) return null;
    const copy = world.cluster.object(key).slice();
    world.clock.after(late, () => world.cluster.objects.set(key, copy));
    return null;
  };
  const request = write(world, 0, 4096);
  expect(world.run(request)).toBeNull();
  world.clock.pass(2 * late);
  expect(world.cluster.object(keyOf(0)).subarray(4096, 4096 + 512)).toEqual(request.data);
});

test("what is slow to recover is given more time until it is written", async () => {
  await using world = settledWorld();
  changeMembers(world);
  const recoveryMs = 3_000;
  world.first.script.delayMs = ({ length }) => (length === 0 ? recoveryMs : slowMs);
  const beganMs = world.clock.nowMs();
  expect(world.run(write(world, 0, 0))).toBeNull();
  expect(world.clock.nowMs() - beganMs).toBeGreaterThan(3 * recoveryMs);
});

test("a touch that a change of members has overtaken is worth nothing", async () => {
  await using world = settledWorld();
  changeMembers(world);
  const before = writesSeen(world);
  const request = write(world, 0, 0);
  world.client.store.submit(request);
  world.clock.pass(limits.recoveryRestMs);
  expect(touchesSeen(world)).toBe(1);
  changeMembers(world);
  world.clock.pass(limits.recoveryRestMs);
  expect([touchesSeen(world), writesSeen(world) - before]).toEqual([2, 0]);
  finish(world, [request]);
});

test("a touch whose connection broke is made again", async () => {
  await using world = settledWorld();
  changeMembers(world);
  world.client.store.submit(read(world, 1));
  const request = write(world, 0, 0);
  world.client.store.submit(request);
  world.clock.pass(slowMs / 2);
  world.first.cut();
  finish(world, [request]);
  expect(touchesSeen(world)).toBeGreaterThan(1);
});

// [S-41]
test("an object that is made anew is not replaced by one of before its block was discarded", async () => {
  await using world = settledWorld();
  changeMembers(world);
  const late = 400;
  const old = world.cluster.object(keyOf(0)).slice();
  world.cluster.objects.delete(keyOf(0));
  // A recovery that had begun before the object was removed ends now.
  world.clock.after(late, () => world.cluster.objects.set(keyOf(0), old.slice()));
  const data = pattern(512, 3);
  const making = new TestRequest(world.scope(), { kind: "create", data });
  expect(world.run(making)).toBeNull();
  world.clock.pass(2 * late);
  expect(world.cluster.object(keyOf(0)).subarray(0, 512)).toEqual(data);
  expect(touchesSeen(world)).toBe(1);
  // It was found sound before it was made.
  expect(sentTogether(world, [write(world, 0, 4096), write(world, 0, 8192)])).toBe(2);
});

test("a write to an object that is missing is told so while members recover", async () => {
  await using world = settledWorld();
  changeMembers(world);
  expect(world.run(write(world, 9, 0))?.code).toBe("stale");
});

test("when every member has said twice that it has recovered, nothing is touched any more", async () => {
  await using world = settledWorld();
  changeMembers(world);
  world.cluster.recovering = false;
  expect(world.run(write(world, 0, 0))).toBeNull();
  for (const wait of [limits.recoveryBeginsMs, limits.recoveryLookMs, limits.recoveryLookMs]) {
    world.clock.pass(wait);
    sentTogether(world, [read(world, 1), read(world, 1)]);
  }
  const before = touchesSeen(world);
  expect(sentTogether(world, [write(world, 1, 0), write(world, 1, 4096)])).toBe(2);
  expect(touchesSeen(world)).toBe(before);
});

test("a cluster that has recovered before anybody asked is given time to begin", async () => {
  await using world = settledWorld();
  changeMembers(world);
  world.cluster.recovering = false;
  sentTogether(world, [read(world, 0), read(world, 0)]);
  expect(sentTogether(world, [read(world, 0), read(world, 0)])).toBe(1);
});

test("a client that finds the cluster settled touches nothing", async () => {
  await using world = settledWorld();
  expect(touchesSeen(world)).toBe(0);
});

test("a client that finds the cluster recovering touches what it writes", async () => {
  await using world = new World();
  world.cluster.objects.set(keyOf(0), pattern(objectBytes, 1));
  world.cluster.recovering = true;
  expect(world.run(write(world, 0, 0))).toBeNull();
  expect([touchesSeen(world), writesSeen(world)]).toEqual([1, 1]);
});

test("a connection that is new tells of a change of members as an answer does", async () => {
  await using world = settledWorld();
  world.cluster.epoch += 1;
  world.cluster.recovering = true;
  world.first.script.delayMs = () => 10 * slowMs;
  // So much to do that a further connection is opened, before anything is answered.
  const length = 256 * 1024;
  const reads = [0, 1, 0, 1].map(
    (index) => new TestRequest(world.scope(), { kind: "read", index, length }),
  );
  for (const request of reads) world.client.store.submit(request);
  world.clock.pass(slowMs);
  expect(world.client.stats().connections).toBeGreaterThan(1);
  expect(reads.every(({ dones }) => dones === 0)).toBe(true);
  const before = writesSeen(world);
  const request = write(world, 0, 0);
  world.client.store.submit(request);
  world.clock.pass(slowMs);
  expect(writesSeen(world) - before).toBe(0);
  finish(world, [request, ...reads]);
  expect(touchesSeen(world)).toBeGreaterThan(0);
});

test("what is known of objects holds for another gateway of the same epoch", async () => {
  await using world = new World({ sheep: 2 });
  world.cluster.objects.set(keyOf(0), pattern(objectBytes, 1));
  world.cluster.recovering = true;
  expect(world.run(write(world, 0, 0))).toBeNull();
  const other = world.sheep[1];
  if (other === undefined) throw new Error("a world of two sheep");
  world.clock.settle(world.client.moveTo([other.address], world.scope()));
  const beganMs = world.clock.nowMs();
  expect(world.run(write(world, 0, 4096))).toBeNull();
  expect(world.clock.nowMs() - beganMs).toBeLessThan(limits.recoveryRestMs);
  expect(touchesSeen(world)).toBe(1);
  expect(other.seen.filter(({ opcode }) => opcode === opcodes.writeObject.code).length).toBe(1);
});
