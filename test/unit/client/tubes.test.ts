import { expect, test } from "bun:test";
import { seededRandom } from "../../../src/base/random.ts";
import { MemoryTube } from "../../simulate/memory-tube.ts";
import { keyOf, pattern, TestRequest, World } from "./world.ts";

const KiB = 1024;
const content = pattern(1 << 20, 3);

/** A read whose answer may go into a tube, and what came of it. */
class TubeRead extends TestRequest {
  readonly tubes: MemoryTube[] = [];
  readonly #next: () => MemoryTube | null;

  constructor(
    world: World,
    what: { readonly offset: number; readonly length: number },
    next: () => MemoryTube | null,
  ) {
    super(world.scope(), { kind: "read", ...what });
    this.#next = next;
  }

  tube(): MemoryTube | null {
    const tube = this.#next();
    if (tube !== null) this.tubes.push(tube);
    return tube;
  }

  /** The answer, from where it was put: all in the last tube and nothing in others, or in memory. */
  get answer(): Uint8Array {
    const filled = this.tubes.filter((tube) => tube.bytes > 0);
    if (filled.length === 0) return this.data;
    expect(filled).toEqual(this.tubes.slice(-1));
    return filled[0]?.content ?? this.data;
  }
}

function newWorld(seed: number): World {
  const world = new World({ seed });
  world.network.pours = true;
  world.cluster.objects.set(keyOf(0), content);
  return world;
}

test("a long answer goes into a tube, and none of it into the buffer", async () => {
  await using world = newWorld(1);
  const read = new TubeRead(world, { offset: 512, length: 256 * KiB }, () => new MemoryTube());
  expect(world.run(read)).toBeNull();
  expect(read.tubes.map((tube) => tube.bytes)).toEqual([256 * KiB]);
  expect(read.answer).toEqual(content.subarray(512, 512 + 256 * KiB));
  expect(read.buffer.every((byte) => byte === 0xee)).toBe(true);
});

test("where a tube takes too little the answer is whole in the buffer", async () => {
  for (const capacity of [0, 1, 100_000, 256 * KiB - 1]) {
    await using world = newWorld(capacity);
    world.network.weather.cutBytes = 9_000;
    const what = { offset: 0, length: 256 * KiB };
    const read = new TubeRead(world, what, () => new MemoryTube(capacity));
    expect(world.run(read)).toBeNull();
    expect(read.tubes.map((tube) => tube.bytes)).toEqual([0]);
    expect(read.answer).toEqual(content.subarray(0, 256 * KiB));
  }
});

test("long and short answers in any cut reach who asked, also when connections break", async () => {
  const seed = Number(process.env["SEED"] ?? Math.floor(Math.random() * 2 ** 31));
  console.log("seed", seed);
  for (let round = 0; round < 30; round += 1) {
    await using world = newWorld(seed + round);
    const random = seededRandom(seed + round);
    // A sheep that was never heard is given up sooner.
    expect(world.run(new TestRequest(world.scope(), { kind: "read", length: 1 }))).toBeNull();
    const { weather } = world.network;
    weather.cutBytes = [3_000, 50_000, 1 << 20][random.below(3)] ?? 3_000;
    world.first.script.delayMs = () => random.below(20);
    const next = (): MemoryTube | null => {
      const kind = random.below(4);
      return kind === 0 ? null : new MemoryTube(kind === 1 ? random.below(256 * KiB) : undefined);
    };
    const reads = Array.from({ length: 60 }, () => {
      const length = random.below(2) === 0 ? 1 + random.below(9_000) : 129 * KiB + random.below(9);
      return new TubeRead(world, { offset: random.below(700_000), length }, next);
    });
    for (const read of reads) world.client.store.submit(read);
    for (let breaks = 0; breaks < 3; breaks += 1) {
      const endMs = world.clock.nowMs() + random.below(30);
      world.clock.until(() => world.clock.nowMs() >= endMs);
      world.first.cut();
    }
    expect(world.clock.until(() => reads.every((read) => read.dones > 0))).toBe(true);
    for (const read of reads) {
      expect(read.error).toBeNull();
      const wanted = content.subarray(read.offset, read.offset + read.length);
      expect(Buffer.compare(read.answer, wanted)).toBe(0);
    }
  }
});

test("once a read has ended nothing more goes into its tube", async () => {
  await using world = newWorld(5);
  world.network.weather.cutBytes = 4_000;
  world.network.weather.latencyMs = 5;
  const tube = new MemoryTube();
  const read = new TubeRead(world, { offset: 0, length: 256 * KiB }, () => tube);
  world.client.store.submit(read);
  expect(world.clock.until(() => tube.bytes > 0)).toBe(true);
  read.scope.cancel();
  expect(world.clock.until(() => read.dones > 0)).toBe(true);
  expect(read.error?.code).toBe("cancelled");
  tube.clear();
  const later = new TestRequest(world.scope(), { kind: "read", offset: 9, length: 100 });
  expect(world.run(later)).toBeNull();
  expect(later.data).toEqual(content.subarray(9, 109));
  expect(tube.bytes).toBe(0);
});

test("a long call that was given up leaves the tubes of later reads as they are", async () => {
  await using world = newWorld(6);
  world.first.script.delayMs = () => 300;
  const scope = world.scope();
  const call = world.client.store.readInode(5, 0, new Uint8Array(200 * KiB), scope);
  expect(world.clock.until(() => world.client.stats().requestsInflight > 0)).toBe(true);
  scope.cancel();
  expect(() => world.clock.settle(call)).toThrow("interrupted");
  expect(world.clock.until(() => world.client.stats().requestsInflight === 0)).toBe(true);
  const read = new TubeRead(world, { offset: 0, length: 256 * KiB }, () => new MemoryTube());
  expect(world.run(read)).toBeNull();
  expect(read.tubes.map((tube) => tube.bytes)).toEqual([256 * KiB]);
});

test("a simulated connection that was reset carries nothing more, also what its sheep still answers", async () => {
  await using world = newWorld(7);
  const got: number[] = [];
  let opened = false;
  const link = world.network.connect(world.first.address, {
    open: () => {
      opened = true;
    },
    readable: () => {
      const into = new Uint8Array(16);
      got.push(...into.subarray(0, link.read(into, 0, into.length)));
    },
    writable: () => {},
    flush: () => {},
    close: () => {},
  });
  const [simulated] = world.network.links.slice(-1);
  expect(world.clock.until(() => opened)).toBe(true);
  simulated?.answer(Uint8Array.of(1, 2, 3));
  simulated?.end(true);
  simulated?.answer(Uint8Array.of(4, 5, 6));
  world.clock.until(() => simulated?.ended === true);
  expect(got).toEqual([]);
});
