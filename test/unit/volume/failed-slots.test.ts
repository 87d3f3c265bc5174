import { describe, expect, test } from "bun:test";
import { codeOf, vdiNamed, World } from "./world.ts";

const block = 4096;

function world(): World {
  return new World({ seed: 1, objectShift: 12, sizeBytes: 16 * block });
}

function filled(length: number, byte: number): Uint8Array {
  return new Uint8Array(length).fill(byte);
}

function firstByte(given: World, volume = given.volume): number {
  return given.read(0, 1, volume)[0] ?? -1;
}

/** As whoever attaches it next reads it. */
function othersRead(given: World): number {
  return firstByte(given, given.open(vdiNamed("test")));
}

/** The slot is written although that fails, by a write or a discard of block 0. */
function failSlot(given: World, what: "write" | "discard", bytes = filled(9, 5)): void {
  const { sim, cluster, volume } = given;
  cluster.forced.push(...(what === "write" ? (["done", "lost"] as const) : (["lost"] as const)));
  const act = (): unknown =>
    what === "write"
      ? given.write(0, bytes)
      : sim.run(volume.discard({ offset: 0, length: block }, sim.scope()));
  expect(codeOf(act)).toBe("unavailable");
}

/** A snapshot that has looked at the index, and rewrites it when `go` is called. */
function snapshotUnderWay(given: World): () => void {
  const { sim, cluster, volume } = given;
  cluster.snapshotStepMs = 4_000;
  const taken = cluster.snapshot(volume.header.vid);
  return () => {
    sim.run(taken);
    sim.run(volume.refresh(sim.scope()));
  };
}

describe("when a write of a slot fails and was carried out", () => {
  // [S-1]
  test("what is written then is there for others, although a recovery puts the slot back", () => {
    const given = world();
    const { cluster, vid } = given;
    failSlot(given, "write");
    expect(firstByte(given)).toBe(5);
    cluster.putBack(vid, 0, 0);
    given.write(0, filled(9, 6));
    expect([firstByte(given), othersRead(given)]).toEqual([6, 6]);
    given.expectLawful();
  });

  test("a flush makes others read what is read here", () => {
    const given = world();
    const { sim, cluster, vid, volume } = given;
    failSlot(given, "write");
    expect(firstByte(given)).toBe(5);
    cluster.putBack(vid, 0, 0);
    sim.run(volume.flush(sim.scope()));
    expect([firstByte(given), othersRead(given)]).toEqual([5, 5]);
    given.expectLawful();
  });

  test("a flush of a discarded block leaves no slot that names what is gone", () => {
    const given = world();
    const { sim, cluster, vid, volume } = given;
    given.write(0, filled(block, 1));
    failSlot(given, "discard");
    sim.pass(1_000);
    expect(firstByte(given)).toBe(0);
    cluster.putBack(vid, 0, vid);
    sim.run(volume.flush(sim.scope()));
    expect([firstByte(given), othersRead(given)]).toEqual([0, 0]);
    given.write(0, filled(9, 2));
    sim.pass(60_000);
    expect([firstByte(given), othersRead(given)]).toEqual([2, 2]);
  });

  test("a flush of a discarded block does so too when a recovery has put the slot back", () => {
    for (const removalMs of [10, 5_000]) {
      const given = world();
      const { sim, cluster, vid, volume } = given;
      given.write(0, filled(block, 4));
      cluster.removalMs = removalMs;
      failSlot(given, "discard");
      cluster.putBack(vid, 0, vid);
      sim.pass(100);
      sim.run(volume.flush(sim.scope()));
      sim.run(volume.close(sim.scope()));
      expect(othersRead(given)).toBe(0);
      given.expectLawful();
    }
  });

  test("a slot that is only written anew keeps what it had, however that ends", () => {
    const given = world();
    const { cluster, vid } = given;
    failSlot(given, "write");
    expect(firstByte(given)).toBe(5);
    failSlot(given, "write", filled(9, 6));
    cluster.putBack(vid, 0, 0);
    expect(firstByte(given)).toBe(6);
    given.write(100, filled(9, 7));
    expect([firstByte(given), othersRead(given)]).toEqual([6, 6]);
  });

  test("a block that is discarded then is a hole for others too", () => {
    const given = world();
    const { sim, cluster, vid, volume } = given;
    failSlot(given, "write");
    cluster.putBack(vid, 0, 0);
    expect(firstByte(given)).toBe(0);
    // The other copy.
    cluster.putBack(vid, 0, vid);
    sim.run(volume.discard({ offset: 0, length: block }, sim.scope()));
    expect([firstByte(given), othersRead(given)]).toEqual([0, 0]);
    given.write(0, filled(9, 2));
    sim.pass(60_000);
    expect([firstByte(given), othersRead(given)]).toEqual([2, 2]);
  });

  test("an inherited block that could neither be written nor discarded is what it was", () => {
    const given = world();
    const { sim, cluster, volume } = given;
    given.write(0, filled(block, 1));
    sim.run(cluster.snapshot(given.vid));
    sim.run(volume.refresh(sim.scope()));
    for (const outcomes of [["done", "refused"], ["refused"]] as const) {
      cluster.forced.push(...outcomes);
      const act = (): unknown =>
        outcomes.length === 2
          ? given.write(0, filled(9, 5))
          : sim.run(volume.discard({ offset: 0, length: block }, sim.scope()));
      expect(codeOf(act)).toBe("unavailable");
    }
    expect([firstByte(given), othersRead(given)]).toEqual([1, 1]);
    given.write(9, filled(9, 2));
    expect([firstByte(given), othersRead(given)]).toEqual([1, 1]);
  });
});

