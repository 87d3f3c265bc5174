import { describe, expect, test } from "bun:test";
import { newHolder } from "../../../src/app/self.ts";
import { SheepfsError } from "../../../src/base/errors.ts";
import { cloneVdi } from "../../../src/cluster/clone-vdi.ts";
import { growVdi } from "../../../src/cluster/grow-vdi.ts";
import { rollbackVdi } from "../../../src/cluster/rollback-vdi.ts";
import { snapshotVdi } from "../../../src/cluster/snapshot-vdi.ts";
import { slotOffset } from "../../../src/wire/inode.ts";
import { SimulatedClock } from "../../simulate/clock.ts";
import { MemorySheep, never, text } from "./memory-sheep.ts";

const MiB = 2 ** 20;
const name = text("test");
const tag = text("monday");

function given() {
  const sheep = new MemorySheep();
  const vid = sheep.add({ name }, { 0: "own", 5: "own" });
  const clock = new SimulatedClock();
  const ports = { caller: sheep, clock, isGone: () => false, self: newHolder() };
  return { sheep, vid, clock, ports };
}

async function failure(work: Promise<unknown>): Promise<SheepfsError> {
  const thrown = await work.catch((error: unknown) => error);
  if (!(thrown instanceof SheepfsError)) throw new Error("it worked");
  return thrown;
}

const doubt = () => new SheepfsError("unavailable", "the answer was lost", { inDoubt: true });
const made = (sheep: MemorySheep) => sheep.seen.filter(({ opcode }) => opcode === "newVdi").length;

