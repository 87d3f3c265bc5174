import { describe, expect, test } from "bun:test";
import { SheepfsError } from "../../../src/base/errors.ts";
import { limits } from "../../../src/base/limits.ts";
import { silentLogger } from "../../../src/base/log.ts";
import {
  claimKey,
  findRecord,
  type Holder,
  recordKey,
} from "../../../src/cluster/attach-record.ts";
import {
  createAttribute,
  findAttribute,
  removeAttribute,
  writeAttribute,
} from "../../../src/cluster/attributes.ts";
import { deleteVdi } from "../../../src/cluster/delete-vdi.ts";
import { type HoldPorts, holdVdi, type VdiHold } from "../../../src/cluster/holds.ts";
import { breakLock, vdiLockState } from "../../../src/cluster/lock-break.ts";
import { ManualClock, turns } from "../tree/manual-clock.ts";
import { MemorySheep, never, text } from "./memory-sheep.ts";

const name = text("test");
const doubt = () => new SheepfsError("unavailable", "the answer was lost", { inDoubt: true });

class World {
  readonly sheep = new MemorySheep();
  readonly clock = new ManualClock();
  /** Instances that have ended. */
  readonly gone = new Set<string>();
  readonly logged: string[] = [];
  readonly vid: number;

  constructor(options: { readonly hasLocks?: boolean } = {}) {
    this.sheep.hasLocks = options.hasLocks ?? true;
    this.vid = this.sheep.add({});
  }

  ports(instance: string, host = "node1"): HoldPorts {
    const note = (message: string): void => {
      this.logged.push(message);
    };
    const self: Holder = {
      ...{ instance, host, machine: host, bootId: `boot of ${host}`, pidNamespace: "1" },
      ...{ pid: 12, startTicks: 34 },
    };
    return {
      caller: this.sheep,
      clock: this.clock,
      log: { ...silentLogger, warn: note, error: note },
      self,
      isGone: (holder) => this.gone.has(holder.instance),
    };
  }

  hold(instance: string, host?: string): Promise<VdiHold> {
    return holdVdi(this.ports(instance, host), name, never);
  }

  async holder(): Promise<string | null> {
    const found = await findRecord(this.sheep, name, never);
    return found === null ? null : (found.record?.holder.instance ?? "unreadable");
  }

  /** Lets time pass until the work ends. */
  async passes<T>(work: Promise<T>): Promise<T> {
    let ended = false;
    work.then(
      () => {
        ended = true;
      },
      () => {
        ended = true;
      },
    );
    for (let step = 0; step < 400 && !ended; step += 1) {
      await turns();
      this.clock.advance(100);
    }
    return await work;
  }

  /** What a look finds that comes when every look is due. */
  check(hold: VdiHold, vid = this.vid): Promise<string | null> {
    this.clock.advance(limits.lockCheckMs);
    return hold.check(vid, never);
  }
}

