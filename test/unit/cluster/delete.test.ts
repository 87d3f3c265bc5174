import { describe, expect, test } from "bun:test";
import { SheepfsError } from "../../../src/base/errors.ts";
import { limits } from "../../../src/base/limits.ts";
import type { Progress } from "../../../src/base/progress.ts";
import { type Scope, throwIfEnded } from "../../../src/base/scope.ts";
import { deleteVdi } from "../../../src/cluster/delete-vdi.ts";
import { readMark, writeMark } from "../../../src/cluster/vdi-mark.ts";
import { BtreeHeader, btreeMagic } from "../../../src/wire/btree.ts";
import type { SheepRequest } from "../../../src/wire/header.ts";
import { slotBytes, slotOffset, slotsAt } from "../../../src/wire/inode.ts";
import { resultError, results } from "../../../src/wire/result.ts";
import { ManualClock } from "../tree/manual-clock.ts";
import { MemorySheep, never, text } from "./memory-sheep.ts";

function portsOf(caller: MemorySheep, clock = new ManualClock()) {
  return { caller, clock, isGone: () => false };
}

/** One that needs some seconds for each request. */
class SlowSheep extends MemorySheep {
  readonly clock = new ManualClock();

  override async call(request: SheepRequest, scope: Scope, expected: readonly number[] = []) {
    this.clock.advance(20_000);
    throwIfEnded(scope, this.clock, "a slow sheep");
    return await super.call(request, scope, expected);
  }
}

const named = (name: string) => ({ name: text(name), snapshot: null });
const snapTime = { seconds: 1_795_465_500, nanoseconds: 0 };
const doubt = () => new SheepfsError("unavailable", "the answer was lost", { inDoubt: true });

function isThere(sheep: MemorySheep, vid: number): boolean {
  return sheep.headerOf(vid).name.length > 0;
}

function writes(sheep: MemorySheep) {
  return sheep.seen.filter(({ opcode }) => opcode === "writeObject");
}

/** As a sheep that has no nodes for the data strips: attributes are erasure-coded, too. */
function withoutStrips(): MemorySheep {
  const sheep = new MemorySheep();
  sheep.before = ({ opcode }) => {
    if (opcode === "getVdiAttr") throw resultError(results.systemError.code);
  };
  return sheep;
}

// [S-165]
describe("deleting one that wants more strips than there are nodes", () => {
  const coded = { name: text("test"), copyPolicy: 0x22, copies: 6 };

  test("takes it away when it never was written", async () => {
    const sheep = withoutStrips();
    const vid = sheep.add(coded);
    await deleteVdi(portsOf(sheep), named("test"), never);
    expect(isThere(sheep, vid)).toBe(false);
  });

  test("leaves one that has data, or plain copies, as it may be attached", async () => {
    const rows = [
      [coded, { 0: "own" }],
      [{ name: text("test"), copies: 6 }, {}],
    ] as const;
    for (const [fields, slots] of rows) {
      const sheep = withoutStrips();
      const vid = sheep.add(fields, slots);
      await expect(deleteVdi(portsOf(sheep), named("test"), never)).rejects.toThrow("system error");
      expect(isThere(sheep, vid)).toBe(true);
    }
  });
});