describe("a snapshot", () => {
  test("has the tag and the vid that was written, and the VDI goes on as another", async () => {
    const { sheep, vid, ports } = given();
    const { snapshot, working } = await snapshotVdi(ports, { name, tag }, never);
    expect(snapshot).toMatchObject({ vid, tag, isSnapshot: true, snapId: 1 });
    expect(working).toMatchObject({ parentVid: vid, isSnapshot: false, snapId: 2 });
    expect(sheep.setSlots(working.vid)).toBe(2);
  });

  test("of a tag that is there, of digits, of a missing VDI or of a hypervolume is refused", async () => {
    const { sheep, ports } = given();
    await snapshotVdi(ports, { name, tag }, never);
    sheep.add({ name: text("hyper"), storePolicy: 1 });
    const before = made(sheep);
    const rows = [
      [{ name, tag }, "exists", /'monday' of VDI 'test' exists/],
      [{ name, tag: text("17") }, "invalid", /digits only/],
      [{ name, tag: text("") }, "invalid", /empty tag/],
      [{ name, tag: text("x".repeat(256)) }, "name_too_long", /256 bytes/],
      [{ name: text("none"), tag }, "not_found", /no VDI 'none'/],
      [{ name: text("hyper"), tag }, "not_supported", /hypervolume/],
    ] as const;
    for (const [wish, code, message] of rows) {
      const error = await failure(snapshotVdi(ports, wish, never));
      expect([error.code as string, error.message]).toEqual([code, expect.stringMatching(message)]);
    }
    expect(made(sheep)).toBe(before);
  });

  // [S-105]
  test("whose answer is lost is found, and not asked for a second time", async () => {
    const { sheep, vid, ports } = given();
    sheep.after = ({ opcode }) => {
      if (opcode === "newVdi") throw doubt();
    };
    const { snapshot, working } = await snapshotVdi(ports, { name, tag }, never);
    expect([snapshot.vid, working.parentVid, made(sheep)]).toEqual([vid, vid, 1]);
  });

  test("that may still be made is an error that says so, and not asked for again", async () => {
    const { sheep, clock, ports } = given();
    sheep.before = ({ opcode }) => {
      if (opcode === "newVdi") throw doubt();
    };
    const making = failure(snapshotVdi(ports, { name, tag }, never));
    const error = clock.settle(making);
    expect(error).toMatchObject({ code: "unavailable", inDoubt: true });
    expect(error.message).toContain("see vdi/list");
    expect(made(sheep)).toBe(1);
  });

  test("says that it may still be made also when nobody can be asked any more", async () => {
    const { sheep, clock, ports } = given();
    let lost = false;
    sheep.before = ({ opcode }) => {
      lost ||= opcode === "newVdi";
      if (lost) throw doubt();
    };
    const error = clock.settle(failure(snapshotVdi(ports, { name, tag }, never)));
    expect(error).toMatchObject({ code: "unavailable", inDoubt: true });
    expect(error.message).toContain("may still get a new working VDI");
  });

  test("that was made counts as made when it cannot be read at once", async () => {
    const { sheep, vid, ports } = given();
    let failed = false;
    sheep.before = ({ opcode }) => {
      if (opcode !== "readObject" || made(sheep) === 0 || failed) return;
      failed = true;
      throw new SheepfsError("unavailable", "no gateway");
    };
    const { snapshot } = await snapshotVdi(ports, { name, tag }, never);
    expect([snapshot.vid, snapshot.tag, failed]).toEqual([vid, tag, true]);
  });

  test("has its tag also when somebody who came too late has written another", async () => {
    const { sheep, vid, ports } = given();
    sheep.after = ({ opcode }) => {
      if (opcode === "newVdi") sheep.put(vid, 256, text("theirs"));
    };
    const { snapshot } = await snapshotVdi(ports, { name, tag }, never);
    expect(snapshot.tag).toEqual(tag);
  });

  test("leaves the tag of one that somebody made since it looked, and makes no new head", async () => {
    const { sheep, vid, ports } = given();
    let looks = 0;
    sheep.before = ({ opcode }) => {
      looks += opcode === "getVdiInfo" ? 1 : 0;
      if (looks !== 2) return;
      looks += 1;
      sheep.put(vid, 256, text("theirs"));
      sheep.snapshotNow(vid);
    };
    expect((await failure(snapshotVdi(ports, { name, tag }, never))).code).toBe("busy");
    expect([sheep.headerOf(vid).tag, made(sheep)]).toEqual([text("theirs"), 0]);
  });

  test("that rolled the VDI back in a race, and cannot undo it, is no success", async () => {
    const { sheep, vid, ports } = given();
    let theirs = 0;
    sheep.before = ({ opcode }) => {
      if (opcode !== "newVdi") return;
      if (theirs !== 0) throw doubt();
      theirs = sheep.snapshotNow(vid);
    };
    const error = await failure(snapshotVdi(ports, { name, tag }, never));
    expect(error.inDoubt).toBe(true);
    expect(error.message).toContain("sheepfs vdi rollback test@2");
  });

  test("that fails leaves no tag behind", async () => {
    const { sheep, vid, ports } = given();
    sheep.before = ({ opcode }) => {
      if (opcode === "newVdi") throw new SheepfsError("no_space", "the cluster is full");
    };
    expect((await failure(snapshotVdi(ports, { name, tag }, never))).code).toBe("no_space");
    expect(sheep.headerOf(vid).tag).toEqual(new Uint8Array(0));
  });

  test("in the same moment as somebody else's does not roll the VDI back to before theirs", async () => {
    const { sheep, vid, ports } = given();
    let written = 0;
    sheep.before = ({ opcode }) => {
      if (opcode !== "newVdi" || written !== 0) return;
      // Theirs is made, and written to, between our look and our request.
      written = sheep.snapshotNow(vid);
      sheep.put(written, slotOffset(9), new Uint8Array(Uint32Array.of(written).buffer));
    };
    const error = await failure(snapshotVdi(ports, { name, tag }, never));
    expect(error.code).toBe("busy");
    const working = sheep.workingOf(name);
    expect(sheep.setSlots(working?.vid ?? 0)).toBe(3);
    expect(working?.parentVid).toBe(written);
  });
});