describe("when a discard fails and was carried out while somebody makes a snapshot", () => {
  test("the new working VDI names nothing that is removed", () => {
    for (const removalMs of [1, 20_000]) {
      const given = world();
      const { sim, cluster } = given;
      given.write(0, filled(block, 1));
      const made = snapshotUnderWay(given);
      cluster.removalMs = removalMs;
      failSlot(given, "discard");
      sim.pass(10);
      made();
      const here = firstByte(given);
      expect([0, 1]).toContain(here);
      sim.pass(60_000);
      expect([firstByte(given), othersRead(given)]).toEqual([here, here]);
      given.write(0, filled(9, 2));
      expect([firstByte(given), othersRead(given)]).toEqual([2, 2]);
    }
  });

  // [S-15]
  test("nothing older comes back than what was acknowledged before", () => {
    const given = world();
    const { sim, cluster, volume } = given;
    given.write(0, filled(block, 1));
    sim.run(cluster.snapshot(given.vid));
    sim.run(volume.refresh(sim.scope()));
    // What it has looked at is the inherited slot.
    const made = snapshotUnderWay(given);
    given.write(0, filled(block, 2));
    failSlot(given, "discard");
    made();
    const here = firstByte(given);
    expect([0, 2]).toContain(here);
    expect(othersRead(given)).toBe(here);
  });

  test("a move that could not write a slot of the new VDI writes it when it is tried again", () => {
    const given = world();
    const { sim, cluster, volume } = given;
    const made = snapshotUnderWay(given);
    given.write(0, filled(block, 2));
    // The copy is made, and its slot is written although that fails.
    cluster.forced.push("done", "lost");
    expect(codeOf(made)).toBe("unavailable");
    const { length } = cluster.runs;
    sim.run(volume.refresh(sim.scope()));
    expect(cluster.runs.slice(length)).toEqual([{ index: 0, count: 1 }]);
    expect([firstByte(given), othersRead(given)]).toEqual([2, 2]);
    given.write(100, filled(9, 3));
    expect(cluster.runs.length).toBe(length + 1);
  });
});