describe("deleting a VDI", () => {
  test("clears every slot, then deletes it", async () => {
    const sheep = new MemorySheep();
    const base = sheep.add({ name: text("base") }, { 0: "own" });
    const vid = sheep.add({ name: text("test") }, { 0: base, 3: "own", 15: "own" });
    await deleteVdi(portsOf(sheep), named("test"), never);
    expect(isThere(sheep, vid)).toBe(false);
    expect(isThere(sheep, base)).toBe(true);
    expect(sheep.setSlots(base)).toBe(1);
    expect(writes(sheep)).toEqual([
      { opcode: "writeObject", vid, offset: slotOffset(0), length: 16 * slotBytes },
    ]);
  });

  test("that an import has left removes the mark of it", async () => {
    const sheep = new MemorySheep();
    sheep.add({ name: text("test") }, {});
    await writeMark(sheep, { name: text("test"), kind: "import" }, null, never);
    await deleteVdi(portsOf(sheep), named("test"), never);
    expect(sheep.seen.map(({ opcode }) => opcode)).toContain("removeObject");
    sheep.add({ name: text("test") }, {});
    expect(await readMark(sheep, { name: text("test"), kind: "import" }, never)).toBe(null);
  });

  test("that is large and full clears it in bounded runs, which begin and end at set slots", async () => {
    const sheep = new MemorySheep();
    const vid = sheep.add({ vdiSize: 2 ** 42 });
    const slots = new Uint32Array(2 ** 20);
    for (let index = 0; index < slots.length; index += 5) slots[index] = vid;
    slots.fill(0, 100_000, 900_000);
    sheep.put(vid, slotsAt, new Uint8Array(slots.buffer));
    await deleteVdi(portsOf(sheep), named("test"), never);
    expect(isThere(sheep, vid)).toBe(false);
    for (const { offset, length } of writes(sheep)) {
      const first = (offset - slotsAt) / slotBytes;
      const last = first + length / slotBytes - 1;
      expect([first % 5, last % 5]).toEqual([0, 0]);
      expect(length / slotBytes).toBeLessThanOrEqual(limits.indexRunSlotsMax);
      expect(last < 100_000 || first >= 900_000).toBe(true);
    }
  });

  test("takes as long as it does once it has begun, and tells how far it is", async () => {
    const sheep = new SlowSheep();
    const vid = sheep.add({ vdiSize: 2 ** 40 });
    sheep.put(vid, slotsAt, new Uint8Array(new Uint32Array(2 ** 18).fill(vid).buffer));
    const told: number[] = [];
    const ports = portsOf(sheep, sheep.clock);
    const tell = ({ doneBytes, totalBytes }: Progress) => told.push(doneBytes / totalBytes);
    await deleteVdi(ports, named("test"), sheep.clock.scope(200_000), tell);
    expect(isThere(sheep, vid)).toBe(false);
    expect(told).toEqual([0.25, 0.5, 0.75, 1]);
    expect(sheep.clock.nowMs()).toBeGreaterThan(400_000);
  });

  test("without a block needs no write", async () => {
    const sheep = new MemorySheep();
    const vid = sheep.add({});
    await deleteVdi(portsOf(sheep), named("test"), never);
    expect(isThere(sheep, vid)).toBe(false);
    expect(writes(sheep)).toEqual([]);
  });

  test("leaves its snapshots; a snapshot is deleted by tag or id, and leaves the others", async () => {
    const sheep = new MemorySheep();
    const name = text("test");
    const one = sheep.add({ name, tag: text("one"), snapTime, snapId: 1 }, { 0: "own" });
    const two = sheep.add({ name, tag: text("two"), snapTime, snapId: 2 }, { 0: one });
    const working = sheep.add({ name, snapId: 3 }, { 0: one });
    await deleteVdi(portsOf(sheep), { name, snapshot: { tag: text("one") } }, never);
    expect([one, two, working].map((vid) => isThere(sheep, vid))).toEqual([false, true, true]);
    await deleteVdi(portsOf(sheep), named("test"), never);
    expect([two, working].map((vid) => isThere(sheep, vid))).toEqual([true, false]);
    await deleteVdi(portsOf(sheep), { name, snapshot: { id: 2 } }, never);
    expect(isThere(sheep, two)).toBe(false);
  });

  test("that is a hypervolume without a block never shows the sheep an index of no depth", async () => {
    const sheep = new MemorySheep();
    const vid = sheep.add({ storePolicy: 1, vdiSize: 2 ** 45 });
    let depth = 0;
    sheep.before = ({ opcode }) => {
      if (opcode !== "deleteVdi") return;
      const inode = sheep.inodes.get(vid) ?? new Uint8Array(0);
      const view = new DataView(inode.buffer, inode.byteOffset + slotsAt, BtreeHeader.size);
      depth = BtreeHeader.read(view, 0).depth;
    };
    await deleteVdi(portsOf(sheep), named("test"), never);
    expect(isThere(sheep, vid)).toBe(false);
    expect(depth).toBe(1);
  });

  test("that is a hypervolume leaves its index to the sheep", async () => {
    const sheep = new MemorySheep();
    const vid = sheep.add({ storePolicy: 1 });
    sheep.put(vid, slotsAt, BtreeHeader.encode({ magic: btreeMagic, depth: 1 }));
    await deleteVdi(portsOf(sheep), named("test"), never);
    expect(isThere(sheep, vid)).toBe(false);
    expect(writes(sheep)).toEqual([]);
  });

  test("that does not exist is not found", async () => {
    await expect(deleteVdi(portsOf(new MemorySheep()), named("test"), never)).rejects.toMatchObject(
      {
        code: "not_found",
      },
    );
  });

  test("that somebody has locked is refused naming the holder, and nothing is touched", async () => {
    const sheep = new MemorySheep();
    const vid = sheep.add({}, { 0: "own" });
    sheep.locked.set(vid, { host: "10.0.0.7", port: 7000 });
    const deleting = deleteVdi(portsOf(sheep), named("test"), never);
    await expect(deleting).rejects.toMatchObject({ code: "busy" });
    await expect(deleting).rejects.toThrow("10.0.0.7:7000");
    expect(sheep.setSlots(vid)).toBe(1);
  });
});

