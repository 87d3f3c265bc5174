import { expect, test } from "bun:test";
import { limits } from "../../../src/base/limits.ts";
import type { SimulatedLink } from "../../simulate/network.ts";
import { keyOf, pattern, TestRequest, World } from "./world.ts";

/** Keeps so many reads under way for a while. @returns how many answers each connection carried */
function answersByConnection(world: World, depth: number, length: number): number[] {
  world.cluster.objects.set(keyOf(0), pattern(1 << 20, 1));
  world.first.script.delayMs = () => 10;
  const perLink = new Map<SimulatedLink, number>();
  let finished = 0;
  const load = (): void => {
    const read = new TestRequest(world.scope(), { kind: "read", length });
    read.onDone = () => {
      finished += 1;
      if (finished < 4_000) load();
    };
    world.client.store.submit(read);
  };
  for (let count = 0; count < depth; count += 1) load();
  world.clock.until(() => finished >= 400);
  for (const link of world.first.links) {
    const answer = link.answer.bind(link);
    link.answer = (bytes) => {
      perLink.set(link, (perLink.get(link) ?? 0) + 1);
      answer(bytes);
    };
  }
  world.clock.until(() => finished >= 3_600);
  return [...perLink.values()];
}

test("many or large requests spread over the connections by what each has under way", async () => {
  await using world = new World();
  const counts = answersByConnection(world, 64, 65_536);
  expect(counts.length).toBe(limits.connectionsPerGateway);
  const mean = counts.reduce((sum, count) => sum + count, 0) / counts.length;
  for (const count of counts) expect(Math.abs(count - mean)).toBeLessThan(mean * 0.3);
});

test("a few small requests stay on one connection, so that a burst is one system call", async () => {
  await using world = new World();
  expect(answersByConnection(world, 16, 4_096).length).toBe(1);
});

test("one request after the other needs one connection", async () => {
  await using world = new World();
  world.cluster.objects.set(keyOf(0), pattern(1 << 20, 1));
  for (let count = 0; count < 20; count += 1) {
    expect(world.run(new TestRequest(world.scope(), { kind: "read", length: 512 }))).toBeNull();
  }
  expect(world.first.links.length).toBe(1);
});

test("what exceeds the bytes or requests in flight waits and is sent in order of coming", async () => {
  const cases = [
    {
      length: limits.pieceBytesMax,
      count: 512,
      most: limits.inflightBytesMax / limits.pieceBytesMax,
    },
    { length: 1, count: 2_000, most: limits.connectionsPerGateway * limits.connectionRequestsMax },
  ];
  for (const { length, count, most } of cases) {
    await using world = new World();
    world.cluster.objects.set(keyOf(0), pattern(1 << 20, 1));
    expect(world.run(new TestRequest(world.scope(), { kind: "read", length }))).toBeNull();
    world.first.seen.length = 0;
    world.first.script.delayMs = () => 200;
    const reads = Array.from({ length: count }, (_, offset) => {
      return new TestRequest(world.scope(), { kind: "read", offset, length });
    });
    for (const read of reads) world.client.store.submit(read);
    world.clock.pass(100);
    expect(world.first.seen.length).toBeLessThanOrEqual(most);
    expect(world.first.seen.length).toBeGreaterThan(most / 2);
    expect(world.client.stats().requestsWaiting).toBe(count - world.first.seen.length);
    expect(world.clock.until(() => reads.every((read) => read.dones > 0))).toBe(true);
    expect(reads.filter((read) => read.error !== null)).toEqual([]);
    // In order up to the connections' racing each other.
    const order = world.first.seen.map((request) => request.offset);
    const late = order.map((offset, place) => Math.abs(offset - place));
    expect(Math.max(...late)).toBeLessThanOrEqual(most);
    expect(world.client.stats().bytesInflight).toBe(0);
  }
});
