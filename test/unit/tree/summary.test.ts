import { describe, expect, test } from "bun:test";
import { SheepfsError } from "../../../src/base/errors.ts";
import { limits } from "../../../src/base/limits.ts";
import { silentLogger } from "../../../src/base/log.ts";
import type { ClusterInfo } from "../../../src/cluster/info.ts";
import { Summary } from "../../../src/tree/entries/summary.ts";
import { EventHub, NodeIds } from "../../../src/tree/events.ts";
import { Fresh } from "../../../src/tree/fresh.ts";
import { Patience } from "../../../src/tree/patience.ts";
import { ManualClock, turns } from "./manual-clock.ts";

const node = { host: "10.0.0.1", port: 7000, vnodes: 128, zone: 1, spaceBytes: 0, disks: 0 };
const info: ClusterInfo = {
  ...{ status: "running", autoRecovery: true, createdSeconds: 1, store: "plain" },
  ...{ hasLocks: false, diskMode: false },
  epochs: [{ epoch: 3, seconds: 1, nodes: [node, node, node] }],
  defaults: { copies: 3, copyPolicy: 0, blockSizeShift: 22 },
};

class Fixture {
  readonly clock = new ManualClock();
  titles: string[] = [];
  asked = 0;
  answer: () => Promise<ClusterInfo> = async () => info;
  readonly summary: Summary;

  constructor() {
    const { clock } = this;
    const shared = { clock, patience: new Patience() };
    const base = {
      ...{ ids: new NodeIds(), log: silentLogger, events: new EventHub(), bornMs: 0 },
      ...shared,
    };
    const ports = {
      facts: {
        info: () => {
          this.asked += 1;
          return this.answer();
        },
        vdis: async () => [],
      },
      space: new Fresh({
        ...{ what: "space", ...shared },
        make: async () => ({ totalBytes: 4 * 2 ** 30, freeBytes: 3 * 2 ** 30 }),
      }),
      volumes: { list: () => this.titles.map((title) => ({ title })) },
      gateway: () => "10.0.0.1:7000",
    };
    this.summary = new Summary(ports, base);
  }

  async text(label: string): Promise<string> {
    const lines = await this.summary.lines(this.clock.scope());
    return lines.find((line) => line.label === label)?.text ?? "";
  }
}

describe("the cluster at a glance", () => {
  test("is its state, nodes, space, VDIs, what is attached, and the sheep in use", async () => {
    const { summary, clock } = new Fixture();
    expect(await summary.lines(clock.scope())).toEqual([
      { label: "Cluster", text: "running, auto-recovery enabled" },
      { label: "Nodes", text: "3, epoch 3" },
      { label: "Space", text: "3.0 GB free of 4.0 GB (1.0 GB used, 25 %)" },
      { label: "VDIs", text: "0, 0 snapshots" },
      { label: "Attached", text: "none; write a VDI's name to vdi/mount" },
      { label: "Sheep", text: "10.0.0.1:7000" },
    ]);
  });

  test("names some of what is attached, and counts the rest", async () => {
    const world = new Fixture();
    world.titles = Array.from({ length: 10 }, (_, at) => `disk${at}`);
    const named = "disk0, disk1, disk2, disk3, disk4, disk5, disk6, disk7";
    expect(await world.text("Attached")).toBe(`10: ${named} and 2 more`);
  });

  test("asks the cluster no more than once a second", async () => {
    const world = new Fixture();
    for (let time = 0; time < 3; time += 1) await world.text("Nodes");
    expect(world.asked).toBe(1);
    world.clock.advance(limits.textCacheMs + 1);
    await world.text("Nodes");
    expect(world.asked).toBe(2);
  });

  test("is there without what the cluster does not say, and does not wait for it", async () => {
    const world = new Fixture();
    world.answer = async () => {
      throw new SheepfsError("unavailable", "no sheep");
    };
    expect(await world.text("Nodes")).toStartWith("unknown");
    world.clock.advance(limits.textCacheMs + 1);
    world.answer = () => new Promise(() => {});
    const waiting = world.text("Space");
    await turns();
    world.clock.advance(limits.attrPatienceMs + 1);
    expect(await waiting).toContain("3.0 GB free");
  });
});