// [S-18] [S-71]
describe("a VDI that is attached for writing", () => {
  for (const hasLocks of [true, false]) {
    test(`is nobody else's until it is given back, in a cluster ${hasLocks ? "with" : "without"} locks`, async () => {
      const world = new World({ hasLocks });
      const hold = await world.hold("a");
      expect(hold.lockedVid).toBe(hasLocks ? world.vid : null);
      const refused = world.hold("b", "node2");
      await expect(refused).rejects.toMatchObject({ code: "busy" });
      await expect(refused).rejects.toThrow("sheepfs on host 'node1' (process 12, since 2023-");
      expect(await world.holder()).toBe("a");
      await hold.release(never);
      expect([world.sheep.attributes.size, world.sheep.locked.size]).toEqual([0, 0]);
      await world.hold("b", "node2");
      expect(await world.holder()).toBe("b");
    });
  }

  test("costs a few requests", async () => {
    const world = new World();
    const opcodes = (): string[] => world.sheep.seen.splice(0).map(({ opcode }) => opcode);
    const hold = await world.hold("a");
    expect(opcodes().length).toBeLessThanOrEqual(8);
    await hold.check(world.vid, never);
    expect(opcodes()).toEqual([]);
    world.clock.advance(limits.holdCheckMs);
    await hold.check(world.vid, never);
    expect(opcodes()).toEqual(["readObject"]);
  });

  test("of many who try at once is one's", async () => {
    const world = new World();
    const tries = await Promise.allSettled(
      Array.from({ length: 9 }, (_, at) => world.hold(`i${at}`, `node${at}`)),
    );
    expect(tries.filter(({ status }) => status === "fulfilled").length).toBe(1);
    expect(world.sheep.locked.size).toBe(1);
  });

  test("is not taken while another client has its lock, and no record stays", async () => {
    const world = new World();
    world.sheep.locked.set(world.vid, { host: "10.1.2.3", port: 7001 });
    await expect(world.hold("a")).rejects.toThrow("locked by a client of 10.1.2.3:7001");
    expect(world.sheep.attributes.size).toBe(0);
    expect(world.sheep.locked.size).toBe(1);
  });

  test("that does not exist is not found", async () => {
    const world = new World();
    const missing = holdVdi(world.ports("a"), text("none"), never);
    await expect(missing).rejects.toMatchObject({ code: "not_found" });
  });

  test("is held though the answer of making the record was lost", async () => {
    const world = new World();
    let lost = 0;
    world.sheep.after = ({ opcode }) => {
      if (opcode === "getVdiAttr" && lost++ < 1) throw doubt();
    };
    await world.hold("a");
    expect(await world.holder()).toBe("a");
  });

  test("is locked also when the cluster does not say at once whether it has locks", async () => {
    const { sheep, ...world } = new World();
    const call = sheep.call.bind(sheep);
    let empty = 2;
    sheep.call = async (request, ...rest) => {
      const reply = await call(request, ...rest);
      if (request.opcode !== "statCluster" || empty === 0) return reply;
      empty -= 1;
      return { ...reply, data: new Uint8Array(0) };
    };
    const given = Object.assign(Object.create(World.prototype), { sheep, ...world });
    expect((await given.hold("a")).lockedVid).toBe(world.vid);
  });
});

// [S-72]
describe("what a holder left that ended without giving it back", () => {
  test("is taken over on its host, when what it had sent has landed", async () => {
    const world = new World();
    await world.hold("a");
    world.gone.add("a");
    const beganMs = world.clock.nowMs();
    const hold = await world.passes(world.hold("b"));
    expect(world.clock.nowMs() - beganMs).toBeGreaterThanOrEqual(limits.exclusionMs);
    expect([await world.holder(), hold.lockedVid]).toEqual(["b", world.vid]);
    expect(world.logged.join()).toContain("was left attached by sheepfs on host 'node1'");
    expect(await findAttribute(world.sheep, { vdi: name, key: claimKey }, never)).toBeNull();
    await hold.release(never);
    expect([world.sheep.attributes.size, world.sheep.locked.size]).toEqual([0, 0]);
  });

  test("goes to one of several who want it", async () => {
    const world = new World();
    await world.hold("a");
    world.gone.add("a");
    const tries = Promise.allSettled(["b", "c", "d"].map((instance) => world.hold(instance)));
    const ends = await world.passes(tries);
    expect(ends.filter(({ status }) => status === "fulfilled").length).toBe(1);
  });

  test("goes on with a successor of the same instance, at once", async () => {
    const world = new World();
    await world.hold("a");
    const hold = await world.hold("a");
    expect(hold.lockedVid).toBe(world.vid);
    expect(await world.check(hold)).toBeNull();
  });

  test("stays when the lock is by now that of a client of another sheep", async () => {
    const world = new World();
    await world.hold("a");
    world.gone.add("a");
    world.sheep.locked.set(world.vid, { host: "10.1.2.3", port: 7001 });
    await expect(world.passes(world.hold("b"))).rejects.toThrow("locked by a client of 10.1.2.3");
    expect(world.sheep.locked.get(world.vid)?.host).toBe("10.1.2.3");
  });

  test("on a VDI that became a snapshot meanwhile is given back there too", async () => {
    const world = new World();
    await world.hold("a");
    world.gone.add("a");
    world.sheep.put(world.vid, 520, new Uint8Array(8).fill(1));
    const now = world.sheep.add({ snapId: 2 });
    const hold = await world.passes(world.hold("b"));
    expect(hold.lockedVid).toBe(now);
    expect([...world.sheep.locked.keys()]).toEqual([now]);
  });

  test("that nobody understands is left to people", async () => {
    for (const value of ["", "{}", "[1]", '{"sheepfs":2}', '{"sheepfs":1,"holder":{}}', "\xff"]) {
      const world = new World();
      await createAttribute(world.sheep, { vdi: name, key: recordKey }, text(value), never);
      await expect(world.hold("a")).rejects.toThrow("whose record cannot be understood");
    }
  });
});

