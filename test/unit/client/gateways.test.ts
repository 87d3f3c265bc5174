import { expect, test } from "bun:test";
import { limits } from "../../../src/base/limits.ts";
import { ReplyHeader } from "../../../src/wire/header.ts";
import type { SimulatedSheep } from "../../simulate/sheep.ts";
import { firstPort, keyOf, pattern, TestRequest, World } from "./world.ts";

function address(number: number): { host: string; port: number } {
  return { host: "127.0.0.1", port: firstPort + number };
}

/** A client that was told of one sheep, and has had the time to learn of the others. */
function learned(sheep: number): World {
  const world = new World({ sheep, named: 1 });
  world.cluster.objects.set(keyOf(0), pattern(1 << 20, 1));
  expect(world.run(read(world))).toBeNull();
  world.clock.pass(limits.membersLookMs + 1_000);
  return world;
}

function read(world: World): TestRequest {
  return new TestRequest(world.scope(), { kind: "read", length: 4096 });
}

/** Keeps one read after the other under way. @returns stops it */
function keepReading(world: World): { stop(): void; errors(): number } {
  let going = true;
  let errors = 0;
  const next = (): void => {
    const request = read(world);
    request.onDone = () => {
      if (request.error !== null) errors += 1;
      if (going) world.clock.after(10, next);
    };
    world.client.store.submit(request);
  };
  next();
  return {
    stop: () => {
      going = false;
    },
    errors: () => errors,
  };
}

const faults: ReadonlyArray<readonly [string, (sheep: SimulatedSheep, world: World) => void]> = [
  ["dies", (sheep) => sheep.kill()],
  ["hangs", (sheep) => sheep.stop()],
  ["is cut off", (sheep, world) => world.network.part(sheep.address)],
];

// [S-80]
for (const [what, happen] of faults) {
  test(`a gateway that ${what} is replaced in less than two seconds, by a member that nobody named`, async () => {
    await using world = learned(3);
    const underWay = read(world);
    world.first.script.delayMs = () => 200;
    world.client.store.submit(underWay);
    world.clock.pass(50);
    const began = world.clock.nowMs();
    happen(world.first, world);
    const later = read(world);
    world.client.store.submit(later);
    expect(world.clock.until(() => underWay.dones + later.dones === 2, 2_000)).toBe(true);
    expect([underWay.error, later.error]).toEqual([null, null]);
    expect(world.clock.nowMs() - began).toBeLessThan(2_000);
    expect(world.client.gateway).not.toEqual(address(0));
    // What was named stays what is shown and preferred.
    expect(world.client.gateways).toEqual([address(0)]);
  });
}

test("members that cannot be reached from here are known as such before they are needed", async () => {
  const world = new World({ sheep: 6, named: 1 });
  await using _ = world;
  world.cluster.objects.set(keyOf(0), pattern(1 << 20, 1));
  for (const number of [1, 2, 3, 4]) world.network.part(address(number));
  expect(world.run(read(world))).toBeNull();
  world.clock.pass(limits.membersLookMs + limits.connectTimeoutMs + 1_000);
  const before = world.network.links.length;
  world.first.stop();
  const request = read(world);
  world.client.store.submit(request);
  expect(world.clock.until(() => request.dones > 0, 2_000)).toBe(true);
  expect(world.client.gateway).toEqual(address(5));
  const tried = world.network.links.slice(before).map(({ to }) => to.port - firstPort);
  expect(tried.filter((number) => number !== 0 && number !== 5)).toEqual([]);
});

test("named gateways from which nothing comes cost a moment each", async () => {
  await using world = new World({ sheep: 4 });
  world.cluster.objects.set(keyOf(0), pattern(1 << 20, 1));
  for (const number of [0, 1, 2]) world.network.part(address(number));
  const request = read(world);
  world.client.store.submit(request);
  expect(world.clock.until(() => request.dones > 0, 3 * limits.gatewayHedgeMs + 500)).toBe(true);
  expect(world.client.gateway).toEqual(address(3));
});

// [S-81]
test("who joins is learned of, and who has left is not turned to", async () => {
  await using world = learned(2);
  const joining = world.newSheep(7);
  world.cluster.leave(address(1));
  world.cluster.join(joining.address);
  // An answer tells of the newer epoch.
  expect(world.run(read(world))).toBeNull();
  world.clock.pass(limits.membersLookMs + 1_000);
  const before = world.network.links.length;
  world.first.kill();
  expect(world.run(read(world))).toBeNull();
  expect(world.client.gateway).toEqual(joining.address);
  expect(world.network.links.slice(before).some(({ to }) => to.port === firstPort + 1)).toBe(false);
});

