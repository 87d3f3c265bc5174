import { expect, test } from "bun:test";
import type { SheepfsError } from "../../../src/base/errors.ts";
import { clusterRequest, objectRequest, vdiRequest } from "../../../src/wire/header.ts";
import { opcodes } from "../../../src/wire/opcode.ts";
import { failure, success } from "../../simulate/cluster.ts";
import { pattern, World } from "./world.ts";

const inodeKey = "80abcdef/0";
const vid = 0xabcdef;

function failed(world: World, promise: Promise<unknown>): SheepfsError {
  return world.clock.settle(
    promise.then(
      () => {
        throw new Error("it did not fail");
      },
      (error: SheepfsError) => error,
    ),
  );
}

test("a call gives the header and the data of its answer, however long", async () => {
  await using world = new World();
  for (const length of [0, 80, 500_000]) {
    const data = pattern(length, 4);
    world.first.script.instead = (request) =>
      request.opcode === opcodes.getNodeList.code ? success(data) : null;
    const request = clusterRequest("getNodeList", {}, { receiveBytes: 1 << 20 });
    const reply = world.clock.settle(world.client.call(request, world.scope()));
    expect([reply.result, reply.header.byteLength]).toEqual([0, 48]);
    expect(reply.data).toEqual(data);
  }
});

test("the data of an answer stays as it is while later answers arrive", async () => {
  await using world = new World();
  let tag = 0;
  world.first.script.instead = (request) => {
    if (request.opcode !== opcodes.getNodeList.code) return null;
    tag += 1;
    return success(pattern(800, tag));
  };
  const request = clusterRequest("getNodeList", {}, { receiveBytes: 800 });
  const first = world.clock.settle(world.client.call(request, world.scope()));
  world.clock.settle(world.client.call(request, world.scope()));
  expect(first.data).toEqual(pattern(800, 1));
});

test("a result that is expected is returned with its data, another is thrown", async () => {
  await using world = new World();
  world.first.script.instead = (request) =>
    request.opcode === opcodes.oidsExist.code ? { result: 2, data: pattern(16, 1) } : null;
  const request = clusterRequest("oidsExist", {}, { data: pattern(32, 2), receiveBytes: 32 });
  const reply = world.clock.settle(world.client.call(request, world.scope(), [2]));
  expect(reply.result).toBe(2);
  expect(reply.data).toEqual(pattern(16, 1));
  expect(failed(world, world.client.call(request, world.scope())).code).toBe("stale");
});

test("an answer longer than was offered is corrupt", async () => {
  await using world = new World();
  world.first.script.instead = (request) =>
    request.opcode === opcodes.getNodeList.code ? success(pattern(161, 1)) : null;
  const request = clusterRequest("getNodeList", {}, { receiveBytes: 160 });
  expect(failed(world, world.client.call(request, world.scope())).code).toBe("corrupt");
});

test("what must not happen twice is never sent twice: it is in doubt when its answer is lost", async () => {
  await using world = new World();
  const request = vdiRequest("newVdi", { vdiSize: 1 << 20 }, { data: new Uint8Array(256) });
  world.first.script.delayMs = () => 100;
  const made = world.client.call(request, world.scope());
  world.clock.pass(50);
  world.first.cut();
  const error = failed(world, made);
  expect(error.inDoubt).toBe(true);
  world.clock.pass(5_000);
  expect(world.first.seen.filter((one) => one.opcode === opcodes.newVdi.code).length).toBe(1);
});

test("what must not happen twice is sent again when it was never sent whole", async () => {
  await using world = new World();
  world.first.script.instead = (request) =>
    request.opcode === opcodes.newVdi.code ? success(new Uint8Array(0)) : null;
  const warm = clusterRequest("statSheep", {}, { receiveBytes: 160 });
  failed(world, world.client.call(warm, world.scope()));
  world.network.weather.takeBytes = 100;
  world.network.weather.latencyMs = 100;
  const data = new Uint8Array(100_000);
  const made = world.client.call(vdiRequest("newVdi", {}, { data }), world.scope());
  world.clock.pass(300);
  world.first.cut();
  world.clock.pass(150);
  world.network.weather.takeBytes = 1 << 20;
  expect(world.clock.settle(made).result).toBe(0);
});

test("an inode is read in pieces and written whole", async () => {
  await using world = new World();
  const object = new Uint8Array(2 << 20);
  world.cluster.objects.set(inodeKey, object);
  const data = pattern(1_500_000, 6);
  world.clock.settle(world.client.store.writeInode(vid, 4664, data, world.scope()));
  expect(world.first.seen.length).toBe(1);
  expect(object.subarray(4664, 4664 + data.length)).toEqual(data);
  world.first.script.delayMs = () => world.network.random.below(30);
  const into = new Uint8Array(data.length);
  world.clock.settle(world.client.store.readInode(vid, 4664, into, world.scope()));
  expect(into).toEqual(data);
  expect(world.first.seen.length).toBe(1 + 6);
});

