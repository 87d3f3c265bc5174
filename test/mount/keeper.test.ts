import { expect, test } from "bun:test";
import {
  closeSync,
  existsSync,
  mkdirSync,
  openSync,
  readFileSync,
  readSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { join } from "node:path";
import { startCluster, startSheepProcess } from "../support/cluster.ts";
import { LoopMount } from "../support/loop-mount.ts";
import { isMounted, mountSheepfs, type TestMount, tearDown } from "../support/mount.ts";
import { ioBytes, rssMiB } from "../support/proc.ts";
import { must, sheepfsBinary, start, TemporaryFolder } from "../support/process.ts";
import { MiB, pattern, readAt, writeAt } from "./bytes.ts";
import { OtherClient } from "./other-client.ts";

/** Waits until a condition holds; the test's own deadline is the limit. */
async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await Bun.sleep(2);
}

/** Processes that have this file open see it go on after each of `kills` deaths of the server. */
async function killWhile(mount: TestMount, kills: number, pid: number): Promise<number> {
  let longestMs = 0;
  for (let kill = 0; kill < kills; kill += 1) {
    const before = ioBytes(pid);
    const startMs = performance.now();
    await mount.killServer();
    await until(() => ioBytes(pid) > before + MiB);
    longestMs = Math.max(longestMs, performance.now() - startMs);
    await until(() => ioBytes(pid) > before + 8 * MiB);
  }
  return longestMs;
}

// [S-90]
test("a killed server is replaced under fio, which sees a pause and no error", async () => {
  await using cluster = await startCluster();
  const vdi = await cluster.createVdi("kill", { size: "64M" });
  await using mount = await mountSheepfs(cluster, { args: ["--attach", vdi] });
  await using fio = start([
    ...["fio", "--name=kill", `--filename=${mount.file("volume", vdi)}`, "--size=4m"],
    ...["--numjobs=8", "--offset_increment=4m", "--group_reporting", "--thread"],
    ...["--rw=randwrite", "--ioengine=psync", "--direct=1", "--bsrange=4k-64k"],
    ...["--verify=crc32c", "--verify_state_save=0", "--verify_fatal=1", "--do_verify=1"],
    "--loops=100000",
  ]);
  await until(() => ioBytes(fio.pid) > 4 * MiB);
  const longestMs = await killWhile(mount, 4, fio.pid);
  expect(fio.running).toBe(true);
  fio.kill("SIGINT");
  await fio.exit(30_000);
  expect(fio.stdout).toContain("err= 0");
  expect(`${fio.stdout}${fio.stderr}`).not.toContain("verify:");
  const { now } = rssMiB(mount.child.pid);
  console.log(`measured: pause with a kill at most ${Math.round(longestMs)} ms, keeper ${now} MiB`);
}, 60_000);

test("an ext4 on a loop device outlives the servers of its volume", async () => {
  await using cluster = await startCluster();
  const vdi = await cluster.createVdi("loop", { size: "128M" });
  await using mount = await mountSheepfs(cluster, { args: ["--attach", vdi] });
  const volume = mount.file("volume", vdi);
  await must(["mkfs.ext4", "-q", "-F", volume]);
  await using loop = new LoopMount();
  const path = await loop.mount(volume);
  await using dd = start(["dd", "if=/dev/urandom", `of=${path}/file`, "bs=256k", "oflag=direct"]);
  for (let kill = 0; kill < 2; kill += 1) {
    const before = ioBytes(dd.pid);
    await mount.killServer();
    await until(() => ioBytes(dd.pid) > before + 4 * MiB);
  }
  dd.kill("SIGINT");
  await dd.exit();
  await must(["dd", `if=${path}/file`, "of=/dev/null", "bs=256k", "iflag=direct"]);
  await loop.unmount();
  await must(["e2fsck", "-f", "-n", volume]);
}, 60_000);

// [S-91]
test("what is open and what was set goes on with the next server", async () => {
  await using cluster = await startCluster();
  const [vdi, other] = [
    await cluster.createVdi("open", { size: "8M" }),
    await cluster.createVdi("later", { size: "8M" }),
  ];
  await using mount = await mountSheepfs(cluster, { args: ["--attach", vdi] });
  mount.attach(other);
  mount.detach(other);
  mount.attach(other);
  writeFileSync(mount.file("config", "page_cache"), "1\n");
  const volume = openSync(mount.file("volume", vdi), "r+");
  const list = openSync(mount.file("vdi", "list"), "r");
  const control = openSync(mount.file("vdi", "unmount"), "w");
  const gone = openSync(mount.file("volume", other), "r");
  try {
    const before = readFileSync(mount.file("vdi", "list"));
    const part = Buffer.alloc(10);
    readSync(list, part, 0, 10, 0);
    writeSync(volume, pattern(4096, 1), 0, 4096, 0);
    await mount.killServer();
    // A text stays what it was, in whatever pieces.
    const rest = Buffer.alloc(before.length);
    const count = readSync(list, rest, 0, rest.length, 10);
    expect(Buffer.concat([part, rest.subarray(0, count)]).equals(before)).toBe(true);
    writeSync(volume, pattern(4096, 2), 0, 4096, 4096);
    expect(readAt(mount.file("volume", vdi), 0, 4096).equals(pattern(4096, 1))).toBe(true);
    expect(readAt(mount.file("volume", vdi), 4096, 4096).equals(pattern(4096, 2))).toBe(true);
    expect(readFileSync(mount.file("config", "page_cache"), "utf8")).toBe("1\n");
    expect(readFileSync(mount.file("vdi", "mount"), "utf8")).toContain(`${vdi}  `);
    // It is open still, and known to be.
    expect(() => writeSync(control, `${other}\n`)).toThrow("EBUSY");
    closeSync(gone);
    writeSync(control, `${other}\n`);
    expect(() => readAt(mount.file("volume", other), 0, 512)).toThrow("ENOENT");
  } finally {
    for (const fd of [volume, list, control]) closeSync(fd);
  }
  expect(await mount.stop()).toBe(0);
  expect(isMounted(mount.path)).toBe(false);
});

