import { expect, test } from "bun:test";
import { limits } from "../../../src/base/limits.ts";
import { opcodes } from "../../../src/wire/opcode.ts";
import { success } from "../../simulate/cluster.ts";
import { keyOf, TestRequest, World } from "./world.ts";

/** A world whose sheep says nothing of its cluster to the first so many that ask. */
function unstated(times: number): { readonly world: World; asked(): number } {
  const world = new World({ sheep: 2 });
  world.cluster.objects.set(keyOf(0), new Uint8Array(1 << 20));
  let asked = 0;
  for (const sheep of world.sheep) {
    sheep.script.instead = (request) => {
      if (request.opcode !== opcodes.statCluster.code) return null;
      asked += 1;
      return asked > times ? null : success(new Uint8Array(0));
    };
  }
  return { world, asked: () => asked };
}

test("a sheep that does not say which cluster it belongs to is asked again", async () => {
  const { world, asked } = unstated(3);
  await using _ = world;
  expect(world.run(new TestRequest(world.scope(), { kind: "read", length: 512 }))).toBeNull();
  expect(asked()).toBe(4);
  expect(world.client.stats().connectionsLost).toBe(0);
  expect(world.client.gateway).toEqual(world.first.address);
});

test("moving to a sheep waits until it says which cluster it belongs to", async () => {
  const { world } = unstated(2);
  await using _ = world;
  const [, other] = world.sheep;
  if (other === undefined) throw new Error("a world of two sheep");
  world.clock.settle(world.client.moveTo([other.address], world.scope()));
  expect(world.client.gateway).toEqual(other.address);
});

test("a sheep that never says which cluster it belongs to is not used", async () => {
  const { world, asked } = unstated(Number.POSITIVE_INFINITY);
  await using _ = world;
  const moving = world.client.moveTo([world.first.address], world.scope());
  expect(() => world.clock.settle(moving, limits.connectTimeoutMs + 100)).toThrow("7000");
  expect(asked()).toBeGreaterThan(10);
});