describe("a holder that looks again", () => {
  test("goes on in the new working VDI after a snapshot, and the old one is unlocked", async () => {
    const world = new World();
    const hold = await world.hold("a");
    world.sheep.put(world.vid, 520, new Uint8Array(8).fill(1));
    const now = world.sheep.add({ snapId: 2 });
    expect(await hold.check(now, never)).toBeNull();
    expect(hold.lockedVid).toBe(now);
    expect([...world.sheep.locked.keys()]).toEqual([now]);
    const found = await findRecord(world.sheep, name, never);
    expect(found?.record?.lock?.vid).toBe(now);
  });

  test("takes the lock again that the cluster has forgotten", async () => {
    const world = new World();
    const hold = await world.hold("a");
    world.sheep.locked.clear();
    expect(await world.check(hold)).toBeNull();
    expect(world.sheep.locked.has(world.vid)).toBe(true);
    expect(world.logged.join()).toContain("was lost and is taken again");
  });

  test("stops when another client has the lock", async () => {
    const world = new World();
    const hold = await world.hold("a");
    world.sheep.locked.set(world.vid, { host: "10.1.2.3", port: 7001 });
    expect(await world.check(hold)).toContain("is locked by a client of 10.1.2.3:7001 now");
    await hold.release(never);
    expect([world.sheep.attributes.size, world.sheep.locked.size]).toEqual([0, 1]);
  });

  test("stops when the record is another's, and leaves that alone", async () => {
    const world = new World({ hasLocks: false });
    const hold = await world.hold("a");
    const place = await findAttribute(world.sheep, { vdi: name, key: recordKey }, never);
    if (place !== null) await removeAttribute(world.sheep, place, never);
    await world.hold("b", "node2");
    expect(await world.check(hold)).toContain("attached by sheepfs on host 'node2'");
    await hold.release(never);
    expect(await world.holder()).toBe("b");
  });

  test("writes a record anew that was removed", async () => {
    const world = new World({ hasLocks: false });
    const hold = await world.hold("a");
    world.sheep.attributes.clear();
    expect(await world.check(hold)).toBeNull();
    expect(await world.holder()).toBe("a");
    await hold.release(never);
    expect(world.sheep.attributes.size).toBe(0);
  });

  test("while it is given back writes no record anew", async () => {
    const world = new World({ hasLocks: false });
    const hold = await world.hold("a");
    const call = world.sheep.call.bind(world.sheep);
    let slow = 1;
    world.sheep.call = async (request, ...rest) => {
      if (request.opcode === "readObject" && slow-- > 0) await turns();
      return await call(request, ...rest);
    };
    const looking = world.check(hold);
    await hold.release(never);
    expect(await looking).toBeNull();
    expect(await world.check(hold)).toBeNull();
    expect(world.sheep.attributes.size).toBe(0);
  });

  test("is not told that it has lost because an answer was lost", async () => {
    const world = new World();
    const hold = await world.hold("a");
    world.sheep.locked.clear();
    let lost = 0;
    world.sheep.after = ({ opcode }) => {
      if (opcode === "lockVdi" && lost++ < 1) throw doubt();
    };
    expect(await world.check(hold)).toBeNull();
    expect(hold.lockedVid).toBe(world.vid);
  });
});

