import { describe, expect, test } from "bun:test";
import { limits } from "../../../src/base/limits.ts";
import { codeOf, vdiNamed, World } from "./world.ts";

const block = 4096;
const sizeBytes = 64 * block;

function world(seed = 1): World {
  return new World({ seed, objectShift: 12, sizeBytes });
}

function filled(length: number, byte: number): Uint8Array {
  return new Uint8Array(length).fill(byte);
}

/** The first byte of each block. */
function firstBytes(given: World, blocks: number, volume = given.volume): number[] {
  return Array.from({ length: blocks }, (_, at) => given.read(at * block, 1, volume)[0] ?? 0);
}

/** One that fails, with a snapshot under way that may undo the slots written before. */
function failMeanwhile(given: World, what: "discard" | "write"): void {
  const { sim, cluster, random, volume } = given;
  const scope = sim.scope();
  const first = (): number => firstBytes(given, 1)[0] ?? -1;
  if (random.below(2) === 0) {
    given.write(0, filled(block, 1));
    sim.run(cluster.snapshot(given.vid));
    sim.run(volume.refresh(scope));
  }
  if (random.below(2) === 0) given.write(0, filled(block, 2));
  const snapshot = cluster.snapshot(volume.header.vid);
  sim.pass(random.below(3));
  given.write(0, filled(block, 3));
  cluster.forced.push((["lost", "refused", "doubt"] as const)[random.below(3)] ?? "lost");
  codeOf(() => {
    if (what === "write") given.write(0, filled(9, 5));
    else sim.run(volume.discard({ offset: 0, length: block }, scope));
  });
  cluster.forced.length = 0;
  if (random.below(2) === 0) given.read(0, 1);
  sim.runUntil(() => cluster.quiet);
  if (random.below(2) === 0) sim.pass(random.below(60));
  const allowed = what === "write" ? [3, 5] : [3, 0];
  expect(allowed).toContain(first());
  if (random.below(2) === 0) given.write(1, filled(10, 4));
  // The object of a slot that was cleared goes some time later.
  sim.pass(cluster.removalMs);
  const left = first();
  expect(allowed).toContain(left);
  sim.run(snapshot);
  sim.run(volume.flush(scope));
  expect(first()).toBe(left);
  expect(firstBytes(given, 1, given.open(vdiNamed("test")))).toEqual([left]);
}