test("a sheep of another cluster at the address of a member is not used", async () => {
  await using world = learned(1);
  const { SimulatedCluster } = await import("../../simulate/cluster.ts");
  const other = new SimulatedCluster();
  other.ctimeSeconds = 1_600_000_000;
  const stranger = world.newSheep(8, other);
  world.cluster.join(stranger.address);
  expect(world.run(read(world))).toBeNull();
  world.clock.pass(limits.membersLookMs + 1_000);
  world.first.stop();
  const request = read(world);
  world.client.store.submit(request);
  world.clock.pass(5_000);
  expect([request.dones, stranger.seen.length]).toEqual([0, 0]);
  world.first.wake();
  expect(world.clock.until(() => request.dones > 0, 5_000)).toBe(true);
});

// [S-159]
test("a cluster that was formatted anew is ours when it is asked which one it is [S-159]", async () => {
  for (const asked of [false, true]) {
    await using world = learned(1);
    world.cluster.ctimeSeconds = 1_800_000_000;
    if (asked) world.clock.settle(world.client.identify(world.scope()));
    expect(world.run(read(world))).toBeNull();
    // Only a new connection says of which cluster it is.
    world.first.kill();
    world.clock.pass(100);
    world.first.start();
    const error = world.run(read(world));
    expect([error === null, world.client.onlyAnotherCluster]).toEqual([asked, !asked]);
  }
});

// [S-81]
test("the gateway that was named is returned to when it is back, and nobody sees an error", async () => {
  await using world = learned(3);
  const reading = keepReading(world);
  world.first.kill();
  world.clock.pass(5_000);
  expect(world.client.gateway).not.toEqual(address(0));
  world.first.start();
  // One look is not enough.
  const { port } = address(0);
  const before = world.network.links.filter(({ to }) => to.port === port).length;
  expect(world.clock.until(() => world.client.gateway.port === port, 10_000)).toBe(true);
  const looks = world.network.links.filter(({ to }) => to.port === port).length - before;
  expect(looks).toBeGreaterThanOrEqual(2);
  world.clock.pass(1_000);
  reading.stop();
  expect(reading.errors()).toBe(0);
  expect(world.client.stats().connectionsLost).toBe(1);
});

test("a sheep that has not noticed that the others go on without it is not returned to", async () => {
  await using world = learned(3);
  const reading = keepReading(world);
  world.first.kill();
  world.clock.pass(3_000);
  world.cluster.leave(address(0));
  const oldEpoch = 1;
  world.first.script.garble = (reply) => {
    ReplyHeader.write(new DataView(reply.buffer), 0, {
      ...ReplyHeader.read(new DataView(reply.buffer), 0),
      epoch: oldEpoch,
    });
    return reply;
  };
  world.first.start();
  world.clock.pass(30_000);
  expect(world.client.gateway).not.toEqual(address(0));
  world.first.script.garble = (reply) => reply;
  expect(world.clock.until(() => world.client.gateway.port === firstPort, 10_000)).toBe(true);
  reading.stop();
  expect(reading.errors()).toBe(0);
});

test("a gateway that comes and goes is returned to less and less often", async () => {
  await using world = learned(2);
  const reading = keepReading(world);
  const { port } = address(0);
  const pauses: number[] = [];
  for (let round = 0; round < 5; round += 1) {
    world.first.kill();
    world.clock.pass(500);
    world.first.start();
    const began = world.clock.nowMs();
    expect(world.clock.until(() => world.client.gateway.port === port, 600_000)).toBe(true);
    pauses.push(world.clock.nowMs() - began);
    world.clock.pass(2_000);
  }
  reading.stop();
  expect(reading.errors()).toBe(0);
  expect(pauses[4]).toBeGreaterThan(4 * (pauses[0] ?? 0));
});

test("a lone gateway that is silent for some seconds keeps its connection", async () => {
  await using world = learned(1);
  world.first.stop();
  const request = read(world);
  world.client.store.submit(request);
  world.clock.pass(8_000);
  world.first.wake();
  expect(world.clock.until(() => request.dones > 0, 1_000)).toBe(true);
  expect([request.error, world.client.stats().connectionsLost]).toEqual([null, 0]);
});

test("when nobody can be reached for a while, nothing is given up that goes on afterwards", async () => {
  await using world = learned(3);
  for (const number of [0, 1, 2]) world.network.part(address(number));
  const data = pattern(4096, 9);
  const request = new TestRequest(world.scope(), { kind: "write", data });
  world.client.store.submit(request);
  world.clock.pass(6_000);
  for (const number of [0, 1, 2]) world.network.heal(address(number));
  expect(world.clock.until(() => request.dones > 0, 5_000)).toBe(true);
  expect(request.error).toBeNull();
  expect(world.client.stats().inDoubt).toBe(0);
});

test("slow is not dead: with another gateway at hand too", async () => {
  await using world = learned(3);
  world.cluster.objects.set(keyOf(7), pattern(1 << 20, 7));
  world.first.script.delayMs = (request) => (request.key === keyOf(7) ? 40_000 : 0);
  expect(
    world.run(new TestRequest(world.scope(), { kind: "read", index: 7, length: 512 })),
  ).toBeNull();
  expect(world.client.gateway).toEqual(address(0));
  expect(world.client.stats().connectionsLost).toBe(0);
});
