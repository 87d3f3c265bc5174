import { expect, test } from "bun:test";
import { readAt } from "../mount/bytes.ts";
import { startSheepProcess } from "../support/cluster.ts";
import { openFiles, rssMiB } from "../support/proc.ts";
import { startServe, type TestServer } from "../support/serve.ts";
import { Lane } from "./lane.ts";

const seed = Number(process.env["SEED"] ?? Math.floor(Math.random() * 2 ** 31));
const shots = Number(process.env["SHOTS"] ?? 50_000);
const laneCount = 8;

/** Not a multiple of anything, and small enough to be compared all the time. */
const volumeBytes = 66_048;

/** How much the server may have grown since it was warm. */
const growthMaxMiB = 64;

/** Descriptors once connections that were closed are gone: the least of a while. */
async function settledFiles(pid: number): Promise<number> {
  let least = openFiles(pid);
  for (let looks = 0; looks < 60; looks += 1) {
    await Bun.sleep(50);
    least = Math.min(least, openFiles(pid));
  }
  return least;
}

async function ask(server: TestServer, ...names: string[]): Promise<string> {
  return await (await fetch(server.at(...names))).text();
}

// A client's bytes change nothing but what a valid request asks for, and harm nobody.
test(`${shots} hostile and other requests (SEED=${seed})`, async () => {
  await using cluster = await startSheepProcess();
  const volumes: string[] = [];
  for (let count = 0; count <= laneCount; count += 1) {
    volumes.push(await cluster.createVdi("lane", { size: String(volumeBytes) }));
  }
  const args = ["--scratch", ...volumes.flatMap((name) => ["--attach", name])];
  await using server = await startServe(cluster, { args, mount: true });
  const targetOf = (name: string | undefined) => ({
    path: `/volume/${name}`,
    sizeBytes: volumeBytes,
  });
  const wild = targetOf(volumes[laneCount]);
  const lanes = volumes.slice(0, laneCount).map((name, index) => {
    const target = targetOf(name);
    return new Lane({ seed: seed * laneCount + index, port: server.port, target, wild });
  });
  const { pid } = server.child;
  const startMs = performance.now();
  const warmShots = Math.floor(shots / 5 / laneCount);
  await Promise.all(lanes.map((lane) => lane.run(warmShots)));
  const warmMiB = rssMiB(pid).now;
  for (const lane of lanes) lane.close();
  const warmFiles = await settledFiles(pid);
  await Promise.all(lanes.map((lane) => lane.run(shots / laneCount - warmShots)));
  const seconds = ((performance.now() - startMs) / 1_000).toFixed(0);
  for (const lane of lanes) lane.close();
  for (const [index, lane] of lanes.entries()) {
    await lane.check();
    const through = readAt(server.file("volume", volumes[index] ?? ""), 0, volumeBytes);
    const direct = await (await fetch(server.at("volume", volumes[index] ?? ""))).arrayBuffer();
    expect(through.equals(Buffer.from(direct))).toBe(true);
  }
  const sum = (of: (lane: Lane) => number): number =>
    lanes.reduce((total, lane) => total + of(lane), 0);
  const statuses = new Map<number, number>();
  for (const { tally } of lanes) {
    for (const [status, count] of tally.statuses) {
      statuses.set(status, (statuses.get(status) ?? 0) + count);
    }
  }
  const told = [...statuses]
    .sort(([a], [b]) => a - b)
    .map(([status, count]) => `${status} ${count}x`);
  const counts = `${sum(({ tally }) => tally.shots)} requests in ${seconds} s on ${sum(({ tally }) => tally.connections)} connections`;
  console.log(
    `measured: ${counts}, ${sum(({ tally }) => tally.writes)} writes checked; ${told.join(", ")}`,
  );
  console.log(`measured: server ${warmMiB} MiB warm, ${rssMiB(pid).now} MiB at the end`);
  expect(sum(({ tally }) => tally.writes)).toBeGreaterThan(shots / 50);
  expect(rssMiB(pid).now).toBeLessThan(warmMiB + growthMaxMiB);
  expect(await ask(server, "cluster", "info")).toStartWith("Cluster status: running");
  expect(server.child.stderr).not.toMatch(/internal|unexpected|at .*\.ts:[0-9]/);
  expect(await settledFiles(pid)).toBeLessThanOrEqual(warmFiles + 1);
}, 220_000);