describe("when somebody else makes a snapshot", () => {
  test("the next write goes to the new working VDI and leaves the snapshot as it was", () => {
    const given = world();
    given.write(0, filled(2 * block, 1));
    const next = given.sim.run(given.cluster.snapshot(given.vid));
    given.write(10, filled(10, 2));
    expect(given.volume.header.vid).toBe(next);
    expect(firstBytes(given, 3)).toEqual([1, 1, 0]);
    expect(given.read(8, 4)).toEqual(Uint8Array.of(1, 1, 2, 2));
    const snapshot = given.open(vdiNamed("test", 1));
    expect(snapshot.readOnly).toBe(true);
    expect(given.read(8, 4, snapshot)).toEqual(filled(4, 1));
    expect(given.cluster.counts.cow).toBe(1);
    given.expectLawful();
  });

  test("a write that crosses it is in the new working VDI, whenever the sheep copied the index", () => {
    for (let seed = 1; seed <= 300; seed += 1) {
      const given = world(seed);
      const { sim, cluster, volume } = given;
      const snapshot = cluster.snapshot(given.vid);
      const writes = [1, 2, 3, 4].map((at) => {
        sim.pass(seed % 5);
        return volume.write(filled(block - 100, at), at * block, sim.scope());
      });
      sim.run(Promise.all([...writes, snapshot]));
      sim.run(volume.flush(sim.scope()));
      const reader = given.open(vdiNamed("test"));
      expect(firstBytes(given, 6, reader)).toEqual([0, 1, 2, 3, 4, 0]);
      given.expectLawful();
    }
  });

  test("a slot that was written although that failed is taken along, with what was written since", () => {
    const given = world();
    const { sim, cluster, volume } = given;
    cluster.snapshotStepMs = 50;
    const snapshot = cluster.snapshot(given.vid);
    cluster.forced.push("done", "lost");
    expect(codeOf(() => given.write(0, filled(block, 1)))).toBe("unavailable");
    given.write(0, filled(block, 2));
    sim.run(snapshot);
    sim.run(volume.flush(sim.scope()));
    expect(firstBytes(given, 1, given.open(vdiNamed("test")))).toEqual([2]);
    given.expectLawful();
  });

  test("a flush that came too early to see it is made good by a look some time later", () => {
    let early = 0;
    for (let seed = 1; seed <= 20; seed += 1) {
      const given = world(seed);
      const { sim, cluster, volume } = given;
      cluster.snapshotStepMs = 2_000;
      const snapshot = cluster.snapshot(given.vid);
      given.write(0, filled(block, 7));
      sim.run(volume.flush(sim.scope()));
      sim.run(snapshot);
      if (firstBytes(given, 1, given.open(vdiNamed("test")))[0] === 0) early += 1;
      sim.pass(limits.snapshotWaitMs + 1_000);
      expect(firstBytes(given, 1, given.open(vdiNamed("test")))).toEqual([7]);
    }
    expect(early).toBeGreaterThan(10);
  });

  test("a discard makes no hole in the snapshot", () => {
    const given = world();
    const { sim, cluster, volume } = given;
    given.write(0, filled(4 * block, 1));
    sim.run(cluster.snapshot(given.vid));
    sim.run(volume.discard({ offset: block, length: 2 * block }, sim.scope()));
    sim.pass(1_000);
    expect(firstBytes(given, 4)).toEqual([1, 0, 0, 1]);
    expect(firstBytes(given, 4, given.open(vdiNamed("test", 1)))).toEqual([1, 1, 1, 1]);
    given.expectLawful();
  });

  for (const what of ["discard", "write"] as const) {
    test(`a ${what} that fails meanwhile leaves what was there before it, or what it was to do`, () => {
      for (let seed = 1; seed <= 1_500; seed += 1) failMeanwhile(world(seed), what);
    }, 60_000);
  }

  test("what another client wrote to the new working VDI meanwhile is left as it is", () => {
    const given = world();
    const { sim, cluster, volume } = given;
    given.write(0, filled(block, 1));
    given.write(block, filled(block, 1));
    sim.run(cluster.snapshot(given.vid));
    const other = given.open(vdiNamed("test"));
    given.write(0, filled(block, 9), other);
    sim.run(cluster.snapshot(other.header.vid));
    sim.run(volume.refresh(sim.scope()));
    expect(firstBytes(given, 2)).toEqual([9, 1]);
    given.write(2 * block, filled(block, 2));
    expect(firstBytes(given, 3)).toEqual([9, 1, 2]);
    given.expectLawful();
  });

  test("a size that was changed with it is taken over", () => {
    const given = world();
    const { sim, cluster, volume } = given;
    const next = sim.run(cluster.snapshot(given.vid));
    const inode = cluster.inode(next);
    inode.header = { ...inode.header, vdiSize: sizeBytes + 5 };
    sim.run(volume.grow(sizeBytes + 10, sim.scope()));
    expect(cluster.inode(next).header.vdiSize).toBe(sizeBytes + 10);
    expect(cluster.inode(given.vid).header.vdiSize).toBe(sizeBytes);
  });

  test("and rolls back to an older one, nothing of it is read or written any more", () => {
    const given = world();
    const { sim, cluster, volume } = given;
    given.write(0, filled(block, 1));
    const second = sim.run(cluster.snapshot(given.vid));
    given.write(0, filled(block, 2));
    expect(volume.header.vid).toBe(second);
    const inode = cluster.inode(second);
    inode.header = { ...inode.header, snapTime: { seconds: 5, nanoseconds: 0 } };
    cluster.markReadOnly(second);
    cluster.clone(given.vid, "test");
    expect(codeOf(() => given.write(0, filled(10, 3)))).toBe("stale");
    expect(codeOf(() => firstBytes(given, 1))).toBe("stale");
    expect(codeOf(() => sim.run(volume.flush(sim.scope())))).toBe("stale");
    expect(volume.failure?.message).toContain("rolled back elsewhere");
  });

  // Two made one in the same moment: the second has rolled the VDI back, and puts that right.
  test("nothing is written to a working VDI that a race has left for a moment [S-158]", () => {
    const given = world();
    const { sim, cluster, volume } = given;
    const become = (vid: number, snapId: number): void => {
      const inode = cluster.inode(vid);
      inode.header = { ...inode.header, snapId, snapTime: { seconds: 5, nanoseconds: 0 } };
      cluster.markReadOnly(vid);
    };
    given.write(0, filled(block, 1));
    const theirs = sim.run(cluster.snapshot(given.vid));
    become(theirs, 2);
    const transient = cluster.clone(given.vid, "test");
    let written = false;
    const writing = volume.write(filled(block, 2), block, sim.scope()).then(() => {
      written = true;
    });
    sim.pass(500);
    expect([written, volume.header.vid]).toEqual([false, given.vid]);
    become(transient, 3);
    const right = cluster.clone(theirs, "test");
    sim.run(writing);
    expect(volume.header.vid).toBe(right);
    expect(firstBytes(given, 2)).toEqual([1, 2]);
    expect(firstBytes(given, 2, given.open(vdiNamed("test")))).toEqual([1, 2]);
    given.expectLawful();
  });

  test("or clones the working VDI, writes fail as read-only and do not wait each time", () => {
    const given = world();
    const { sim, cluster } = given;
    given.write(0, filled(block, 1));
    cluster.markReadOnly(given.vid);
    expect(codeOf(() => given.write(0, filled(10, 3)))).toBe("read_only");
    const beganMs = sim.nowMs();
    expect(codeOf(() => given.write(0, filled(10, 3)))).toBe("read_only");
    expect(sim.nowMs() - beganMs).toBeLessThan(100);
    expect(firstBytes(given, 1)).toEqual([1]);
  });

  test("a volume that is attached read-only follows it when it is looked at", () => {
    const given = world();
    const { sim, cluster } = given;
    given.write(0, filled(block, 1));
    const reader = given.open(vdiNamed("test"), true);
    expect(firstBytes(given, 1, reader)).toEqual([1]);
    sim.run(cluster.snapshot(given.vid));
    given.write(0, filled(block, 2));
    expect(firstBytes(given, 1, reader)).toEqual([1]);
    sim.run(reader.refresh(sim.scope()));
    expect(firstBytes(given, 1, reader)).toEqual([2]);
  });
});
