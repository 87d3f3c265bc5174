// The scale part: how long lists take of very many VDIs, and of very many snapshots of one.
// SHEEPFS_BENCH_SHEEP names a real cluster, which keeps what is made; SHEEPFS_BENCH_VDIS and
// SHEEPFS_BENCH_SNAPSHOTS are how many.

import { connect } from "../../src/app/connect.ts";
import { isGone, newHolder } from "../../src/app/self.ts";
import { parseAddress } from "../../src/base/address.ts";
import { silentLogger } from "../../src/base/log.ts";
import { CancelScope } from "../../src/base/scope.ts";
import { mapBounded } from "../../src/cluster/bounded.ts";
import { createVdi } from "../../src/cluster/create-vdi.ts";
import { snapshotVdi } from "../../src/cluster/snapshot-vdi.ts";
import { realClock } from "../../src/sys/clock.ts";
import { NamedCluster, startSheepProcess, type TestCluster } from "../support/cluster.ts";
import { cannotMount, mountSheepfs } from "../support/mount.ts";
import { rssMiB } from "../support/proc.ts";
import { sheepfsBinary } from "../support/process.ts";
import { memoryFolder } from "./machine.ts";
import { markdown } from "./table.ts";

const wish = {
  vdis: Number(process.env["SHEEPFS_BENCH_VDIS"] ?? 10_000),
  snapshots: Number(process.env["SHEEPFS_BENCH_SNAPSHOTS"] ?? 1_000),
};
const family = "scale-snapshots";
const unending = new CancelScope(Number.POSITIVE_INFINITY);
const encoder = new TextEncoder();

type Row = readonly string[];

/** Prints one table. */
export async function measureScale(): Promise<void> {
  const named = process.env["SHEEPFS_BENCH_SHEEP"];
  await using cluster =
    named === undefined
      ? await startSheepProcess({ parent: memoryFolder })
      : new NamedCluster(named);
  await fill(cluster);
  const binary = await sheepfsBinary();
  const sheep = ["-s", cluster.address];
  const rows: Row[] = [];
  for (const line of ["vdi list", "vdi list --json", "vdi tree", "ls snapshot"]) {
    rows.push(await measured(`sheepfs ${line}`, [binary, ...line.split(" "), ...sheep]));
  }
  if (cannotMount === null) rows.push(...(await mountRows(cluster)));
  const title = `${wish.vdis} VDIs and ${wish.snapshots} snapshots of one more`;
  console.log(`${markdown([title, "seconds", "memory at most"], rows)}\n`);
}

async function mountRows(cluster: TestCluster): Promise<readonly Row[]> {
  await using mount = await mountSheepfs(cluster);
  const rows: Row[] = [];
  for (const [flags, path] of [
    ["", "snapshot"],
    ["-l", "snapshot"],
    ["", `snapshot/${family}`],
    ["-l", `snapshot/${family}`],
    // Once more: what a snapshot is has been learned.
    ["-l", `snapshot/${family}`],
  ] as const) {
    const command = ["ls", ...(flags === "" ? ["-U"] : [flags]), `${mount.path}/${path}`];
    const [, seconds = ""] = await measured("", command);
    rows.push([`ls ${flags} ${path}`, seconds, `${rssMiB(mount.serverPid).peak} MiB`]);
  }
  const [, seconds = ""] = await measured("", ["cat", `${mount.path}/vdi/list`]);
  rows.push(["cat vdi/list", seconds, `${rssMiB(mount.serverPid).peak} MiB`]);
  return rows;
}

async function measured(name: string, command: readonly string[]): Promise<Row> {
  const beganMs = performance.now();
  const child = Bun.spawn({ cmd: [...command], stdout: "ignore", stderr: "inherit" });
  // Looked at while it runs: what is told of it behind its end begins with what we have ourselves.
  let peak = 0;
  const watch = setInterval(() => {
    if (child.exitCode === null) peak = peakMiB(child.pid) ?? peak;
  }, 10);
  const exitCode = await child.exited;
  clearInterval(watch);
  if (exitCode !== 0) throw new Error(`${command.join(" ")}: exit ${exitCode}`);
  const seconds = ((performance.now() - beganMs) / 1_000).toFixed(2);
  return [name, seconds, `${peak} MiB`];
}

/** Null once it has ended. */
function peakMiB(pid: number): number | null {
  try {
    const { peak } = rssMiB(pid);
    return Number.isNaN(peak) ? null : peak;
  } catch {
    return null;
  }
}

async function fill(cluster: TestCluster): Promise<void> {
  const gateways = [parseAddress(cluster.address)];
  await using connection = connect({
    gateways,
    objectCache: false,
    wants: "soon",
    log: silentLogger,
  });
  const { client } = connection;
  const vdi = { sizeBytes: 1 << 30, objectBytes: null, copies: null };
  const create = (name: string) =>
    createVdi(client, { ...vdi, name: encoder.encode(name) }, unending);
  await mapBounded(
    Array.from({ length: wish.vdis }, (_, at) => `scale-${at}`),
    16,
    create,
  );
  await create(family);
  const ports = { caller: client, clock: realClock, isGone, self: newHolder() };
  for (let at = 0; at < wish.snapshots; at += 1) {
    const tag = encoder.encode(`t${at}`);
    await snapshotVdi(ports, { name: encoder.encode(family), tag }, unending);
  }
}
