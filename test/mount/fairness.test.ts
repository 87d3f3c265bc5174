import { expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { startCluster } from "../support/cluster.ts";
import { mountSheepfs } from "../support/mount.ts";
import { must } from "../support/process.ts";

const volumes = 16;
const writersEach = 4;

// [S-85]
test("64 writers on 16 volumes share fairly, in bounded memory", async () => {
  await using cluster = await startCluster();
  const vdis: string[] = [];
  for (let count = 0; count < volumes; count += 1) {
    vdis.push(await cluster.createVdi(`fair${count}`, { size: "64M" }));
  }
  const args = vdis.flatMap((vdi) => ["--attach", vdi]);
  await using mount = await mountSheepfs(cluster, { args });
  const jobs = vdis.flatMap((vdi) => [
    `--name=${vdi}`,
    `--filename=${mount.file("volume", vdi)}`,
    ...["--rw=randwrite", "--bs=64k", "--size=64m", "--ioengine=libaio", "--iodepth=8"],
    ...["--direct=1", "--thread", `--numjobs=${writersEach}`, "--group_reporting=1"],
    ...["--new_group=1", "--time_based=1", "--runtime=8s"],
  ]);
  const line = ["fio", "--output-format=json", ...jobs];
  const { jobs: groups } = JSON.parse(await must(line, { cwd: "/", deadlineMs: 90_000 })) as {
    jobs: readonly { readonly error: number; readonly write: { readonly io_bytes: number } }[];
  };
  expect(groups.map(({ error }) => error)).toEqual(vdis.map(() => 0));
  const written = groups.map(({ write }) => write.io_bytes);
  const spread = Math.min(...written) / Math.max(...written);
  const peakMiB = Math.round(peakKiB(mount.serverPid) / 1024);
  console.log(
    `slowest / fastest volume ${spread.toFixed(2)}, resident memory at most ${peakMiB} MiB`,
  );
  expect(spread).toBeGreaterThan(0.25);
  expect(peakMiB).toBeLessThan(400);
}, 150_000);

function peakKiB(pid: number): number {
  const status = readFileSync(`/proc/${pid}/status`, "utf8");
  return Number(/VmHWM:\s+([0-9]+) kB/.exec(status)?.[1]);
}