describe("a clone", () => {
  test("begins with what the snapshot has", async () => {
    const { sheep, vid, ports } = given();
    await snapshotVdi(ports, { name, tag }, never);
    const clone = await cloneVdi(sheep, { name, snapshot: { tag } }, text("copy"), never);
    expect(clone).toMatchObject({ parentVid: vid, snapId: 1, isSnapshot: false });
    expect(sheep.setSlots(clone.vid)).toBe(2);
  });

  test("of a working VDI, of a missing snapshot or over a VDI is refused", async () => {
    const { sheep, ports } = given();
    await snapshotVdi(ports, { name, tag }, never);
    const before = made(sheep);
    const rows = [
      [{ name, snapshot: null }, "copy", "invalid", /no snapshot/],
      [{ name, snapshot: { id: 7 } }, "copy", "not_found", /id 7/],
      [{ name, snapshot: { tag } }, "test", "exists", /'test' exists/],
    ] as const;
    for (const [source, to, code, message] of rows) {
      const error = await failure(cloneVdi(sheep, source, text(to), never));
      expect([error.code as string, error.message]).toEqual([code, expect.stringMatching(message)]);
    }
    expect(made(sheep)).toBe(before);
  });

  test("whose answer is lost is found", async () => {
    const { sheep, ports } = given();
    await snapshotVdi(ports, { name, tag }, never);
    let lost = 0;
    sheep.after = ({ opcode }) => {
      if (opcode !== "newVdi" || lost > 0) return;
      lost += 1;
      throw doubt();
    };
    const clone = await cloneVdi(sheep, { name, snapshot: { tag } }, text("copy"), never);
    expect(sheep.workingOf(text("copy"))?.vid).toBe(clone.vid);
  });

  test("whose answer is lost is found also where older snapshots have the name", async () => {
    const { sheep, ports } = given();
    await snapshotVdi(ports, { name, tag }, never);
    const snapTime = { seconds: 1, nanoseconds: 0 };
    sheep.add({ name: text("copy"), tag, snapTime, isSnapshot: true });
    sheep.after = ({ opcode }) => {
      if (opcode === "newVdi") throw doubt();
    };
    const clone = await cloneVdi(sheep, { name, snapshot: { tag } }, text("copy"), never);
    expect(sheep.workingOf(text("copy"))?.vid).toBe(clone.vid);
  });
});

