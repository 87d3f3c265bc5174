// The snapshots' part: for how long a snapshot of a volume in use keeps its writers waiting, beside
// what the cluster alone takes for it.

import { type Core, openCore } from "../../src/app/core.ts";
import { newHolder } from "../../src/app/self.ts";
import { parseAddress } from "../../src/base/address.ts";
import { limits } from "../../src/base/limits.ts";
import { silentLogger } from "../../src/base/log.ts";
import { deadlineScope, type Scope } from "../../src/base/scope.ts";
import { realClock } from "../../src/sys/clock.ts";
import { attachNamed } from "../../src/tree/entries/attaching.ts";
import type { DirNode } from "../../src/tree/node.ts";
import type { Volume } from "../../src/volume/volume.ts";
import { startSheepProcess } from "../support/cluster.ts";
import { sheepfs } from "../support/process.ts";
import { memoryFolder } from "./machine.ts";
import { markdown, median } from "./table.ts";

const MiB = 1 << 20;
const filledBytes = 64 * MiB;
const writers = 8;
const rounds = 5;
/** Until writers are at their pace again: every block was copied. */
const calmMs = 3_000;

export async function measureSnapshots(): Promise<void> {
  await using stack = new AsyncDisposableStack();
  const embedded = stack.use(await startSheepProcess({ parent: memoryFolder }));
  const rows = [await row("embedded sheep", embedded.address)];
  const real = process.env["SHEEPFS_BENCH_SHEEP"];
  if (real !== undefined) rows.push(await row("real sheep", real));
  const heads = [
    `${writers} writers of 4 KiB wait at most`,
    ...["without a snapshot", "with one", "cluster: snapshot", "cluster: first writes"],
    ...["more than both", "wanted"],
  ];
  console.log(`\n${markdown(heads, rows)}\n`);
}

/** Longest waits, the medians of some rounds. */
async function row(title: string, address: string): Promise<string[]> {
  const names = [0, 1].map((at) => `sheepfs-bench-snapshot-${process.pid}-${at}`);
  const [used = "", idle = ""] = names;
  for (const name of names) await sheepfs(["vdi", "create", name, "--size", "1G", "-s", address]);
  const core = await open(address);
  const takes = { without: [0], used: [0], idle: [0], copies: [0] };
  for (const list of Object.values(takes)) list.length = 0;
  try {
    for (const name of [used, idle]) await filled(core, name);
    await core.volumes.detach(idle, scope());
    const { volume } = await attached(core, used);
    for (let round = 0; round < rounds; round += 1) {
      takes.idle.push(await snapshot(core, idle, `t${round}`));
      // What the first writes behind a snapshot cost when nobody wrote while it was made.
      await snapshot(core, used, `calm${round}`);
      takes.copies.push(await longestWait(volume, () => Bun.sleep(calmMs)));
      takes.without.push(await longestWait(volume, () => Bun.sleep(1_000)));
      takes.used.push(
        await longestWait(volume, async () => {
          await Bun.sleep(300);
          await snapshot(core, used, `t${round}`);
          await Bun.sleep(calmMs);
        }),
      );
    }
  } finally {
    await core.close(scope());
    for (const name of names) await deleteAll(address, name);
  }
  const [without, made, alone, copies] = [takes.without, takes.used, takes.idle, takes.copies].map(
    median,
  ) as [number, number, number, number];
  const more = Math.max(0, made - alone - copies);
  return [title, ...[without, made, alone, copies, more].map(ms), "100 ms"];
}

function ms(value: number): string {
  return `${value.toFixed(0)} ms`;
}

function scope(): Scope {
  return deadlineScope(realClock, limits.operationTimeoutMs);
}

async function open(address: string): Promise<Core> {
  return await openCore(
    {
      ...{
        gateways: [parseAddress(address, 7000)],
        readOnly: false,
        objectCache: false,
        wants: "soon",
      },
      ...{ pageCache: false, scratch: false, log: silentLogger, self: newHolder(), attach: [] },
      timeoutMs: limits.operationTimeoutMs,
    },
    scope(),
  );
}

async function attached(core: Core, name: string) {
  return await attachNamed(core.volumes, new TextEncoder().encode(name), scope());
}

async function filled(core: Core, name: string): Promise<void> {
  const { volume } = await attached(core, name);
  const bytes = new Uint8Array(MiB).fill(7);
  for (let at = 0; at < filledBytes; at += MiB) await volume.write(bytes, at, scope());
}

/** @returns how long it took */
async function snapshot(core: Core, name: string, tag: string): Promise<number> {
  const snapshots = (await core.tree.root.lookup("snapshot", scope())) as DirNode;
  const dir = (await snapshots.lookup(name, scope())) as DirNode;
  const startedMs = performance.now();
  await dir.makeDir?.(tag, scope());
  return performance.now() - startedMs;
}

/** The longest that one of some writers waited for a write while something was done. */
async function longestWait(volume: Volume, work: () => Promise<unknown>): Promise<number> {
  let isOver = false;
  let longestMs = 0;
  const bytes = new Uint8Array(4096).fill(9);
  const writer = async (): Promise<void> => {
    while (!isOver) {
      const offset = Math.floor((Math.random() * filledBytes) / bytes.length) * bytes.length;
      const startedMs = performance.now();
      await volume.write(bytes, offset, scope());
      longestMs = Math.max(longestMs, performance.now() - startedMs);
    }
  };
  const writing = Promise.all(Array.from({ length: writers }, writer));
  await work();
  isOver = true;
  await writing;
  return longestMs;
}

async function deleteAll(address: string, name: string): Promise<void> {
  const all = JSON.parse((await sheepfs(["vdi", "list", "--json", "-s", address])).stdout) as {
    readonly name: string;
    readonly tag: string;
    readonly snapshot: boolean;
  }[];
  const own = all.filter((one) => one.name === name);
  for (const { tag, snapshot: isSnapshot } of own) {
    const which = isSnapshot ? `${name}@${tag}` : name;
    await sheepfs(["vdi", "delete", which, "-s", address, "--yes"]);
  }
}