test("index nodes are read, written and made", async () => {
  await using world = new World();
  const { store } = world.client;
  const data = pattern(8_000, 2);
  const first = { vid, number: 3, offset: 0, create: true };
  world.clock.settle(store.writeIndexNode(first, data, world.scope()));
  const second = { vid, number: 3, offset: 100, create: false };
  world.clock.settle(store.writeIndexNode(second, pattern(50, 9), world.scope()));
  const into = new Uint8Array(200);
  world.clock.settle(store.readIndexNode(vid, 3, into, world.scope()));
  const expected = data.slice(0, 200);
  expected.set(pattern(50, 9), 100);
  expect(into).toEqual(expected);
});

test("an inode write in doubt is resolved when it can no longer land", async () => {
  await using world = new World();
  world.cluster.objects.set(inodeKey, new Uint8Array(1 << 20));
  world.first.script.delayMs = (request) =>
    request.opcode === opcodes.writeObject.code ? 3_000 : 0;
  let resolved = 0;
  const write = world.client.store.writeInode(vid, 0, pattern(8, 1), world.scope(500), () => {
    resolved += 1;
  });
  expect(failed(world, write).inDoubt).toBe(true);
  expect(resolved).toBe(0);
  world.clock.pass(5_000);
  expect(resolved).toBe(1);
});

// [S-2]
test("FLUSH_VDI answered with 'do not ask again' is success, and asked again after a failover", async () => {
  await using world = new World({ sheep: 2 });
  const flushes = (number: number): number =>
    world.sheep[number]?.seen.filter((one) => one.opcode === opcodes.flushVdi.code).length ?? -1;
  for (let round = 0; round < 3; round += 1) {
    world.clock.settle(world.client.store.flush(vid, world.scope()));
  }
  expect(flushes(0)).toBe(1);
  world.first.kill();
  world.clock.pass(100);
  for (let round = 0; round < 3; round += 1) {
    world.clock.settle(world.client.store.flush(vid, world.scope()));
  }
  expect([flushes(0), flushes(1)]).toEqual([1, 1]);
});

test("a sheep that does flush is asked each time", async () => {
  await using world = new World();
  world.first.script.instead = (request) =>
    request.opcode === opcodes.flushVdi.code ? success(new Uint8Array(0)) : null;
  for (let round = 0; round < 3; round += 1) {
    world.clock.settle(world.client.store.flush(vid, world.scope()));
  }
  expect(world.first.seen.length).toBe(3);
});

test("a call to one certain sheep uses a connection of its own and leaves none", async () => {
  await using world = new World({ sheep: 2 });
  const second = { host: "127.0.0.1", port: 7001 };
  const request = clusterRequest("statSheep", {}, {});
  const sheep = world.sheep[1];
  if (sheep === undefined) throw new Error("there are two sheep");
  let busy = 2;
  sheep.script.instead = (incoming) => {
    if (incoming.opcode !== opcodes.statSheep.code) return null;
    busy -= 1;
    return busy >= 0 ? failure(0x8f) : success(new Uint8Array(0));
  };
  const reply = world.clock.settle(world.client.callAt(second, request, world.scope()));
  expect(reply.result).toBe(0);
  expect(sheep.seen.length).toBe(3);
  world.clock.pass(1_000);
  expect(sheep.links.length).toBe(0);
  expect(world.first.seen.length).toBe(0);
});

test("a call to a sheep that is not there, falls silent or is cancelled ends", async () => {
  await using world = new World();
  const request = clusterRequest("statSheep", {}, {});
  const nowhere = { host: "127.0.0.1", port: 7009 };
  expect(failed(world, world.client.callAt(nowhere, request, world.scope())).code).toBe(
    "unavailable",
  );
  world.first.script.delayMs = () => 1e9;
  const { address } = world.first;
  expect(failed(world, world.client.callAt(address, request, world.scope(2_000))).code).toBe(
    "timed_out",
  );
  const scope = world.scope();
  const cancelled = world.client.callAt(address, request, scope);
  world.clock.pass(100);
  scope.cancel();
  expect(failed(world, cancelled).code).toBe("cancelled");
});

test("a call waits for a result that may pass, and tells it at its deadline", async () => {
  await using world = new World();
  world.first.script.instead = (request) =>
    request.opcode === opcodes.getVdiInfo.code ? failure(0x17) : null;
  const request = vdiRequest("getVdiInfo", {}, { data: new Uint8Array(512) });
  expect(failed(world, world.client.call(request, world.scope(3_000))).code).toBe("not_ready");
});

test("part of an object is read by a call", async () => {
  await using world = new World();
  world.cluster.objects.set(inodeKey, pattern(1 << 20, 1));
  const fields = { kind: "inode", vid, index: 0, offset: 10 } as const;
  const request = objectRequest("readObject", fields, { receiveBytes: 100 });
  const { data } = world.clock.settle(world.client.call(request, world.scope()));
  expect(data).toEqual(pattern(1 << 20, 1).subarray(10, 110));
});
