import { describe, expect, test } from "bun:test";
import { vdiHolds } from "../../../src/app/facts.ts";
import { newHolder } from "../../../src/app/self.ts";
import { type SnapshotPorts, snapshotTogether } from "../../../src/app/snapshots.ts";
import { SheepfsError } from "../../../src/base/errors.ts";
import { silentLogger } from "../../../src/base/log.ts";
import type { Scope } from "../../../src/base/scope.ts";
import { findRecord } from "../../../src/cluster/attach-record.ts";
import { snapshotFound, snapshottable } from "../../../src/cluster/snapshot-vdi.ts";
import type { SheepRequest } from "../../../src/wire/header.ts";
import { MemorySheep, never, text } from "../cluster/memory-sheep.ts";
import { ManualClock } from "../tree/manual-clock.ts";

/** What becomes of the requests for new VDIs, in their order. */
type Fate = "done" | "full" | "lost" | "theirs";

/** One that fails, or loses what it was asked and does the same for somebody else. */
class TroubledSheep extends MemorySheep {
  readonly fates: Fate[] = [];

  override async call(request: SheepRequest, scope: Scope, expected: readonly number[] = []) {
    const fate = request.opcode === "newVdi" ? this.fates.shift() : undefined;
    if (fate === "full") throw new SheepfsError("no_space", "the cluster is full");
    if (fate === "theirs") await this.theirs();
    if (fate === "lost" || fate === "theirs") {
      throw new SheepfsError("timed_out", "no answer", { inDoubt: true });
    }
    return await super.call(request, scope, expected);
  }

  /** Another client's snapshot. */
  async theirs(): Promise<void> {
    // Another program, which takes no turns.
    const wish = { name: text("a"), tag: text("theirs") };
    const ports = { caller: this, clock: new ManualClock() };
    await snapshotFound(ports, await snapshottable(this, wish, never), never);
  }
}

function made() {
  const sheep = new TroubledSheep();
  for (const name of ["a", "b"]) sheep.add({ name: text(name) });
  return sheep;
}

function portsOf(caller: MemorySheep): SnapshotPorts {
  const clock = new ManualClock();
  // Nobody waits for long.
  clock.after = (_ms, fn) => {
    queueMicrotask(fn);
    clock.advance(50);
    return { cancel: () => {} };
  };
  const common = { caller, clock, log: silentLogger, isGone: () => false, self: newHolder() };
  const holds = vdiHolds(common);
  return { ...common, holds, volumes: { list: () => [], refresh: async () => {} } };
}

async function group(sheep: MemorySheep): Promise<SheepfsError | null> {
  const wish = { names: [text("a"), text("b")], tag: text("monday") };
  try {
    await snapshotTogether(portsOf(sheep), wish, never);
    return null;
  } catch (thrown) {
    if (thrown instanceof SheepfsError) return thrown;
    throw thrown;
  }
}

function snapshots(sheep: MemorySheep): string[] {
  const all = [...sheep.inodes.keys()].map((vid) => sheep.headerOf(vid));
  const there = all.filter(({ isSnapshot, name }) => isSnapshot && name.length > 0);
  const shown = (bytes: Uint8Array): string => new TextDecoder().decode(bytes);
  return there.map(({ name, tag }) => `${shown(name)}@${shown(tag)}`).sort();
}

describe("a group of snapshots", () => {
  test("is made, and nothing is held any more", async () => {
    const sheep = made();
    expect(await group(sheep)).toBeNull();
    expect(snapshots(sheep)).toEqual(["a@monday", "b@monday"]);
    expect(await findRecord(sheep, text("a"), never)).toBeNull();
  });

  // [S-112]
  test("of which one cannot be made is taken back [S-112]", async () => {
    const sheep = made();
    sheep.fates.push("done", "full");
    expect(await group(sheep)).toMatchObject({ code: "no_space", message: "the cluster is full" });
    expect(snapshots(sheep)).toEqual([]);
    expect(sheep.workingOf(text("a"))).not.toBeNull();
  });

  test("never takes somebody else's snapshot for its own", async () => {
    const sheep = made();
    sheep.fates.push("theirs", "full");
    const error = await group(sheep);
    expect(error?.message).toContain("'monday' of VDI 'a' (it may still be made)");
    expect(snapshots(sheep)).toEqual(["a@theirs"]);
  });

  test("names every one that may still be made", async () => {
    const sheep = made();
    sheep.fates.push("lost", "lost");
    const error = await group(sheep);
    expect(error).toMatchObject({ code: "timed_out", inDoubt: true });
    for (const name of ["a", "b"]) expect(error?.message).toContain(`VDI '${name}' (it may still`);
  });
});