// [S-73]
describe("a lock that is broken", () => {
  test("is seen by its holder, who stops and lets go before it is another's", async () => {
    const world = new World();
    const hold = await world.hold("a");
    const breaking = breakLock(world.ports("z", "node9"), name, never);
    await turns();
    await expect(world.hold("b", "node2")).rejects.toThrow("just being taken away by host 'node9'");
    expect(await world.check(hold)).toContain("was taken away by host 'node9'");
    await hold.release(never);
    expect((await world.passes(breaking)).isGone).toBe(false);
    expect([world.sheep.attributes.size, world.sheep.locked.size]).toEqual([0, 0]);
    await world.hold("b", "node2");
  });

  test("of a holder that says nothing is gone after a while", async () => {
    const world = new World();
    await world.hold("a");
    const beganMs = world.clock.nowMs();
    await world.passes(breakLock(world.ports("z", "node9"), name, never));
    expect(world.clock.nowMs() - beganMs).toBeGreaterThanOrEqual(limits.lockBreakMs);
    expect([world.sheep.attributes.size, world.sheep.locked.size]).toEqual([0, 0]);
  });

  test("stays broken when the holder writes its record at the same moment", async () => {
    const world = new World({ hasLocks: false });
    await world.hold("a");
    const before = await findRecord(world.sheep, name, never);
    const breaking = breakLock(world.ports("z", "node9"), name, never);
    await turns();
    if (before !== null) {
      const value = text(before.text);
      await writeAttribute(world.sheep, { vdi: name, key: recordKey }, before.place, value, never);
    }
    await world.passes(breaking);
    expect(await world.holder()).toBeNull();
  });

  test("of a holder that is gone, of another client, or a claim left behind needs no waiting", async () => {
    const world = new World();
    await world.hold("a");
    world.gone.add("a");
    await createAttribute(world.sheep, { vdi: name, key: claimKey }, text("x"), never);
    await expect(world.hold("b")).rejects.toThrow("just being taken over");
    await breakLock(world.ports("z"), name, never);
    expect([world.sheep.attributes.size, world.sheep.locked.size]).toEqual([0, 0]);
    world.sheep.locked.set(world.vid, { host: "10.1.2.3", port: 7001 });
    await breakLock(world.ports("z"), name, never);
    await world.hold("b");
  });

  test("is shown as it is", async () => {
    const world = new World();
    const state = () => vdiLockState(world.ports("z"), name, never);
    expect(await state()).toMatchObject({ found: null, owner: null, isGone: false });
    await world.hold("a");
    world.gone.add("a");
    const { found, owner, isGone } = await state();
    expect(found?.record?.holder.instance).toBe("a");
    expect([owner?.gateways.length, isGone]).toEqual([1, true]);
    world.sheep.hasLocks = false;
    expect((await state()).owner).toBeUndefined();
  });
});

// [S-74]
test("a VDI that somebody has attached is not deleted, and one that was left attached is", async () => {
  const world = new World({ hasLocks: false });
  await world.hold("a");
  const vdi = { name, snapshot: null };
  const ports = world.ports("z");
  await expect(deleteVdi(ports, vdi, never)).rejects.toThrow("attached by sheepfs on host 'node1'");
  expect(world.sheep.headerOf(world.vid).name).toEqual(name);
  world.gone.add("a");
  await deleteVdi(ports, vdi, never);
  expect(world.sheep.headerOf(world.vid).name.length).toBe(0);
  expect(world.sheep.attributes.size).toBe(0);
});
