import { expect, test } from "bun:test";
import { join } from "node:path";
import { MiB } from "../mount/bytes.ts";
import { startCluster } from "../support/cluster.ts";
import { openFiles, rssMiB } from "../support/proc.ts";
import { start } from "../support/process.ts";
import { RawConnection, requestHead } from "../support/raw-http.ts";
import { startServe, type TestServer } from "../support/serve.ts";

function percentile(sorted: readonly number[], part: number): number {
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * part))] ?? Number.NaN;
}

/** How long each of so many ranged reads of 64 KiB takes, in ms, sorted. */
async function readTimes(server: TestServer, path: string, count: number): Promise<number[]> {
  using connection = await RawConnection.open(server.port);
  const times: number[] = [];
  for (let at = 0; at < count; at += 1) {
    const from = (at * 65_536) % (64 * MiB);
    const startMs = performance.now();
    const range = { Range: `bytes=${from}-${from + 65_535}` };
    const { status, body } = await connection.ask(`GET ${path}`, range);
    if (status !== 206 || body.length !== 65_536)
      throw new Error(`${status}, ${body.length} bytes`);
    times.push(performance.now() - startMs);
  }
  return times.sort((a, b) => a - b);
}

/** Fills the beginning, so that what is read are objects and not holes. */
async function fill(server: TestServer, path: string, bytes: number): Promise<void> {
  using connection = await RawConnection.open(server.port);
  const body = Buffer.alloc(4 * MiB, 7);
  for (let from = 0; from < bytes; from += body.length) {
    const range = { "Content-Range": `bytes ${from}-${from + body.length - 1}/*` };
    const { status } = await connection.ask(`PUT ${path}`, range, body);
    expect(status).toBe(204);
  }
}

test("1,000 idle and 200 busy connections are served, and leave nothing behind", async () => {
  await using cluster = await startCluster();
  const vdi = await cluster.createVdi("many", { size: "64M" });
  await using server = await startServe(cluster, { args: ["--attach", vdi] });
  const path = `/volume/${vdi}`;
  await fill(server, path, 64 * MiB);
  const { pid } = server.child;
  const filesBefore = openFiles(pid);
  const idle = await Promise.all(
    Array.from({ length: 1_000 }, async () => {
      const connection = await RawConnection.open(server.port);
      expect((await connection.ask("OPTIONS /")).status).toBe(200);
      return connection;
    }),
  );
  const startMs = performance.now();
  const times = (
    await Promise.all(Array.from({ length: 200 }, () => readTimes(server, path, 25)))
  ).flat();
  const rate = Math.round((times.length * 1_000) / (performance.now() - startMs));
  times.sort((a, b) => a - b);
  const worstMs = percentile(times, 0.99).toFixed(0);
  const { peak } = rssMiB(pid);
  console.log(
    `measured: 1,000 idle and 200 busy connections: ${rate} reads of 64 KiB a second, p99 ${worstMs} ms, at most ${peak} MiB`,
  );
  expect(peak).toBeLessThan(300);
  for (const connection of idle) {
    expect(connection.ended).toBe(false);
    connection[Symbol.dispose]();
  }
  const endMs = performance.now() + 10_000;
  while (openFiles(pid) > filesBefore + 2 && performance.now() < endMs) await Bun.sleep(20);
  expect(openFiles(pid)).toBeLessThanOrEqual(filesBefore + 2);
}, 120_000);

test("200 slow readers cost little memory and delay nobody", async () => {
  await using cluster = await startCluster();
  const vdi = await cluster.createVdi("slow", { size: "1G" });
  await using server = await startServe(cluster, { args: ["--attach", vdi] });
  const path = `/volume/${vdi}`;
  await fill(server, path, 64 * MiB);
  const { pid } = server.child;
  const alone = await readTimes(server, path, 500);
  const before = rssMiB(pid).now;
  const program = join(import.meta.dirname, "slow-readers-child.ts");
  await using readers = start([process.execPath, program, String(server.port), path, "200"]);
  await readers.until(({ stdout }) => (stdout.includes("all") ? true : null), "first bytes");
  const beside = await readTimes(server, path, 500);
  // Some seconds of trickling: what is kept for a reader must not grow with what it has not taken.
  const endMs = performance.now() + 4_000;
  while (performance.now() < endMs) beside.push(...(await readTimes(server, path, 100)));
  beside.sort((a, b) => a - b);
  const { now, peak } = rssMiB(pid);
  const of = (times: readonly number[]): string =>
    `p50 ${percentile(times, 0.5).toFixed(1)} ms, p99 ${percentile(times, 0.99).toFixed(1)} ms`;
  console.log(
    `measured: 200 slow readers: server ${before} MiB before, ${now} MiB with them, at most ${peak} MiB; ` +
      `64 KiB read alone ${of(alone)}, beside them ${of(beside)}`,
  );
  expect(peak).toBeLessThan(200);
  expect(percentile(beside, 0.5)).toBeLessThan(10 * percentile(alone, 0.5) + 5);
  expect(percentile(beside, 0.99)).toBeLessThan(500);
  expect(readers.running).toBe(true);
  expect(readers.stdout).not.toContain("cut off");
}, 120_000);

test("200 stalled writers cost little memory and delay neither readers nor writers", async () => {
  await using cluster = await startCluster();
  const vdi = await cluster.createVdi("writers", { size: "1G" });
  await using server = await startServe(cluster, { args: ["--attach", vdi] });
  const path = `/volume/${vdi}`;
  await fill(server, path, 64 * MiB);
  const { pid } = server.child;
  const alone = await readTimes(server, path, 300);
  const writers = await Promise.all(
    Array.from({ length: 200 }, async (_, index) => {
      const connection = await RawConnection.open(server.port);
      const from = (64 + index) * MiB;
      const range = { "Content-Range": `bytes ${from}-${from + MiB - 1}/*` };
      connection.send(requestHead(`PUT ${path}`, { ...range, "Content-Length": MiB }));
      await connection.deliver(Buffer.alloc(300_000, 1));
      return connection;
    }),
  );
  const beside = await readTimes(server, path, 300);
  const startMs = performance.now();
  await fill(server, path, 64 * MiB);
  const filledMs = performance.now() - startMs;
  const { peak } = rssMiB(pid);
  console.log(
    `measured: 200 stalled writers: at most ${peak} MiB; 64 KiB read alone p99 ` +
      `${percentile(alone, 0.99).toFixed(1)} ms, beside them ${percentile(beside, 0.99).toFixed(1)} ms; 64 MiB written beside them in ${filledMs.toFixed(0)} ms`,
  );
  expect(peak).toBeLessThan(250);
  expect(percentile(beside, 0.99)).toBeLessThan(500);
  expect(filledMs).toBeLessThan(15_000);
  const rest = Buffer.alloc(MiB - 300_000, 1);
  const ends = await Promise.all(
    writers.map(async (writer) => {
      writer.send(rest);
      const answer = await writer.answer();
      writer[Symbol.dispose]();
      return answer?.status;
    }),
  );
  expect(ends.filter((status) => status !== 204)).toEqual([]);
}, 120_000);
