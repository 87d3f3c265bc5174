import { expect, test } from "bun:test";
import { newHolder } from "../../../src/app/self.ts";
import { SheepfsError } from "../../../src/base/errors.ts";
import { limits } from "../../../src/base/limits.ts";
import { encodeRecord, type Holder, turnKey } from "../../../src/cluster/attach-record.ts";
import { createAttribute } from "../../../src/cluster/attributes.ts";
import { inHeadTurn, type TurnPorts } from "../../../src/cluster/head-turn.ts";
import { rollbackVdi } from "../../../src/cluster/rollback-vdi.ts";
import { snapshotVdi } from "../../../src/cluster/snapshot-vdi.ts";
import { SimulatedClock } from "../../simulate/clock.ts";
import { MemorySheep, never, text } from "./memory-sheep.ts";

const name = text("test");

class World {
  readonly sheep = new MemorySheep();
  readonly clock = new SimulatedClock();
  readonly vid = this.sheep.add({ name });
  readonly gone = new Set<string>();

  /** Of another process each time. */
  ports(self: Holder = newHolder()): TurnPorts {
    // A turn is another instance of who has it.
    const isGone = ({ instance }: Holder): boolean => this.gone.has(instance.split("/")[0] ?? "");
    return { caller: this.sheep, clock: this.clock, isGone, self };
  }

  snapshot(tag: string): Promise<unknown> {
    return snapshotVdi(this.ports(), { name, tag: text(tag) }, never);
  }

  /** One that has the turn and goes on for ever. */
  taken(self: Holder = newHolder()): void {
    const { promise } = Promise.withResolvers<void>();
    let begun = false;
    const work = (): Promise<void> => {
      begun = true;
      return promise;
    };
    void inHeadTurn(this.ports(self), [name], never, work);
    expect(this.clock.until(() => begun)).toBe(true);
  }

  get snapshots(): string[] {
    const all = [...this.sheep.inodes.keys()].map((vid) => this.sheep.headerOf(vid));
    const shown = all.filter(({ isSnapshot }) => isSnapshot);
    return shown.map(({ tag }) => new TextDecoder().decode(tag)).sort();
  }

  failure(work: Promise<unknown>): unknown {
    return this.clock.settle(work.catch((thrown: unknown) => thrown));
  }
}

test("snapshots that several make at once are all made, and nothing else is left [S-157]", async () => {
  const world = new World();
  const tags = ["a", "b", "c", "d", "e"];
  world.clock.settle(Promise.all(tags.map((tag) => world.snapshot(tag))));
  expect(world.snapshots).toEqual(tags);
  // Each was made from the one before.
  let header = world.sheep.headerOf(world.sheep.workingOf(name)?.vid ?? 0);
  for (const _ of tags) header = world.sheep.headerOf(header.parentVid);
  expect(header.vid).toBe(world.vid);
  expect(world.sheep.attributes.size).toBe(0);
});

test("of several that want one tag at once one has it, and the others change nothing [S-157]", () => {
  const world = new World();
  const all = Promise.allSettled(Array.from({ length: 4 }, () => world.snapshot("a")));
  const codes = world.clock
    .settle(all)
    .map((end) => (end.status === "rejected" ? (end.reason as SheepfsError).code : "made"));
  expect(codes.sort()).toEqual(["exists", "exists", "exists", "made"]);
  expect(world.snapshots).toEqual(["a"]);
});

test("a rollback and a snapshot at once come one after the other [S-157]", () => {
  const world = new World();
  world.clock.settle(world.snapshot("a"));
  const to = { name, snapshot: { tag: text("a") } };
  const back = rollbackVdi(world.ports(), to, text("kept"), never);
  world.clock.settle(Promise.all([back, world.snapshot("b")]));
  expect(world.snapshots).toEqual(["a", "b", "kept"]);
});

test("who has to wait for too long changes nothing, and is told whom it waited for", () => {
  const world = new World();
  world.taken({ ...newHolder(), host: "node7" });
  const beganMs = world.clock.nowMs();
  const error = world.failure(world.snapshot("a"));
  expect(error).toMatchObject({ code: "busy", message: expect.stringContaining("host 'node7'") });
  expect(world.clock.nowMs() - beganMs).toBeGreaterThanOrEqual(limits.headTurnWaitMs);
  expect(world.snapshots).toEqual([]);
  expect(world.sheep.headerOf(world.vid).tag).toEqual(new Uint8Array(0));
});

test("who has ended is waited for no more", () => {
  const world = new World();
  const other = newHolder();
  world.taken(other);
  world.gone.add(other.instance);
  const beganMs = world.clock.nowMs();
  world.clock.settle(Promise.all(["a", "b"].map((tag) => world.snapshot(tag))));
  expect(world.clock.nowMs() - beganMs).toBeLessThan(4 * limits.headTurnSettleMs);
  expect(world.snapshots).toEqual(["a", "b"]);
});

test("who shows no sign of life is waited for no more, wherever it was", async () => {
  const world = new World();
  const holder = { ...newHolder(), host: "node7" };
  const left = encodeRecord({ holder, sinceMs: 0, lock: null, brokenBy: null });
  await createAttribute(world.sheep, { vdi: name, key: turnKey }, left, never);
  const making = Promise.all(["a", "b"].map((tag) => world.snapshot(tag)));
  world.clock.pass(limits.headTurnBreakMs - 1);
  expect(world.snapshots).toEqual([]);
  world.clock.settle(making, limits.headTurnWaitMs - limits.headTurnBreakMs);
  expect(world.snapshots).toEqual(["a", "b"]);
  expect(world.sheep.attributes.size).toBe(0);
});

test("what fails in a turn gives it back", async () => {
  const world = new World();
  world.sheep.before = ({ opcode }) => {
    if (opcode === "newVdi") throw new SheepfsError("no_space", "the cluster is full");
  };
  expect(world.failure(world.snapshot("a"))).toMatchObject({ code: "no_space" });
  expect(world.sheep.attributes.size).toBe(0);
});
