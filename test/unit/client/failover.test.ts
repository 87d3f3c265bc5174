import { expect, test } from "bun:test";
import { limits } from "../../../src/base/limits.ts";
import { opcodes } from "../../../src/wire/opcode.ts";
import { failure, nodeList, SimulatedCluster, success } from "../../simulate/cluster.ts";
import { firstPort, keyOf, pattern, TestRequest, World } from "./world.ts";

function address(number: number): { host: string; port: number } {
  return { host: "127.0.0.1", port: firstPort + number };
}

function prepared(sheep: number): World {
  const world = new World({ sheep });
  world.cluster.objects.set(keyOf(0), new Uint8Array(1 << 20));
  return world;
}

function read(world: World, timeoutMs = 60_000): TestRequest {
  return new TestRequest(world.scope(timeoutMs), { kind: "read", length: 4096 });
}

/** The first one finds out that the cluster is settled: later ones are sent at once. */
function write(world: World, tag: number, timeoutMs = 60_000): TestRequest {
  return new TestRequest(world.scope(timeoutMs), { kind: "write", data: pattern(4096, tag) });
}

test("no sheep at the address is told at once, naming it", async () => {
  await using world = prepared(1);
  world.first.kill();
  const request = read(world);
  const began = world.clock.nowMs();
  expect(world.run(request)?.code).toBe("unavailable");
  expect(request.error?.message).toContain("127.0.0.1:7000");
  expect(world.clock.nowMs() - began).toBeLessThan(1_000);
});

test("of several gateways the first that answers is used; when all fail each is named", async () => {
  await using world = prepared(3);
  world.sheep[0]?.kill();
  expect(world.run(read(world))).toBeNull();
  expect(world.client.gateway).toEqual(address(1));
  world.sheep[1]?.kill();
  expect(world.run(read(world))).toBeNull();
  expect(world.client.gateway).toEqual(address(2));
  world.sheep[2]?.kill();
  const request = read(world, 5_000);
  expect(world.run(request)?.code).toBe("unavailable");
  for (const port of [7000, 7001, 7002]) expect(request.error?.message).toContain(`${port}`);
});

test("attempts to reconnect become rare and go on until the sheep is back", async () => {
  await using world = prepared(1);
  expect(world.run(read(world))).toBeNull();
  world.first.kill();
  world.clock.pass(10);
  const before = world.network.links.length;
  const request = read(world);
  world.client.store.submit(request);
  world.clock.pass(30_000);
  const attempts = world.network.links.length - before;
  expect(attempts).toBeGreaterThan(10);
  expect(attempts).toBeLessThan(50);
  expect(request.dones).toBe(0);
  world.first.start();
  expect(world.clock.until(() => request.dones > 0, limits.backoffLongestMs + 100)).toBe(true);
  expect(request.error).toBeNull();
});

test("nothing is tried while nobody asks", async () => {
  await using world = prepared(1);
  expect(world.run(read(world))).toBeNull();
  world.clock.pass(5_000);
  world.first.kill();
  world.clock.pass(10);
  const before = world.network.links.length;
  world.clock.pass(60_000);
  expect(world.network.links.length).toBe(before);
});

test("a write whose connection broke is acknowledged only when its first copy cannot land any more", async () => {
  await using world = prepared(1);
  expect(world.run(write(world, 0))).toBeNull();
  let copies = 0;
  world.first.script.delayMs = (request) => {
    if (request.opcode !== opcodes.writeObject.code || request.length === 0) return 0;
    copies += 1;
    // The first copy lands a second after the client has left.
    return copies === 1 ? 1_000 : 0;
  };
  const first = write(world, 1);
  const second = write(world, 2);
  first.onDone = () => world.client.store.submit(second);
  world.client.store.submit(first);
  world.clock.pass(20);
  world.first.cut();
  expect(world.clock.until(() => second.dones > 0)).toBe(true);
  expect([first.error, second.error]).toEqual([null, null]);
  expect(copies).toBe(3);
  world.clock.pass(10_000);
  expect(world.cluster.object(keyOf(0)).subarray(0, 4096)).toEqual(pattern(4096, 2));
});

