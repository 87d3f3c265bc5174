import { describe, expect, test } from "bun:test";
import { slotOffset } from "../../../src/wire/inode.ts";
import { codeOf, vdiNamed, World } from "./world.ts";

const block = 4096;

function world(seed = 1): World {
  return new World({ seed, objectShift: 12, sizeBytes: 64 * block });
}

function filled(length: number, byte: number): Uint8Array {
  return new Uint8Array(length).fill(byte);
}

/** The VDI is deleted, and another one gets its name and its vid. */
function replaceVdi(given: World): void {
  const inode = given.cluster.inode(given.vid);
  inode.header = { ...inode.header, createTime: { seconds: 99, nanoseconds: 9 } };
  for (let index = 0; index < inode.slotCount; index += 1) {
    inode.write(slotOffset(index), new Uint8Array(4));
    given.cluster.removeObject(given.vid, index);
  }
}

// [S-70]
describe("a VDI that was deleted elsewhere and made anew with its name and vid", () => {
  test("is not read or written in place of the old one", () => {
    const given = world();
    const { sim, cluster, volume } = given;
    given.write(0, filled(2 * block, 1));
    replaceVdi(given);
    expect(codeOf(() => sim.run(volume.refresh(sim.scope())))).toBe("stale");
    const writes = (): number => cluster.counts.write + cluster.counts.create + cluster.counts.cow;
    const before = [writes(), cluster.counts.inodeWrites];
    expect(codeOf(() => given.write(0, filled(block, 2)))).toBe("stale");
    expect(codeOf(() => given.write(9 * block, filled(block, 2)))).toBe("stale");
    expect(codeOf(() => given.read(0, 1))).toBe("stale");
    expect(codeOf(() => given.read(9 * block, 1))).toBe("stale");
    const whole = { offset: 0, length: block };
    expect(codeOf(() => sim.run(volume.discard(whole, sim.scope())))).toBe("stale");
    expect(codeOf(() => sim.run(volume.flush(sim.scope())))).toBe("stale");
    sim.run(volume.close(sim.scope()));
    expect([writes(), cluster.counts.inodeWrites]).toEqual(before);
  });

  test("is noticed by a write or a read that misses the old object", () => {
    for (const what of ["write", "read"] as const) {
      const given = world();
      given.write(0, filled(block, 1));
      replaceVdi(given);
      const act = (): unknown =>
        what === "write" ? given.write(0, filled(9, 2)) : given.read(0, 1);
      expect(codeOf(act)).toBe("stale");
      expect(given.volume.failure?.message).toContain("deleted elsewhere");
    }
  });

  test("gets none of the writes that wait for their turn", () => {
    const given = world();
    const { sim, cluster, volume } = given;
    cluster.latencyMs = 50;
    const writing = Array.from({ length: 40 }, (_, at) =>
      volume.write(filled(100, at + 1), (at % 2) * 50, sim.scope()).then(
        () => "done",
        (error: { code?: string }) => error.code,
      ),
    );
    replaceVdi(given);
    expect(codeOf(() => sim.run(volume.refresh(sim.scope())))).toBe("stale");
    const sent = cluster.counts.create + cluster.counts.write;
    const ends = sim.run(Promise.all(writing));
    expect(ends.filter((end) => end === "stale").length).toBeGreaterThan(30);
    expect(cluster.counts.create + cluster.counts.write).toBe(sent);
    expect(cluster.inode(given.vid).slot(0)).toBe(0);
  });
});

// [S-16]
describe("a VDI that is resized elsewhere", () => {
  test("grows and shrinks for who has it open, with writes under way", () => {
    const given = world();
    const { sim, cluster, volume } = given;
    const inode = cluster.inode(given.vid);
    given.write(63 * block, filled(block, 7));
    const resize = (vdiSize: number): void => {
      inode.header = { ...inode.header, vdiSize };
      sim.run(volume.refresh(sim.scope()));
    };
    const writing = volume.write(filled(8 * block, 3), 40 * block, sim.scope());
    resize(44 * block);
    sim.run(writing);
    expect(sim.run(volume.read(new Uint8Array(block), 43.5 * block, sim.scope()))).toBe(block / 2);
    expect(sim.run(volume.read(new Uint8Array(block), 44 * block, sim.scope()))).toBe(0);
    expect(codeOf(() => given.write(44 * block, filled(1, 1)))).toBe("no_space");
    resize(80 * block);
    given.write(79 * block, filled(block, 9));
    expect([...given.read(79 * block, 1)]).toEqual([9]);
    given.expectLawful();
  });
});

