import { describe, expect, test } from "bun:test";
import { SheepfsError } from "../../../src/base/errors.ts";
import { limits } from "../../../src/base/limits.ts";
import { CancelScope } from "../../../src/base/scope.ts";
import type { Volume } from "../../../src/volume/volume.ts";
import { codeOf, vdiNamed, World } from "./world.ts";

const KiB = 1024;
const MiB = 1024 * KiB;
const block = 64 * KiB;

function world(blocks = 16, over: { objectShift?: number; sizeBytes?: number } = {}): World {
  return new World({ seed: 1, objectShift: 16, sizeBytes: blocks * block, ...over });
}

function filled(length: number, byte: number): Uint8Array {
  return new Uint8Array(length).fill(byte);
}

function requests(given: World): number {
  const { read, write, create, cow } = given.cluster.counts;
  return read + write + create + cow;
}

describe("a volume", () => {
  test("that was never written reads as zeros with no request for an object", () => {
    const given = world();
    expect(given.read(5, 3 * block)).toEqual(filled(3 * block, 0));
    expect(requests(given)).toBe(0);
  });

  test("of 16 TiB is opened and written at its end without reading its index", () => {
    const sizeBytes = 16 * 2 ** 40;
    const given = world(0, { objectShift: 24, sizeBytes });
    expect(given.cluster.counts.inodeReads).toBe(0);
    given.write(sizeBytes - 3, filled(3, 7));
    expect(given.read(sizeBytes - 4, 4)).toEqual(Uint8Array.of(0, 7, 7, 7));
    // A part of the index, and whether it can be believed.
    expect(given.cluster.counts.inodeReads).toBe(2);
    expect(given.ports.cache.bytes).toBe(16 * KiB);
  });

  test("writes a new block, then its slot, and only then says so", () => {
    const given = world();
    const { sim, cluster, volume } = given;
    const writing = volume.write(filled(100, 7), 50, sim.scope());
    let done = false;
    void writing.then(() => {
      done = true;
    });
    sim.runUntil(() => cluster.object(given.vid, 0) !== null);
    expect(cluster.inode(given.vid).slot(0)).toBe(0);
    sim.runUntil(() => cluster.inode(given.vid).slot(0) !== 0);
    expect(done).toBe(false);
    sim.run(writing);
    given.expectLawful();
  });

  test("writes the slots of neighbours together and never bridges what it did not make", () => {
    const given = world(64);
    const { cluster } = given;
    given.write(10 * block, filled(block, 1));
    cluster.latencyMs = 0;
    cluster.runs.length = 0;
    given.write(8 * block, filled(2 * block, 2));
    given.write(12 * block, filled(4 * block, 3));
    given.sim.run(
      Promise.all(
        [30, 31, 33, 34].map((at) => {
          return given.volume.write(filled(10, 4), at * block, given.sim.scope());
        }),
      ),
    );
    const runs = cluster.runs.map(({ index, count }) => `${index}+${count}`);
    expect(runs).toEqual(["8+2", "12+4", "30+2", "33+2"]);
    given.expectLawful();
  });

  test("refuses what does not lie within it, and a write to one that is attached read-only", () => {
    const given = world(2);
    const { sim } = given;
    const scope = sim.scope();
    expect(sim.run(given.volume.read(filled(10, 0), 2 * block - 4, scope))).toBe(4);
    expect(sim.run(given.volume.read(filled(10, 0), 2 * block, scope))).toBe(0);
    const write = (volume: Volume, offset: number) => () =>
      sim.run(volume.write(filled(10, 1), offset, scope));
    expect(codeOf(write(given.volume, 2 * block - 4))).toBe("no_space");
    const readOnly = given.open(vdiNamed("test"), true);
    expect(codeOf(write(readOnly, 0))).toBe("read_only");
    const discarding = () => sim.run(readOnly.discard({ offset: 0, length: block }, scope));
    expect(codeOf(discarding)).toBe("read_only");
    expect(codeOf(() => sim.run(readOnly.grow(9 * block, scope)))).toBe("read_only");
    sim.run(given.volume.close(scope));
    expect(codeOf(write(given.volume, 0))).toBe("stale");
  });

  test("flushes when every write accepted before is acknowledged, and waits for no later one", () => {
    const given = world();
    const { sim, cluster, volume } = given;
    const scope = sim.scope();
    let written = false;
    void volume.write(filled(10, 1), 0, scope).then(() => {
      written = true;
    });
    const flushing = volume.flush(scope);
    cluster.stalled = (request) => request.index === 5;
    void volume.write(filled(10, 1), 5 * block, scope);
    sim.run(flushing);
    expect(written).toBe(true);
    expect(cluster.flushed).toEqual([given.vid]);
  });

  test("keeps the place of a write in doubt from others until it cannot land any more", () => {
    const given = world();
    const { sim, cluster, volume } = given;
    given.write(0, filled(block, 1));
    cluster.doubtMs = 5_000;
    cluster.forced.push("doubt");
    expect(codeOf(() => given.write(0, filled(100, 2)))).toBe("unavailable");
    expect(codeOf(() => sim.run(volume.write(filled(10, 3), 20, sim.scope(500))))).toBe(
      "timed_out",
    );
    given.write(512, filled(512, 4));
    given.write(0, filled(100, 5));
    expect(cluster.quiet).toBe(true);
    expect(given.read(0, 100)).toEqual(filled(100, 5));
    given.expectLawful();
  });

  test("reads an object that is missing only after a look at the slot, and never as zeros", () => {
    const given = world();
    given.write(0, filled(block, 1));
    given.cluster.removeObject(given.vid, 0);
    expect(codeOf(() => given.read(0, 10))).toBe("corrupt");
    expect(codeOf(() => given.write(0, filled(10, 1)))).toBe("corrupt");
    const inode = given.cluster.inode(given.vid);
    inode.write(4664, new Uint8Array(4));
    expect(given.read(0, 10)).toEqual(filled(10, 0));
    given.write(0, filled(10, 2));
    expect(given.read(0, 11)).toEqual(Uint8Array.of(...filled(10, 2), 0));
  });

  test("tells which bytes and which volume an error is about", () => {
    const given = world();
    given.cluster.forced.push("refused");
    const writing = () => given.write(3 * block + 5, filled(10, 1));
    expect(writing).toThrow(SheepfsError);
    given.cluster.forced.push("refused");
    expect(writing).toThrow(`test: write at offset ${3 * block + 5}`);
  });

  test("that was deleted elsewhere is stale", () => {
    const given = world();
    const inode = given.cluster.inode(given.vid);
    given.write(0, filled(10, 1));
    inode.header = { ...inode.header, name: new Uint8Array() };
    expect(codeOf(() => given.sim.run(given.volume.refresh(given.sim.scope())))).toBe("stale");
    expect(codeOf(() => given.sim.run(given.volume.flush(given.sim.scope())))).toBe("stale");
  });

  test("grows, here and elsewhere, and is never made smaller", () => {
    const given = world(2);
    const { sim, volume } = given;
    sim.run(volume.grow(4 * block + 1, sim.scope()));
    expect(volume.sizeBytes).toBe(4 * block + 1);
    expect(given.cluster.inode(given.vid).header.vdiSize).toBe(4 * block + 1);
    given.write(4 * block, filled(1, 9));
    expect(codeOf(() => sim.run(volume.grow(block, sim.scope())))).toBe("not_supported");
    expect(codeOf(() => sim.run(volume.grow(2 ** 50, sim.scope())))).toBe("too_large");
    const inode = given.cluster.inode(given.vid);
    inode.header = { ...inode.header, vdiSize: 6 * block };
    sim.run(volume.refresh(sim.scope()));
    expect(volume.sizeBytes).toBe(6 * block);
  });

  test("is refused when it cannot be served exactly", () => {
    const refused = (sizeBytes: number, objectShift: number) =>
      codeOf(() => new World({ seed: 1, objectShift, sizeBytes }));
    expect(refused(2 ** 42 + 1, 22)).toBe("too_large");
    expect(refused(2 ** 42, 22)).toBe("none");
    expect(refused(2 ** 60, 31)).toBe("too_large");
    expect(refused(MiB, 11)).toBe("not_supported");
    expect(refused(MiB, 32)).toBe("not_supported");
  });

  // [S-109]
  test("counts the blocks that have data, also when all of it is a snapshot's", () => {
    const given = world();
    const { sim, volume } = given;
    const allocated = () => sim.run(volume.allocatedBytes(sim.scope()));
    expect(allocated()).toBe(0);
    given.write(0, filled(3 * block, 1));
    expect(allocated()).toBe(3 * block);
    sim.run(volume.discard({ offset: block, length: block }, sim.scope()));
    expect(allocated()).toBe(2 * block);
    const reads = given.cluster.counts.inodeReads;
    expect(allocated()).toBe(2 * block);
    expect(given.cluster.counts.inodeReads).toBe(reads);
    expect(sim.run(given.open(vdiNamed("test")).allocatedBytes(sim.scope()))).toBe(2 * block);
    sim.run(given.cluster.snapshot(given.vid));
    const next = given.open(vdiNamed("test"));
    const nextAllocated = () => sim.run(next.allocatedBytes(sim.scope()));
    expect(nextAllocated()).toBe(2 * block);
    given.write(0, filled(10, 2), next);
    given.write(3 * block, filled(10, 2), next);
    expect(nextAllocated()).toBe(3 * block);
  });

  test("finds data and holes", () => {
    const given = world(20_000, { sizeBytes: 20_000 * block - 100 });
    const { sim, volume } = given;
    const seek = (offset: number, what: "data" | "hole") =>
      sim.run(volume.seek(offset, what, sim.scope()));
    expect(seek(0, "data")).toBe(null);
    expect(seek(7, "hole")).toBe(7);
    given.write(9_000 * block + 5, filled(2 * block, 1));
    given.write(volume.sizeBytes - 1, filled(1, 1));
    expect(seek(0, "data")).toBe(9_000 * block);
    expect(seek(9_000 * block + 7, "data")).toBe(9_000 * block + 7);
    expect(seek(9_000 * block + 7, "hole")).toBe(9_003 * block);
    expect(seek(9_003 * block, "data")).toBe(19_999 * block);
    expect(seek(19_999 * block, "hole")).toBe(volume.sizeBytes);
    expect(seek(volume.sizeBytes, "data")).toBe(null);
  });
});

