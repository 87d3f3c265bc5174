import { expect, test } from "bun:test";
import { limits } from "../../../src/base/limits.ts";
import { silentLogger } from "../../../src/base/log.ts";
import { seededRandom } from "../../../src/base/random.ts";
import { Exclusion, isOver, type Suspect } from "../../../src/client/exclusion.ts";
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

/** What was lost with it and answered at once is excluded by now. */
function isExcluded(clock: SimulatedClock, suspect: Suspect): boolean {
  return isOver([suspect], { atMs: 0, forMs: limits.exclusionMs }, clock.nowMs());
}

/** Somebody waits for it. */
function suspected(exclusion: Exclusion): Suspect {
  const suspect = exclusion.suspect(address);
  suspect.wanted += 1;
  return suspect;
}

const longEnoughMs = limits.exclusionMs + limits.exclusionGapMs;

test("a sheep that runs for a while, or is gone, excludes what was lost with it", () => {
  for (const gone of [false, true]) {
    const { clock, sheep, exclusion } = setUp();
    if (gone) sheep.kill();
    const suspect = suspected(exclusion);
    clock.pass(limits.exclusionMs - 100);
    expect(isExcluded(clock, suspect)).toBe(false);
    clock.pass(longEnoughMs);
    expect(isExcluded(clock, suspect)).toBe(true);
    exclusion.destroy();
  }
});

test("a sheep that is silent excludes nothing until it runs again, however long it is", () => {
  for (const how of ["stopped", "apart"] as const) {
    const { clock, network, sheep, exclusion } = setUp();
    if (how === "stopped") sheep.stop();
    else network.part(address);
    const suspect = suspected(exclusion);
    clock.pass(600_000);
    expect(isExcluded(clock, suspect)).toBe(false);
    sheep.wake();
    network.heal(address);
    clock.pass(limits.connectTimeoutMs + limits.exclusionProbeMs + longEnoughMs);
    expect(isExcluded(clock, suspect)).toBe(true);
    exclusion.destroy();
  }
});

test("a sheep that is stopped after a sign of life excludes nothing before it has run again", () => {
  for (const ranMs of [20, 300, 1_100, 1_900]) {
    const { clock, sheep, exclusion } = setUp();
    const suspect = suspected(exclusion);
    clock.pass(ranMs);
    sheep.stop();
    clock.pass(60_000);
    expect(isExcluded(clock, suspect)).toBe(false);
    sheep.wake();
    clock.pass(limits.exclusionMs / 2);
    expect(isExcluded(clock, suspect)).toBe(false);
    clock.pass(limits.connectTimeoutMs + longEnoughMs);
    expect(isExcluded(clock, suspect)).toBe(true);
    exclusion.destroy();
  }
});

test("a sheep has to run after the write that was sent again was answered", () => {
  const { clock, sheep, exclusion } = setUp();
  const suspect = suspected(exclusion);
  clock.pass(60_000);
  const answered = { atMs: clock.nowMs(), forMs: limits.exclusionMs };
  const isOverNow = (): boolean => isOver([suspect], answered, clock.nowMs());
  sheep.stop();
  clock.pass(60_000);
  expect(isOverNow()).toBe(false);
  sheep.wake();
  clock.pass(limits.connectTimeoutMs + longEnoughMs);
  expect(isOverNow()).toBe(true);
  exclusion.destroy();
});

test("a sheep that is no longer a member excludes what was lost with it", () => {
  let member = true;
  const { clock, network, exclusion } = setUp(async () => !member);
  network.part(address);
  const suspect = suspected(exclusion);
  clock.pass(10_000);
  expect(isExcluded(clock, suspect)).toBe(false);
  member = false;
  clock.pass(10_000);
  expect(isExcluded(clock, suspect)).toBe(true);
});

test("an answer to a question from before the loss proves nothing", () => {
  const { clock, network, sheep, exclusion } = setUp();
  network.weather.latencyMs = 0;
  const first = suspected(exclusion);
  expect(exclusion.suspect(address)).toBe(first);
  // The question is on its way when the next connection is lost.
  sheep.stop();
  clock.pass(10);
  const second = suspected(exclusion);
  expect(second).not.toBe(first);
  sheep.wake();
  clock.pass(limits.exclusionSignMs - 1);
  expect([first.ran === null, second.ran === null]).toEqual([false, true]);
  clock.pass(limits.exclusionSignMs);
  expect(second.ran).not.toBeNull();
  exclusion.destroy();
});

test("a sheep that nobody wants to hear of is not asked any more", () => {
  const { clock, network, exclusion } = setUp();
  const suspect = suspected(exclusion);
  clock.pass(60_000);
  suspect.wanted -= 1;
  clock.pass(limits.exclusionGapMs);
  const asked = network.links.length;
  clock.pass(60_000);
  expect(network.links.length).toBe(asked);
});

test("a write is excluded a while after the last of its answer and all its sheep", () => {
  const { exclusionMs: forMs } = limits;
  const ran = (fromMs: number, toMs: number): Suspect => {
    return { wanted: 1, goneAtMs: null, ran: { fromMs, toMs } };
  };
  const gone = (goneAtMs: number): Suspect => ({ wanted: 1, goneAtMs, ran: null });
  const unheard: Suspect = { wanted: 1, goneAtMs: null, ran: null };
  const isOverAt = (suspects: readonly Suspect[], nowMs: number): boolean =>
    isOver(suspects, { atMs: 500, forMs }, nowMs);
  expect([isOverAt([], 500 + forMs - 1), isOverAt([], 500 + forMs)]).toEqual([false, true]);
  expect(isOverAt([ran(0, 500 + forMs - 1)], 10_000)).toBe(false);
  expect(isOverAt([ran(0, 500 + forMs), ran(900, 900 + forMs)], 10_000)).toBe(true);
  expect(isOverAt([ran(0, 500 + forMs), ran(900, 899 + forMs)], 10_000)).toBe(false);
  expect(isOverAt([ran(0, 500 + forMs), gone(800)], 799 + forMs)).toBe(false);
  expect(isOverAt([ran(0, 500 + forMs), gone(800)], 800 + forMs)).toBe(true);
  expect(isOverAt([ran(0, 500 + forMs), unheard], 100_000)).toBe(false);
});