/** As a sheep deletes a snapshot: its slots first, of which its other VDIs keep the objects. */
function deleteVdi(given: World, vid: number, how: "begun" | "whole" = "whole"): void {
  const inode = given.cluster.inode(vid);
  for (let index = 0; index < inode.slotCount; index += 1) {
    inode.write(slotOffset(index), new Uint8Array(4));
  }
  if (how === "whole") inode.header = { ...inode.header, name: new Uint8Array(0) };
}

// [S-15]
describe("a snapshot that was made elsewhere and deleted before it was noticed [S-15]", () => {
  /** A volume that has read nothing of its index, and its VDI's next vid. */
  function unread(how: "begun" | "whole") {
    const given = world();
    given.write(3 * block, filled(block, 1));
    const late = given.open(vdiNamed("test"));
    const next = given.sim.run(given.cluster.snapshot(given.vid));
    deleteVdi(given, given.vid, how);
    return { given, late, next };
  }

  for (const how of ["begun", "whole"] as const) {
    test(`is no hole for who reads for the first time (deletion ${how})`, () => {
      const { given, late, next } = unread(how);
      expect(given.read(3 * block, 4, late)).toEqual(filled(4, 1));
      expect(late.header.vid).toBe(next);
      given.expectLawful();
    });

    test(`makes data no hole for who looks for it, or counts it (deletion ${how})`, () => {
      const looks = unread(how);
      const { sim } = looks.given;
      expect(sim.run(looks.late.seek(0, "data", sim.scope()))).toBe(3 * block);
      const counts = unread(how);
      expect(counts.given.sim.run(counts.late.allocatedBytes(counts.given.sim.scope()))).toBe(
        block,
      );
    });

    test(`takes no part of a block from who writes the rest (deletion ${how})`, () => {
      const { given, late, next } = unread(how);
      given.write(3 * block + 8, filled(8, 2), late);
      expect(given.read(3 * block + 6, 4, late)).toEqual(Uint8Array.of(1, 1, 2, 2));
      expect(late.header.vid).toBe(next);
      const anew = given.open(vdiNamed("test"));
      expect(given.read(3 * block + 6, 4, anew)).toEqual(Uint8Array.of(1, 1, 2, 2));
      given.expectLawful();
    });
  }

  test("does not end an idle volume", () => {
    const given = world();
    given.write(0, filled(block, 1));
    const next = given.sim.run(given.cluster.snapshot(given.vid));
    deleteVdi(given, given.vid);
    given.sim.run(given.volume.refresh(given.sim.scope()));
    expect(given.volume.header.vid).toBe(next);
    given.write(10, filled(1, 2));
    expect(given.read(9, 2)).toEqual(Uint8Array.of(1, 2));
    given.expectLawful();
  });

  test("ends it when its working VDI is gone as well", () => {
    const given = world();
    given.write(0, filled(block, 1));
    const next = given.sim.run(given.cluster.snapshot(given.vid));
    for (const vid of [given.vid, next]) deleteVdi(given, vid);
    const { sim, volume } = given;
    expect(codeOf(() => sim.run(volume.refresh(sim.scope())))).toBe("stale");
    expect(volume.failure?.message).toContain("deleted elsewhere");
  });

  test("when only its working VDI is gone, what the snapshot has is read on", () => {
    const given = world();
    given.write(0, filled(block, 1));
    const late = given.open(vdiNamed("test"));
    const next = given.sim.run(given.cluster.snapshot(given.vid));
    deleteVdi(given, next);
    expect(given.read(0, 2, late)).toEqual(filled(2, 1));
    expect(codeOf(() => given.write(0, filled(2, 2), late))).toBe("read_only");
  });

  test("that took acknowledged data with it is an error, and no hole", () => {
    const given = world();
    given.write(0, filled(block, 1));
    const next = given.sim.run(given.cluster.snapshot(given.vid));
    // The sheep has copied the index before the write, and nobody else has the object.
    given.cluster.inode(next).write(slotOffset(0), new Uint8Array(4));
    deleteVdi(given, given.vid);
    given.cluster.removeObject(given.vid, 0);
    expect(codeOf(() => given.read(0, 1))).toBe("corrupt");
    expect(codeOf(() => given.read(0, 1))).toBe("corrupt");
    expect(codeOf(() => given.write(0, filled(1, 2)))).toBe("corrupt");
  });
});