test("a write that a stopped gateway may still execute is in doubt at its deadline, until the gateway is heard of", async () => {
  await using world = prepared(2);
  expect(world.run(write(world, 0))).toBeNull();
  world.first.stop();
  const request = write(world, 1);
  world.client.store.submit(request);
  const reading = read(world);
  world.client.store.submit(reading);
  expect(world.clock.until(() => reading.dones > 0, 20_000)).toBe(true);
  expect(reading.error).toBeNull();
  expect(world.client.gateway).toEqual(address(1));
  // The other gateway has executed it; it is not acknowledged all the same.
  const stored = (): number => Buffer.compare(pattern(4096, 1), content());
  const content = (): Uint8Array => world.cluster.object(keyOf(0)).subarray(0, 4096);
  expect(world.clock.until(() => stored() === 0, 2 * limits.recoveryRestMs)).toBe(true);
  expect(world.clock.until(() => request.dones > 0)).toBe(true);
  expect([request.error?.code, request.error?.inDoubt]).toEqual(["timed_out", true]);
  world.clock.pass(300_000);
  expect(request.resolves).toBe(0);
  world.first.wake();
  expect(world.clock.until(() => request.resolves > 0, 10_000)).toBe(true);
});

test("a write that a stopped gateway may still execute is held while it is a member, however often it is lost sight of", async () => {
  await using world = prepared(2);
  expect(world.run(write(world, 0))).toBeNull();
  world.clock.pass(limits.membersLookMs + 100);
  world.first.stop();
  const request = write(world, 1);
  world.client.store.submit(request);
  world.clock.pass(20);
  // The second cut ends the connection on which the stopped sheep is asked for a sign of life.
  world.first.cut();
  world.clock.pass(500);
  world.first.cut();
  world.clock.pass(30_000);
  expect(world.client.gateway).toEqual(address(1));
  expect([request.dones, world.client.stats().requestsHeld]).toEqual([0, 1]);
  world.first.wake();
  expect(world.clock.until(() => request.dones > 0, 10_000)).toBe(true);
  expect(request.error).toBeNull();
});

test("a write that a stopped gateway has is acknowledged when the gateway is no longer a member", async () => {
  await using world = prepared(2);
  expect(world.run(write(world, 0))).toBeNull();
  world.clock.pass(limits.membersLookMs + 100);
  world.first.stop();
  const request = write(world, 1);
  world.client.store.submit(request);
  world.clock.pass(20_000);
  expect(request.dones).toBe(0);
  world.cluster.leave(world.first.address);
  expect(world.clock.until(() => request.dones > 0, 10_000)).toBe(true);
  expect(request.error).toBeNull();
});

test("a list without a sheep proves its leaving only when it is newer and names others", async () => {
  for (const [what, epochs, members] of [
    ["not newer", 0, [address(1)]],
    ["empty", 1, []],
  ] as const) {
    await using world = prepared(2);
    expect(world.run(write(world, 0))).toBeNull();
    world.clock.pass(limits.membersLookMs + 100);
    world.first.stop();
    const request = write(world, 1);
    world.client.store.submit(request);
    world.clock.pass(20);
    const other = world.sheep[1];
    if (other === undefined) throw new Error("a world of two sheep");
    other.script.instead = ({ opcode }) =>
      opcode === opcodes.getNodeList.code ? success(nodeList(members)) : null;
    world.cluster.epoch += epochs;
    world.clock.pass(30_000);
    expect([what, request.dones]).toEqual([what, 0]);
    world.first.wake();
    expect(world.clock.until(() => request.dones > 0, 10_000)).toBe(true);
  }
});

// [S-37]
test("a gateway that dies while another is at hand costs a pause", async () => {
  await using world = prepared(2);
  world.first.script.delayMs = () => 50;
  expect(world.run(read(world))).toBeNull();
  const requests = Array.from({ length: 30 }, (_, tag) => {
    const data = pattern(4096, tag);
    return new TestRequest(world.scope(), { kind: "write", offset: tag * 4096, data });
  });
  for (const request of requests) world.client.store.submit(request);
  world.clock.pass(20);
  world.first.kill();
  expect(world.clock.until(() => requests.every((one) => one.dones > 0), 10_000)).toBe(true);
  expect(requests.filter((one) => one.error !== null)).toEqual([]);
});

test("slow is not dead: a parked request does not close its connection", async () => {
  await using world = prepared(1);
  world.cluster.objects.set(keyOf(7), pattern(1 << 20, 7));
  world.first.script.delayMs = (request) => (request.key === keyOf(7) ? 40_000 : 0);
  const parked = new TestRequest(world.scope(), { kind: "read", index: 7, length: 512 });
  expect(world.run(parked)).toBeNull();
  expect(world.client.stats().connectionsLost).toBe(0);
});