describe("whoever interrupts a write", () => {
  // [S-108]
  test("is let go while its slot is being written, and what was begun is not lost or overtaken", () => {
    const given = world();
    const { sim, volume, cluster } = given;
    cluster.latencyMs = 5_000;
    const scope = new CancelScope(Number.POSITIVE_INFINITY);
    const bytes = filled(100, 1);
    const writing = volume.write(bytes, 10, scope);
    sim.runUntil(() => cluster.counts.inodeWrites === 1);
    const beganMs = sim.nowMs();
    scope.cancel();
    expect(codeOf(() => sim.run(writing))).toBe("cancelled");
    expect(sim.nowMs()).toBe(beganMs);
    expect(volume.quiet).toBe(false);
    // The writer's bytes are its own again.
    bytes.fill(9);
    given.write(20, filled(10, 2));
    sim.run(volume.flush(sim.scope()));
    expect(volume.quiet).toBe(true);
    const wanted = Uint8Array.of(...filled(10, 1), ...filled(10, 2), ...filled(80, 1));
    expect(given.read(10, 100)).toEqual(wanted);
    expect(cluster.counts.create).toBe(1);
    given.expectLawful();
  });

  // [S-108]
  test("may discard then, and what was begun is discarded too", () => {
    const given = world();
    const { sim, volume, cluster } = given;
    cluster.latencyMs = 5_000;
    const scope = new CancelScope(Number.POSITIVE_INFINITY);
    const writing = volume.write(filled(100, 1), 10, scope);
    sim.runUntil(() => cluster.counts.inodeWrites === 1);
    scope.cancel();
    expect(codeOf(() => sim.run(writing))).toBe("cancelled");
    // What comes now overtakes it.
    cluster.latencyMs = 1;
    sim.run(volume.discard({ offset: 0, length: block }, sim.scope()));
    sim.pass(20_000);
    expect(given.read(0, block)).toEqual(filled(block, 0));
    const next = given.open(vdiNamed("test"));
    expect(given.read(0, block, next)).toEqual(filled(block, 0));
    given.expectLawful();
  });

  // [S-108]
  test("is let go while the volume looks for its new VDI, and none of its bytes are used later", () => {
    const given = world();
    const { sim, volume, cluster } = given;
    given.write(0, filled(block, 1));
    cluster.markReadOnly(given.vid);
    const scope = new CancelScope(Number.POSITIVE_INFINITY);
    const bytes = filled(100, 2);
    const writing = volume.write(bytes, 0, scope);
    sim.pass(100);
    const beganMs = sim.nowMs();
    scope.cancel();
    expect(codeOf(() => sim.run(writing))).toBe("cancelled");
    expect(sim.nowMs()).toBe(beganMs);
    bytes.fill(9);
    sim.run(cluster.snapshot(given.vid));
    given.write(200, filled(10, 3));
    sim.run(volume.flush(sim.scope()));
    expect(given.read(0, 210)).toEqual(Uint8Array.of(...filled(200, 1), ...filled(10, 3)));
    given.expectLawful();
  });
});