describe("when something gets in between", () => {
  test("a lost answer is looked into, and deleting twice does no harm", async () => {
    for (const hook of ["before", "after"] as const) {
      const sheep = new MemorySheep();
      const vid = sheep.add({}, { 0: "own" });
      let lost = 0;
      sheep[hook] = ({ opcode }) => {
        if (opcode === "deleteVdi" && lost++ < 1) throw doubt();
      };
      await deleteVdi(portsOf(sheep), named("test"), never);
      expect(isThere(sheep, vid)).toBe(false);
    }
  });

  test("a block written between clearing and deleting is cleared as well", async () => {
    const sheep = new MemorySheep();
    const vid = sheep.add({}, { 0: "own" });
    let written = 0;
    sheep.before = ({ opcode }) => {
      if (opcode === "deleteVdi" && written++ < 1) {
        sheep.put(vid, slotOffset(5), new Uint8Array([1, 0, 0, 0]));
      }
    };
    await deleteVdi(portsOf(sheep), named("test"), never);
    expect(isThere(sheep, vid)).toBe(false);
  });

  test("a VDI that is snapshotted meanwhile is not deleted, nor the one that goes on", async () => {
    const sheep = new MemorySheep();
    const vid = sheep.add({}, { 0: "own" });
    let next = 0;
    sheep.after = ({ opcode }) => {
      if (opcode !== "writeObject" || next !== 0) return;
      sheep.put(vid, 520, new Uint8Array([0, 0, 0, 0, 1, 0, 0, 0]));
      next = sheep.add({ snapId: 2, parentVid: vid }, { 0: vid });
    };
    await expect(deleteVdi(portsOf(sheep), named("test"), never)).rejects.toMatchObject({
      code: "busy",
    });
    expect([isThere(sheep, vid), isThere(sheep, next), sheep.setSlots(next)]).toEqual([
      true,
      true,
      1,
    ]);
  });

  test("a VDI that is written to all the time is told as busy", async () => {
    const sheep = new MemorySheep();
    const vid = sheep.add({}, { 0: "own" });
    sheep.before = ({ opcode }) => {
      if (opcode === "deleteVdi") sheep.put(vid, slotOffset(5), new Uint8Array([1, 0, 0, 0]));
    };
    await expect(deleteVdi(portsOf(sheep), named("test"), never)).rejects.toMatchObject({
      code: "busy",
    });
  });
});
