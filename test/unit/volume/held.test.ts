import { expect, test } from "bun:test";
import { SheepfsError } from "../../../src/base/errors.ts";
import { limits } from "../../../src/base/limits.ts";
import { CancelScope } from "../../../src/base/scope.ts";
import { whileHeld } from "../../../src/volume/held.ts";
import { Volume } from "../../../src/volume/volume.ts";
import { codeOf, vdiNamed, World } from "./world.ts";

const block = 4096;
const sizeBytes = 16 * block;

function filled(length: number, byte: number): Uint8Array {
  return new Uint8Array(length).fill(byte);
}

/** A world with a second VDI, called "log". */
function pair(seed: number) {
  const given = new World({ seed, objectShift: 12, sizeBytes });
  const { sim, cluster, ports } = given;
  cluster.createVdi({ name: "log", sizeBytes, objectShift: 12, storePolicy: 0 });
  const what = { name: vdiNamed("log"), title: "log", readOnly: false };
  const log = sim.run(Volume.open(ports, what, sim.scope()));
  return { given, log };
}

test("of what was written after something that one snapshot lacks, none of the group has it", () => {
  for (let seed = 1; seed <= 200; seed += 1) {
    const { given, log } = pair(seed);
    const { sim, cluster, volume } = given;
    let writing = true;
    let written = 0;
    // As a database does: a number goes to the data only when the log has it.
    const writer = async (at: number): Promise<void> => {
      for (let n = 1; writing && n < 200; n += 1) {
        await log.write(filled(100, n), at * block, sim.scope());
        await volume.write(filled(100, n), at * block, sim.scope());
        written += 1;
      }
    };
    const writers = Promise.all([0, 1, 2].map(writer));
    sim.pass(seed % 40);
    const before = written;
    const group = whileHeld(
      [volume, log],
      async () => {
        await cluster.snapshot(volume.header.vid);
        await cluster.snapshot(log.header.vid);
      },
      sim,
      sim.scope(),
    );
    sim.run(group);
    sim.pass(30);
    writing = false;
    sim.run(writers);
    expect(written).toBeGreaterThan(before);
    const data = given.open(vdiNamed("test", 1));
    const logged = given.open(vdiNamed("log", 1));
    for (const at of [0, 1, 2]) {
      const inData = given.read(at * block, 1, data)[0] ?? 0;
      const inLog = given.read(at * block, 1, logged)[0] ?? 0;
      expect([inData, inData + 1]).toContain(inLog);
      // What was acknowledged is in the working VDI.
      expect(given.read(at * block, 1)).toEqual(given.read(at * block, 1, log));
    }
    given.expectLawful();
  }
});

test("while writes are held nothing is sent, reads go on, and whoever is interrupted goes", () => {
  const { given } = pair(1);
  const { sim, cluster, volume } = given;
  given.write(0, filled(block, 1));
  sim.run(volume.holdWrites(sim.scope()));
  const sent = cluster.counts.write;
  const scope = new CancelScope(Number.POSITIVE_INFINITY);
  const interrupted = volume.write(filled(10, 2), 0, scope);
  const kept = volume.write(filled(10, 3), block, sim.scope());
  const over: string[] = [];
  interrupted.catch(() => over.push("interrupted"));
  void kept.then(() => over.push("kept"));
  sim.pass(1_000);
  expect(given.read(0, 2)).toEqual(filled(2, 1));
  expect([cluster.counts.write, over]).toEqual([sent, []]);
  scope.cancel();
  sim.pass(1);
  expect(over).toEqual(["interrupted"]);
  sim.run(volume.releaseWrites(sim.scope()));
  sim.run(kept);
  expect([given.read(0, 2), given.read(block, 2)]).toEqual([filled(2, 1), filled(2, 3)]);
  given.expectLawful();
});

test("what takes too long, or fails, holds nobody back any more", () => {
  const { given, log } = pair(1);
  const { sim, volume } = given;
  const never = whileHeld(
    [volume, log],
    async (scope) => {
      await new Promise((resolve) => sim.after(scope.deadlineMs - sim.nowMs(), () => resolve(0)));
      throw new Error("too late");
    },
    sim,
    sim.scope(),
  );
  const startedMs = sim.nowMs();
  expect(() => sim.run(never)).toThrow("too late");
  expect(sim.nowMs() - startedMs).toBeLessThan(limits.writesHeldMs + 100);
  given.write(0, filled(10, 1));
  log.fail("was taken away");
  expect(codeOf(() => sim.run(whileHeld([volume, log], async () => {}, sim, sim.scope())))).toBe(
    "stale",
  );
  given.write(0, filled(10, 2));
  expect(given.read(0, 1)).toEqual(filled(1, 2));
});

test("a discard that was held back makes no hole into a snapshot that was not noticed", () => {
  const { given } = pair(1);
  const { sim, cluster, volume } = given;
  given.write(0, filled(block, 7));
  sim.pass(20_000);
  const { vid } = volume.header;
  sim.run(volume.holdWrites(sim.scope()));
  const discarding = volume.discard({ offset: 0, length: block }, sim.scope());
  const code = discarding.then(
    () => "done",
    (thrown: unknown) => (thrown instanceof SheepfsError ? thrown.code : String(thrown)),
  );
  sim.pass(100);
  sim.run(cluster.snapshot(vid));
  // It cannot see whether it was snapshotted, and what is written is done all the same.
  cluster.faults.refused = 1_000;
  cluster.forced.push("done", "done", "done");
  sim.run(volume.releaseWrites(sim.scope(limits.writesHeldMs)));
  cluster.faults.refused = 0;
  cluster.forced.length = 0;
  expect(sim.run(code)).not.toBe("done");
  sim.pass(1_000);
  expect(given.read(0, 1, given.open(vdiNamed("test", 1)))).toEqual(filled(1, 7));
  given.write(0, filled(block, 8));
  expect(given.read(0, 1, given.open(vdiNamed("test", 1)))).toEqual(filled(1, 7));
});

test("who wants to hold back writes does not wait for a move to another VDI beyond its time", () => {
  const { given } = pair(1);
  const { sim, cluster, volume } = given;
  cluster.markReadOnly(volume.header.vid);
  volume.write(filled(10, 1), 0, sim.scope()).catch(() => {});
  sim.pass(100);
  const startedMs = sim.nowMs();
  expect(codeOf(() => sim.run(volume.holdWrites(sim.scope(1_000))))).toBe("timed_out");
  expect(sim.nowMs() - startedMs).toBeLessThan(1_100);
});
