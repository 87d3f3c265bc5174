import { expect, test } from "bun:test";
import { limits } from "../../../src/base/limits.ts";
import { silentLogger } from "../../../src/base/log.ts";
import { seededRandom } from "../../../src/base/random.ts";
import { Exclusion, excludedAtMs } from "../../../src/client/exclusion.ts";
import { SimulatedClock } from "../../simulate/clock.ts";
import { SimulatedCluster } from "../../simulate/cluster.ts";
import { SimulatedNetwork } from "../../simulate/network.ts";
import { SimulatedSheep } from "../../simulate/sheep.ts";

const address = { host: "127.0.0.1", port: 7000 };

function setUp(left: () => Promise<boolean> = async () => false): {
  readonly clock: SimulatedClock;
  readonly network: SimulatedNetwork;
  readonly sheep: SimulatedSheep;
  readonly exclusion: Exclusion;
} {
  const clock = new SimulatedClock();
  const network = new SimulatedNetwork(clock, seededRandom(1));
  const sheep = new SimulatedSheep(network, new SimulatedCluster(), address);
  const exclusion = new Exclusion({ transport: network, clock, log: silentLogger, left });
  return { clock, network, sheep, exclusion };
}

test("a sheep that answers, or is gone, excludes what was lost with it", () => {
  for (const gone of [false, true]) {
    const { clock, sheep, exclusion } = setUp();
    if (gone) sheep.kill();
    const suspect = exclusion.lost(address);
    expect(suspect.seenAtMs).toBeNull();
    clock.pass(100);
    expect(suspect.seenAtMs).not.toBeNull();
  }
});

test("a sheep that is silent excludes nothing until it answers, however long it takes", () => {
  for (const how of ["stopped", "apart"] as const) {
    const { clock, network, sheep, exclusion } = setUp();
    if (how === "stopped") sheep.stop();
    else network.part(address);
    const suspect = exclusion.lost(address);
    clock.pass(600_000);
    expect(suspect.seenAtMs).toBeNull();
    sheep.wake();
    network.heal(address);
    clock.pass(limits.connectTimeoutMs + limits.exclusionProbeMs);
    expect(suspect.seenAtMs).not.toBeNull();
    exclusion.destroy();
  }
});

test("a sheep that is no longer a member excludes what was lost with it", () => {
  let member = true;
  const { clock, network, exclusion } = setUp(async () => !member);
  network.part(address);
  const suspect = exclusion.lost(address);
  clock.pass(10_000);
  expect(suspect.seenAtMs).toBeNull();
  member = false;
  clock.pass(10_000);
  expect(suspect.seenAtMs).not.toBeNull();
});

test("an answer to a question from before the loss proves nothing", () => {
  const { clock, network, sheep, exclusion } = setUp();
  network.weather.latencyMs = 0;
  const first = exclusion.lost(address);
  expect(exclusion.lost(address)).toBe(first);
  // The question is on its way when the next connection is lost and the sheep stops.
  sheep.stop();
  clock.pass(10);
  const second = exclusion.lost(address);
  expect(second).not.toBe(first);
  clock.pass(10);
  expect([first.seenAtMs, second.seenAtMs]).toEqual([null, null]);
  sheep.wake();
  clock.pass(1);
  expect(first.seenAtMs).not.toBeNull();
});

test("a write is excluded a while after the last of its answer and all its sheep", () => {
  const { exclusionMs } = limits;
  expect(excludedAtMs([], 500)).toBe(500 + exclusionMs);
  expect(excludedAtMs([{ seenAtMs: 900 }, { seenAtMs: 300 }], 500)).toBe(900 + exclusionMs);
  expect(excludedAtMs([{ seenAtMs: 900 }, { seenAtMs: null }], 500)).toBeNull();
});