describe("a discard", () => {
  test("asks for no object where there is none", () => {
    const given = world();
    const { sim, volume } = given;
    sim.run(volume.discard({ offset: 5, length: 9 * block }, sim.scope()));
    expect(requests(given)).toBe(0);
    expect(given.cluster.counts.inodeWrites).toBe(0);
  });

  test("clears whole blocks by their slots, some at a time, and zeroes the others", () => {
    const given = world(200, { sizeBytes: 200 * block - 7 });
    const { sim, cluster, volume } = given;
    given.write(0, filled(200 * block - 7, 1));
    cluster.runs.length = 0;
    cluster.latencyMs = 0;
    sim.run(volume.discard({ offset: 100, length: volume.sizeBytes - 100 }, sim.scope()));
    expect(given.read(0, 200)).toEqual(Uint8Array.of(...filled(100, 1), ...filled(100, 0)));
    expect(given.read(199 * block, 100)).toEqual(filled(100, 0));
    expect(sim.run(volume.allocatedBytes(sim.scope()))).toBe(block);
    const counts = cluster.runs.map(({ count }) => count);
    expect(counts.reduce((sum, count) => sum + count)).toBe(199);
    expect(Math.max(...counts)).toBe(limits.discardBlocksInflightMax);
    given.expectLawful();
  });

  test("leaves a block that is written again at once to what was written", () => {
    const given = world();
    const { sim, volume } = given;
    given.cluster.removalMs = 3_000;
    for (let at = 0; at < 10; at += 1) {
      given.write(at * block, filled(block, 1));
      sim.run(volume.discard({ offset: at * block, length: block }, sim.scope()));
      given.write(at * block + 10, filled(10, 2));
    }
    sim.pass(10_000);
    for (let at = 0; at < 10; at += 1) {
      expect(given.read(at * block, 21)).toEqual(
        Uint8Array.of(...filled(10, 0), ...filled(10, 2), 0),
      );
    }
  });

  test("whose object stays for long keeps its block closed until it is removed", () => {
    const given = world();
    const { sim, volume } = given;
    given.cluster.removalMs = 60_000;
    let waited = 0;
    for (let at = 0; at < 10; at += 1) {
      given.write(at * block, filled(block, 1));
      sim.run(volume.discard({ offset: at * block, length: block }, sim.scope()));
      const beganMs = sim.nowMs();
      given.write(at * block, filled(10, 2));
      if (sim.nowMs() - beganMs > limits.removalWaitMs) waited += 1;
      sim.pass(60_000);
      expect(given.read(at * block, 20)).toEqual(Uint8Array.of(...filled(10, 2), ...filled(10, 0)));
    }
    expect(waited).toBeGreaterThan(3);
  });

  test("whose object is not removed in the time of a write fails that write and keeps the block closed", () => {
    const given = world();
    const { sim, cluster, volume } = given;
    cluster.removalMs = 1e9;
    given.write(0, filled(block, 1));
    sim.run(volume.discard({ offset: 0, length: block }, sim.scope()));
    const write = (timeoutMs: number): Promise<number> =>
      volume.write(filled(10, 2), 0, sim.scope(timeoutMs));
    expect(codeOf(() => sim.run(write(20_000)))).toBe("timed_out");
    expect(codeOf(() => sim.run(write(40_000)))).toBe("timed_out");
    cluster.forgetRemovals();
    sim.run(write(60_000));
    expect(given.read(0, 20)).toEqual(Uint8Array.of(...filled(10, 2), ...filled(10, 0)));
  });

  test("that was carried out twice keeps its block closed until both removals are over", () => {
    const given = world();
    const { sim, cluster, volume } = given;
    cluster.writesOnce = false;
    given.write(0, filled(block, 1));
    given.write(block, filled(block, 1));
    cluster.removalMs = 1;
    sim.run(volume.discard({ offset: 0, length: block }, sim.scope()));
    sim.pass(10);
    expect(cluster.object(given.vid, 0)).toBeNull();
    // The second one, as a recovery had put the slot back.
    cluster.removalMs = 30_000;
    cluster.putBack(given.vid, 1, given.vid);
    sim.run(volume.discard({ offset: block, length: block }, sim.scope()));
    const beganMs = sim.nowMs();
    given.write(0, filled(10, 2));
    expect(sim.nowMs() - beganMs).toBeGreaterThan(1_000);
  });

  test("whose object never goes does not make its block unwritable", () => {
    const given = world();
    const { sim, volume } = given;
    given.cluster.removalMs = 1e9;
    given.write(0, filled(block, 1));
    sim.run(volume.discard({ offset: 0, length: block }, sim.scope()));
    given.cluster.forgetRemovals();
    const beganMs = sim.nowMs();
    given.write(0, filled(10, 2));
    expect(sim.nowMs() - beganMs).toBeLessThan(limits.removalWaitMs);
    expect(given.read(0, 20)).toEqual(Uint8Array.of(...filled(10, 2), ...filled(10, 0)));
  });

  test("is over for whoever attaches the volume next", () => {
    const given = world();
    const { sim, volume } = given;
    given.cluster.removalMs = 2_000;
    given.write(0, filled(block, 1));
    sim.run(volume.discard({ offset: 0, length: block }, sim.scope()));
    sim.run(volume.close(sim.scope()));
    const next = given.open(vdiNamed("test"));
    given.write(0, filled(10, 2), next);
    sim.pass(10_000);
    expect(given.read(0, 10, next)).toEqual(filled(10, 2));
  });
});
