import { expect, test } from "bun:test";
import { readFile, writeFile } from "node:fs/promises";
import { startCluster, startSheepProcess } from "../support/cluster.ts";
import { CountingProxy } from "../support/counting-proxy.ts";
import { mountSheepfs } from "../support/mount.ts";
import { type Child, start } from "../support/process.ts";

/** Writes and verifies for some seconds, and fails at the first byte or call that is wrong. */
function fio(path: string): Child {
  return start(
    [
      ...["fio", "--name=moving", `--filename=${path}`, "--size=48m", "--bsrange=4k-512k"],
      ...["--rw=randrw", "--ioengine=libaio", "--iodepth=16", "--direct=1", "--thread"],
      ...[
        "--verify=crc32c",
        "--verify_state_save=0",
        "--verify_fatal=1",
        "--verify_backlog=64",
        "--loops=3",
      ],
      "--rate=24m,24m",
    ],
    { cwd: "/" },
  );
}

// [S-28]
test("fio sees nothing of the gateway being changed while it runs", async () => {
  await using cluster = await startCluster();
  await using other = await CountingProxy.before(cluster);
  const vdi = await cluster.createVdi("moving", { size: "48M", objectSize: "1M" });
  await using mount = await mountSheepfs(cluster, { args: ["--attach", vdi] });
  const file = mount.file("config", "sheep_info");
  await using child = fio(mount.file("volume", vdi));
  let moves = 0;
  for (; child.running; moves += 1) {
    const address = moves % 2 === 0 ? other.address : cluster.address;
    await writeFile(file, `${address}\n`);
    expect(await readFile(file, "utf8")).toBe(`${address}\n`);
    await Bun.sleep(50);
  }
  expect([await child.exit(), child.stderr]).toEqual([0, ""]);
  expect(moves).toBeGreaterThan(4);
}, 60_000);

// [S-37]
test("fio sees nothing of connections that break while it runs", async () => {
  await using cluster = await startCluster();
  await using proxy = await CountingProxy.before(cluster);
  const vdi = await cluster.createVdi("breaking", { size: "48M", objectSize: "1M" });
  const args = ["--attach", vdi];
  await using mount = await mountSheepfs(proxy, { args });
  await using child = fio(mount.file("volume", vdi));
  let cuts = 0;
  for (; child.running && cuts < 4; cuts += 1) {
    await Bun.sleep(300);
    proxy.cut();
  }
  expect([await child.exit(90_000), child.stderr]).toEqual([0, ""]);
  expect(cuts).toBeGreaterThan(2);
}, 120_000);

test("fio sees nothing of a sheep that is killed and started again while it runs", async () => {
  await using cluster = await startSheepProcess();
  const vdi = await cluster.createVdi("dying", { size: "48M", objectSize: "1M" });
  await using mount = await mountSheepfs(cluster, { args: ["--attach", vdi] });
  await using child = fio(mount.file("volume", vdi));
  for (let kills = 0; kills < 3 && child.running; kills += 1) {
    await Bun.sleep(400);
    await cluster.restart("SIGKILL");
  }
  expect([await child.exit(90_000), child.stderr]).toEqual([0, ""]);
}, 120_000);