test("a sheep that does not answer in any way is left, and told by name", async () => {
  await using world = prepared(1);
  expect(world.run(read(world))).toBeNull();
  world.network.part(address(0));
  const request = read(world);
  expect(world.run(request)?.code).toBe("unavailable");
  expect(request.error?.message).toContain("127.0.0.1:7000");
  world.network.heal(address(0));
  expect(world.run(read(world))).toBeNull();
});

test("after idling for long the first slow request closes nothing", async () => {
  await using world = prepared(1);
  expect(world.run(read(world))).toBeNull();
  world.clock.pass(3_600_000);
  world.first.script.delayMs = () => 3_000;
  expect(world.run(read(world))).toBeNull();
  expect(world.client.stats().connectionsLost).toBe(0);
});

test("a sheep that says it is leaving is left for the next, and its answers are taken", async () => {
  await using world = prepared(2);
  expect(world.run(read(world))).toBeNull();
  world.first.script.delayMs = (request) => (request.length === 100 ? 500 : 0);
  const late = new TestRequest(world.scope(), { kind: "read", length: 100 });
  world.client.store.submit(late);
  world.clock.pass(50);
  world.first.script.instead = (request) => (request.length === 4096 ? failure(0x11) : null);
  expect(world.run(read(world))).toBeNull();
  expect(world.client.gateway).toEqual(address(1));
  expect(world.clock.until(() => late.dones > 0)).toBe(true);
  expect(late.error).toBeNull();
  expect(world.client.stats().connectionsLost).toBe(0);
});

test("a peer of another version, or no sheep at all, is told at once", async () => {
  const cases = [
    ["version", () => failure(0x14)],
    ["version", () => failure(0x05)],
    ["corrupt", () => ({ result: 0, data: new Uint8Array(7) })],
  ] as const;
  for (const [code, answer] of cases) {
    await using world = prepared(1);
    world.first.script.instead = answer;
    const request = read(world);
    expect(world.run(request)?.code).toBe(code);
    expect(request.error?.message).toContain("127.0.0.1:7000");
  }
});

// [S-28]
test("moving to another gateway with requests under way shows no error", async () => {
  await using world = prepared(2);
  world.first.script.delayMs = () => 300;
  const requests = Array.from({ length: 50 }, (_, tag) => {
    const data = pattern(4096, tag);
    return new TestRequest(world.scope(), { kind: "write", offset: tag * 4096, data });
  });
  for (const request of requests.slice(0, 25)) world.client.store.submit(request);
  world.clock.pass(20);
  const moved = world.client.moveTo([address(1)], world.scope());
  world.clock.settle(moved);
  expect(world.client.gateway).toEqual(address(1));
  for (const request of requests.slice(25)) world.client.store.submit(request);
  world.clock.pass(100);
  world.first.kill();
  expect(world.clock.until(() => requests.every((one) => one.dones > 0), 10_000)).toBe(true);
  expect(requests.filter((one) => one.error !== null)).toEqual([]);
  expect(world.sheep[1]?.seen.length).toBeGreaterThanOrEqual(25);
});

test("moving to a sheep that cannot be used keeps the old one and says why", async () => {
  await using world = prepared(2);
  expect(world.run(read(world))).toBeNull();
  const other = new SimulatedCluster();
  other.ctimeSeconds = 1_600_000_000;
  world.newSheep(5, other);
  world.newSheep(6).script.instead = () => failure(0x14);
  const cases = [
    [address(5), "invalid"],
    [address(6), "version"],
    [address(9), "unavailable"],
  ] as const;
  for (const [to, code] of cases) {
    const moved = world.client.moveTo([to], world.scope());
    const error = world.clock.settle(
      moved.then(
        () => null,
        (thrown: unknown) => thrown,
      ),
    );
    expect(error).toMatchObject({ code, message: expect.stringContaining(`127.0.0.1:${to.port}`) });
    expect(world.client.gateway).toEqual(address(0));
    expect(world.run(read(world))).toBeNull();
  }
  world.client.mayChangeCluster = () => true;
  world.clock.settle(world.client.moveTo([address(5)], world.scope()));
  expect(world.client.gateways).toEqual([address(5)]);
});

test("a sheep that came back with another cluster is not written to", async () => {
  await using world = prepared(1);
  expect(world.run(read(world))).toBeNull();
  world.first.kill();
  world.cluster.ctimeSeconds = 1_800_000_000;
  world.clock.pass(100);
  world.first.start();
  const request = write(world, 1);
  expect(world.run(request)?.code).toBe("unavailable");
  expect(request.error?.message).toContain("another cluster");
  expect(world.cluster.object(keyOf(0)).every((byte) => byte === 0)).toBe(true);
});
