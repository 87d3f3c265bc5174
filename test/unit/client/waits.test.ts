import { expect, test } from "bun:test";
import type { Logger } from "../../../src/base/log.ts";
import { opcodes } from "../../../src/wire/opcode.ts";
import { results } from "../../../src/wire/result.ts";
import { failure } from "../../simulate/cluster.ts";
import { keyOf, pattern, TestRequest, World } from "./world.ts";

class Told implements Logger {
  readonly lines: string[] = [];
  readonly debugging = false;
  error(message: string): void {
    this.lines.push(message);
  }
  warn(message: string): void {
    this.lines.push(message);
  }
  info(message: string): void {
    this.lines.push(message);
  }
  debug(): void {}

  get waits(): string[] {
    return this.lines.filter((line) => line.startsWith("requests "));
  }
}

function reads(world: World, count: number): TestRequest[] {
  world.cluster.objects.set(keyOf(0), pattern(1 << 20, 1));
  return Array.from({ length: count }, () => {
    return new TestRequest(world.scope(), { kind: "read", length: 512 });
  });
}

const isRead = opcodes.readObject.code;

// [S-82]
test("what many requests wait for is told once when it begins and once when it is over", async () => {
  const log = new Told();
  await using world = new World({ log });
  const all = reads(world, 50);
  world.first.script.instead = ({ opcode }) =>
    opcode === isRead ? failure(results.halted.code) : null;
  for (const request of all) world.client.store.submit(request);
  world.clock.pass(10_000);
  expect(log.waits).toEqual([
    `requests wait: the sheep at 127.0.0.1:7000: ${results.halted.meaning}`,
  ]);
  const { waits, waitingVids } = world.client.status();
  expect(waits.map(({ requests }) => requests)).toEqual([50]);
  expect(waits[0]?.lastsMs).toBeGreaterThan(9_000);
  expect([...waitingVids]).toEqual([0xabcdef]);
  // Pauses between attempts become longer: nothing spins.
  expect(world.first.seen.length).toBeLessThan(50 * 20);
  world.first.script.instead = () => null;
  expect(world.clock.until(() => all.every((one) => one.dones > 0), 5_000)).toBe(true);
  expect(all.filter((one) => one.error !== null)).toEqual([]);
  world.clock.pass(1_000);
  expect(log.waits.slice(1)).toEqual([
    expect.stringMatching(/^requests do not wait any more, after 1\d\.\d s$/),
  ]);
  expect(world.client.status().waits).toEqual([]);
});

test("each kind of waiting has its reason", async () => {
  const cases: ReadonlyArray<readonly [string, (world: World) => void]> = [
    ["connection refused", (world) => world.first.kill()],
    ["gives no sign of life", (world) => world.first.stop()],
    [
      "is alive and does not answer them",
      (world) => {
        world.first.script.delayMs = () => 20_000;
      },
    ],
  ];
  for (const [reason, happen] of cases) {
    await using world = new World();
    const [first, second] = reads(world, 2);
    if (first === undefined || second === undefined) throw new Error("two reads");
    expect(world.run(first)).toBeNull();
    happen(world);
    world.client.store.submit(second);
    world.clock.pass(6_000);
    expect(world.client.status().waits[0]?.reason).toContain(reason);
  }
});

test("a short pause is not worth a word", async () => {
  const log = new Told();
  await using world = new World({ log, sheep: 2 });
  const [first, second] = reads(world, 2);
  if (first === undefined || second === undefined) throw new Error("two reads");
  expect(world.run(first)).toBeNull();
  world.first.kill();
  expect(world.run(second)).toBeNull();
  world.clock.pass(2_000);
  expect(log.waits).toEqual([]);
});

test("an outage in which every request fails at its deadline is told once", async () => {
  const log = new Told();
  await using world = new World({ log });
  const [first] = reads(world, 1);
  if (first === undefined) throw new Error("one read");
  expect(world.run(first)).toBeNull();
  world.first.kill();
  for (let count = 0; count < 10; count += 1) {
    const read = new TestRequest(world.scope(3_000), { kind: "read", length: 512 });
    expect(world.run(read)?.code).toBe("unavailable");
    world.clock.pass(1_000);
  }
  expect(log.waits.length).toBe(1);
  world.first.start();
  expect(world.run(new TestRequest(world.scope(), { kind: "read", length: 512 }))).toBeNull();
  world.clock.pass(1_000);
  expect(log.waits.length).toBe(2);
});