// [S-92]
test("what is open of a VDI that is another one by then fails, and nothing is written", async () => {
  await using cluster = await startSheepProcess();
  const vdi = await cluster.createVdi("twice", { size: "8M" });
  await using mount = await mountSheepfs(cluster, { args: ["--attach", vdi] });
  const fd = openSync(mount.file("volume", vdi), "r+");
  try {
    writeSync(fd, pattern(4096, 1), 0, 4096, 0);
    const server = mount.serverPid;
    mount.child.kill("SIGSTOP");
    process.kill(server, "SIGKILL");
    await using other = await OtherClient.connect(cluster.address);
    await other.delete(vdi);
    await other.create(vdi, 8 * MiB);
    mount.child.kill("SIGCONT");
    await mount.child.until(
      ({ stderr }) => (stderr.includes("again\n") ? true : null),
      "successor",
    );
    expect(() => writeSync(fd, pattern(4096, 2), 0, 4096, 0)).toThrow("ESTALE");
    expect(mount.child.stderr).toContain("its name means another VDI");
    mount.attach(vdi);
    expect(readAt(mount.file("volume", vdi), 0, 4096).equals(Buffer.alloc(4096))).toBe(true);
  } finally {
    closeSync(fd);
  }
});

// [S-90]
test("a server that cannot be started for want of descriptors is as soon as there are some", async () => {
  await using cluster = await startCluster();
  const vdi = await cluster.createVdi("short", { size: "8M" });
  await using mount = await mountSheepfs(cluster, { args: ["--attach", vdi] });
  const path = mount.file("volume", vdi);
  writeAt(path, 0, pattern(4096, 1));
  const limit = (files: string) =>
    must(["prlimit", `--pid=${mount.child.pid}`, `--nofile=${files}`]);
  await limit("4:");
  process.kill(mount.serverPid, "SIGKILL");
  await using reading = start(["dd", `if=${path}`, "of=/dev/null", "bs=4096", "count=1"]);
  await until(() => mount.child.stderr.includes("no server for"));
  expect(reading.running).toBe(true);
  await limit("1024:");
  expect(await reading.exit()).toBe(0);
  expect(readAt(path, 0, 4096).equals(Buffer.from(pattern(4096, 1)))).toBe(true);
}, 60_000);

test("a signal in the moment in which it becomes usable ends a mount in order", async () => {
  await using cluster = await startCluster();
  using folder = new TemporaryFolder();
  const path = join(folder.path, "mnt");
  mkdirSync(path);
  const line = [await sheepfsBinary(), "mount", path, "-s", cluster.address, "-f"];
  for (let round = 0; round < 12; round += 1) {
    const child = start(line);
    try {
      await until(() => isMounted(path));
      // Whatever the keeper knows of it by then.
      await Bun.sleep(round);
      child.kill("SIGTERM");
      expect([round, await child.exit(), isMounted(path)]).toEqual([round, 0, false]);
    } finally {
      await child[Symbol.asyncDispose]();
      tearDown(path);
    }
  }
});

// [S-93]
test("without its keeper a server goes on, and says that none will follow", async () => {
  await using cluster = await startCluster();
  const vdi = await cluster.createVdi("alone", { size: "8M" });
  await using mount = await mountSheepfs(cluster, { args: ["--attach", vdi] });
  const server = mount.serverPid;
  mount.child.kill("SIGKILL");
  await mount.child.until(
    ({ stderr }) => (stderr.includes("keeper is gone") ? true : null),
    "word",
  );
  writeAt(mount.file("volume", vdi), 0, pattern(4096, 3));
  expect(readAt(mount.file("volume", vdi), 0, 4096).equals(pattern(4096, 3))).toBe(true);
  // To other mounts it is there, although whom it was started by is not.
  await expect(mountSheepfs(cluster, { args: ["--attach", vdi] })).rejects.toThrow(
    `VDI '${vdi}' is attached by sheepfs`,
  );
  process.kill(server, "SIGTERM");
  await until(() => !existsSync(`/proc/${server}/exe`));
  expect(isMounted(mount.path)).toBe(false);
});

// [S-94]
test("servers that die one after the other are given up, and nobody waits for them", async () => {
  await using cluster = await startCluster();
  const vdi = await cluster.createVdi("loop", { size: "8M" });
  await using mount = await mountSheepfs(cluster, { args: ["--attach", vdi] });
  const volume = mount.file("volume", vdi);
  await using reader = start([
    "sh",
    "-c",
    `while dd if=${volume} of=/dev/null bs=4k count=1; do :; done`,
  ]);
  const killed = new Set<number>();
  while (mount.child.running) {
    try {
      const pid = mount.serverPid;
      if (!killed.has(pid)) process.kill(pid, "SIGKILL");
      killed.add(pid);
    } catch {
      // Between two servers.
    }
    await Bun.sleep(1);
  }
  expect(await mount.child.exit()).toBe(2);
  expect(mount.child.stderr).toContain("servers died one after the other");
  expect(killed.size).toBeLessThan(10);
  await reader.exit();
  expect(reader.stderr).toMatch(/not connected|connection abort|Input\/output/);
});
