import { describe, expect, test } from "bun:test";
import { SheepfsError } from "../../../src/base/errors.ts";
import { busy, lockOwner, lockVdi, releaseVdi } from "../../../src/cluster/locks.ts";
import { lockState, VdiStateRecord } from "../../../src/wire/vdi.ts";
import { MemorySheep, never, text } from "./memory-sheep.ts";

const doubt = () => new SheepfsError("unavailable", "the answer was lost", { inDoubt: true });
const gateway = { host: "127.0.0.1", port: 7000 };

describe("locking a VDI", () => {
  test("gives the vid that is locked, and its release frees it for the next", async () => {
    const sheep = new MemorySheep();
    const vid = sheep.add({});
    expect(await lockVdi(sheep, text("test"), never)).toEqual({ vid, taken: "now" });
    expect(await lockOwner(sheep, vid, never)).toEqual({ kind: "normal", gateways: [gateway] });
    await releaseVdi(sheep, vid, never);
    expect(await lockOwner(sheep, vid, never)).toBeNull();
    expect(await lockVdi(sheep, text("test"), never)).toEqual({ vid, taken: "now" });
  });

  test("that is locked says so, and the holder and the remedy are named", async () => {
    const sheep = new MemorySheep();
    const vid = sheep.add({});
    sheep.locked.set(vid, { host: "10.1.2.3", port: 7001 });
    expect(await lockVdi(sheep, text("test"), never)).toEqual({ vid, taken: "before" });
    const { code, message } = await busy(sheep, { name: text("test"), vid, scope: never });
    expect(code).toBe("busy");
    expect(message).toContain("10.1.2.3:7001");
    expect(message).toContain("sheepfs vdi lock break 'test'");
  });

  test("that does not exist is not found", async () => {
    const locking = lockVdi(new MemorySheep(), text("test"), never);
    await expect(locking).rejects.toMatchObject({ code: "not_found" });
  });

  test("whose request was lost is done again when nobody holds it", async () => {
    const sheep = new MemorySheep();
    const vid = sheep.add({});
    let lost = 0;
    sheep.before = ({ opcode }) => {
      if (opcode === "lockVdi" && lost++ < 1) throw doubt();
    };
    expect(await lockVdi(sheep, text("test"), never)).toEqual({ vid, taken: "now" });
  });

  test("whose answer was lost may be another's", async () => {
    const sheep = new MemorySheep();
    const vid = sheep.add({});
    sheep.after = ({ opcode }) => {
      if (opcode === "lockVdi") throw doubt();
    };
    expect(await lockVdi(sheep, text("test"), never)).toEqual({ vid, taken: "unknown" });
  });
});

describe("the owner of a lock", () => {
  test("is found among more VDIs than fit the first buffer", async () => {
    const sheep = new MemorySheep();
    for (let n = 0; n < 700; n += 1) sheep.add({ name: text(`v${n}`) });
    const vid = sheep.add({});
    sheep.locked.set(vid, gateway);
    expect(await lockOwner(sheep, vid, never)).toEqual({ kind: "normal", gateways: [gateway] });
  });

  test("of a shared lock are all gateways that take part", async () => {
    const id = new Uint8Array(40);
    id.set([0xfd, 1], 0);
    id[15] = 9;
    id[16] = 0x58;
    id[17] = 0x1b;
    const data = VdiStateRecord.encode({
      vid: 77,
      lockState: lockState.shared,
      participantsCount: 1,
      participants: id,
    });
    const reply = { header: new DataView(new ArrayBuffer(48)), result: 0, data };
    const caller = { call: async () => reply, callAt: async () => reply };
    expect(await lockOwner(caller, 77, never)).toEqual({
      kind: "shared",
      gateways: [{ host: "fd01::9", port: 7000 }],
    });
    expect(await lockOwner(caller, 78, never)).toBeNull();
  });

  test("states that are cut off are not believed", async () => {
    const reply = { header: new DataView(new ArrayBuffer(48)), result: 0, data: new Uint8Array(7) };
    const caller = { call: async () => reply, callAt: async () => reply };
    await expect(lockOwner(caller, 1, never)).rejects.toMatchObject({ code: "corrupt" });
  });
});