describe("going back to a snapshot", () => {
  async function changed() {
    const all = given();
    const { working } = await snapshotVdi(all.ports, { name, tag }, never);
    const slot = new Uint8Array(Uint32Array.of(working.vid).buffer);
    all.sheep.put(working.vid, slotOffset(9), slot);
    return { ...all, was: working.vid };
  }
  const keep = text("before");

  // [S-106]
  test("keeps what the VDI was as a snapshot", async () => {
    const { sheep, vid, ports, was } = await changed();
    const to = { name, snapshot: { tag } };
    const { working, former } = await rollbackVdi(ports, to, keep, never);
    expect(working).toMatchObject({ parentVid: vid, isSnapshot: false });
    expect(former).toMatchObject({ vid: was, tag: keep, isSnapshot: true });
    expect([working.vid, was].map((one) => sheep.setSlots(one))).toEqual([2, 3]);
  });

  test("is not taken for done when its answer is lost and the VDI is still what it was", async () => {
    const { sheep, clock, ports, was } = await changed();
    sheep.before = ({ opcode }) => {
      if (opcode === "newVdi") throw doubt();
    };
    const rolling = failure(rollbackVdi(ports, { name, snapshot: { tag } }, keep, never));
    const error = clock.settle(rolling);
    expect(error).toMatchObject({ code: "unavailable", inDoubt: true });
    expect(sheep.workingOf(name)?.vid).toBe(was);
  });

  test("is found when its answer is lost", async () => {
    const { sheep, vid, ports, was } = await changed();
    sheep.after = ({ opcode }) => {
      if (opcode === "newVdi") throw doubt();
    };
    const to = { name, snapshot: { tag } };
    const { working, former } = await rollbackVdi(ports, to, keep, never);
    expect([working.parentVid, former?.vid]).toEqual([vid, was]);
  });

  test("is refused while the name is a hypervolume, which could not be written as a snapshot", async () => {
    const { sheep, ports } = given();
    await snapshotVdi(ports, { name, tag }, never);
    sheep.inodes.delete(sheep.workingOf(name)?.vid ?? 0);
    const hyper = sheep.add({ name, storePolicy: 1, snapId: 2 });
    const error = await failure(rollbackVdi(ports, { name, snapshot: { tag } }, keep, never));
    expect([error.code, sheep.workingOf(name)?.vid]).toEqual(["not_supported", hyper]);
  });

  test("is refused where what the VDI is now is kept in another way than the snapshot", async () => {
    const { sheep, ports } = given();
    await snapshotVdi(ports, { name, tag }, never);
    sheep.inodes.delete(sheep.workingOf(name)?.vid ?? 0);
    sheep.add({ name, copyPolicy: 0x11, copies: 3, snapId: 2 });
    const before = made(sheep);
    const error = await failure(rollbackVdi(ports, { name, snapshot: { tag } }, keep, never));
    expect([error.code, made(sheep)]).toEqual(["not_supported", before]);
    expect(error.message).toContain("with erasure code 2:1, this one would be with plain copies");
  });

  test("is refused with a tag that reads as an id", async () => {
    const { sheep, ports, was } = await changed();
    const to = { name, snapshot: { tag } };
    expect((await failure(rollbackVdi(ports, to, text("17"), never))).code).toBe("invalid");
    expect(sheep.workingOf(name)?.vid).toBe(was);
  });

  test("makes a VDI anew whose working one was deleted", async () => {
    const { sheep, ports, was } = await changed();
    sheep.put(was, 0, new Uint8Array(256));
    const to = { name, snapshot: { tag } };
    const { working, former } = await rollbackVdi(ports, to, keep, never);
    expect([former, sheep.setSlots(working.vid)]).toEqual([null, 2]);
  });

  test("is refused while the VDI is locked, and changes nothing", async () => {
    const { sheep, ports, was } = await changed();
    sheep.locked.set(was, { host: "127.0.0.1", port: 7001 });
    const error = await failure(rollbackVdi(ports, { name, snapshot: { tag } }, keep, never));
    expect(error.code).toBe("busy");
    expect(error.message).toContain("127.0.0.1:7001");
    expect(sheep.workingOf(name)).toMatchObject({ vid: was, tag: new Uint8Array(0) });
  });
});

describe("another size", () => {
  test("is written when it is larger", async () => {
    const { sheep, vid } = given();
    await growVdi(sheep, name, 100 * MiB, never);
    expect(sheep.headerOf(vid).vdiSize).toBe(100 * MiB);
    const writes = sheep.seen.filter(({ opcode }) => opcode === "writeObject");
    expect(writes.map(({ offset, length }) => [offset, length])).toEqual([[536, 8]]);
  });

  test("that is smaller, or too large for the objects, is refused", async () => {
    const { sheep, vid } = given();
    expect((await failure(growVdi(sheep, name, MiB, never))).code).toBe("invalid");
    expect((await failure(growVdi(sheep, name, 2 ** 42 + 1, never))).code).toBe("too_large");
    expect(sheep.headerOf(vid).vdiSize).toBe(64 * MiB);
  });

  test("is the new working VDI's when a snapshot is made meanwhile, and the snapshot keeps its own", async () => {
    const { sheep, vid } = given();
    let made = false;
    sheep.before = ({ opcode }) => {
      if (opcode !== "writeObject" || made) return;
      made = true;
      sheep.snapshotNow(vid);
    };
    const header = await growVdi(sheep, name, 100 * MiB, never);
    expect(header.vid).not.toBe(vid);
    expect([vid, header.vid].map((one) => sheep.headerOf(one).vdiSize / MiB)).toEqual([64, 100]);
  });
});
