import { describe, expect, test } from "bun:test";
import {
  closeSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  rmdirSync,
  statfsSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { startCluster, startSheepProcess } from "../support/cluster.ts";
import { isMounted, mountSheepfs } from "../support/mount.ts";
import { run, sheepfs, start, TemporaryFolder } from "../support/process.ts";
import { MiB, pattern, readAt, writeAt } from "./bytes.ts";
import { OtherClient } from "./other-client.ts";

describe("a mountpoint that cannot be used is named, with what to do", () => {
  interface Place {
    readonly name: string;
    readonly prepare: (folder: string) => string;
    readonly says: string;
    readonly exitCode: number;
  }
  const places: readonly Place[] = [
    {
      name: "missing",
      prepare: (folder) => join(folder, "missing"),
      says: "does not exist",
      exitCode: 5,
    },
    {
      name: "a file",
      prepare: (folder) => {
        writeFileSync(join(folder, "file"), "");
        return join(folder, "file");
      },
      says: "not a directory",
      exitCode: 1,
    },
    {
      name: "not empty",
      prepare: (folder) => {
        mkdirSync(join(folder, "full", "child"), { recursive: true });
        return join(folder, "full");
      },
      says: "not empty",
      exitCode: 1,
    },
  ];
  for (const { name, prepare, says, exitCode } of places) {
    test(name, async () => {
      await using cluster = await startCluster();
      using folder = new TemporaryFolder();
      const path = prepare(folder.path);
      const outcome = await sheepfs(["mount", path, "-s", cluster.address]);
      expect(outcome.stdout).toBe("");
      expect(outcome.stderr).toContain(path);
      expect(outcome.stderr).toContain(says);
      expect(outcome.stderr.trim().split("\n").length).toBe(1);
      expect(outcome.exitCode).toBe(exitCode);
      expect(isMounted(path)).toBe(false);
    });
  }

  test("already mounted", async () => {
    await using cluster = await startCluster();
    await using mount = await mountSheepfs(cluster);
    const outcome = await sheepfs(["mount", mount.path, "-s", cluster.address]);
    expect(outcome.stderr).toContain("already mounted");
    expect(outcome.exitCode).not.toBe(0);
    expect(readdirSync(mount.path)).toContain("volume");
  });

  test("a directory of another mount of sheepfs, which it would hide", async () => {
    await using cluster = await startCluster();
    await using mount = await mountSheepfs(cluster);
    const outcome = await sheepfs(["mount", mount.file("volume"), "-s", cluster.address]);
    expect(outcome.stderr).toContain(`lies in the mount of sheepfs on '${mount.path}'`);
    expect(outcome.exitCode).toBe(1);
    expect(isMounted(mount.file("volume"))).toBe(false);
  });

  // [S-95]
  test("a dead mount is told from a live one and replaced, which is said", async () => {
    await using cluster = await startCluster();
    await using mount = await mountSheepfs(cluster);
    await mount.kill();
    expect(() => readdirSync(mount.path)).toThrow("ENOTCONN");
    const outcome = await sheepfs(["mount", mount.path, "-s", cluster.address]);
    expect(outcome.stderr).toBe(`sheepfs: the dead mount on '${mount.path}' was replaced\n`);
    expect(outcome.exitCode).toBe(0);
    expect(readdirSync(mount.path)).toContain("volume");
    expect((await sheepfs(["umount", mount.path])).exitCode).toBe(0);
    expect(isMounted(mount.path)).toBe(false);
  });

  test("a dead mount can be cleared", async () => {
    await using cluster = await startCluster();
    await using mount = await mountSheepfs(cluster);
    await mount.kill();
    const cleared = await sheepfs(["umount", mount.path]);
    expect(cleared.stderr).toBe("");
    expect(isMounted(mount.path)).toBe(false);
  });
});

test("an unknown mount option is named", async () => {
  await using cluster = await startCluster();
  using folder = new TemporaryFolder();
  const outcome = await sheepfs([
    ...["mount", folder.path, "-s", cluster.address],
    ...["-o", "ro,frobnicate"],
  ]);
  expect(outcome.stderr).toContain("frobnicate");
  expect(outcome.exitCode).not.toBe(0);
  expect(isMounted(folder.path)).toBe(false);
});

test("mount options are those of the mount", async () => {
  await using cluster = await startCluster();
  const args = ["-o", "allow_other,uid=1234,gid=99,umask=027,noatime,fsname=prod"];
  await using mount = await mountSheepfs(cluster, { args });
  const row = readFileSync("/proc/self/mounts", "utf8")
    .split("\n")
    .find((line) => line.includes(mount.path));
  expect(row).toStartWith("prod ");
  expect(row).toContain(" fuse.sheepfs ");
  for (const word of ["nosuid", "nodev", "noatime", "allow_other", "default_permissions"]) {
    expect(row).toContain(word);
  }
  for (const [file, modeBits] of [
    ["cluster/info", 0o440],
    ["config/sheep_info", 0o640],
  ] as const) {
    const { uid, gid, mode } = statSync(mount.file(file));
    expect([file, uid, gid, mode & 0o777]).toEqual([file, 1234, 99, modeBits]);
  }
});

// [S-33]
test("on a read-only mount nothing can be written", async () => {
  await using cluster = await startCluster();
  const vdi = await cluster.createVdi("ro", { size: "8M" });
  const args = ["--read-only", "--attach", vdi];
  await using mount = await mountSheepfs(cluster, { args });
  expect(() => openSync(mount.file("volume", vdi), "r+")).toThrow("EROFS");
  expect(() => mount.attach(vdi)).toThrow("EROFS");
});

// [S-35]
test("df shows the space of the cluster", async () => {
  await using cluster = await startCluster();
  await using mount = await mountSheepfs(cluster);
  const { blocks, bfree, bsize } = statfsSync(mount.path);
  expect(blocks * bsize).toBeGreaterThan(1 << 20);
  expect(bfree).toBeGreaterThan(0);
  expect(bfree).toBeLessThanOrEqual(blocks);
});

// [S-32]
test("umount names who keeps the mount busy, and succeeds when nobody does", async () => {
  await using cluster = await startCluster();
  const vdi = await cluster.createVdi("busy", { size: "8M" });
  await using mount = await mountSheepfs(cluster, { args: ["--attach", vdi] });
  const fd = openSync(mount.file("volume", vdi), "r");
  const busy = await sheepfs(["umount", mount.path]);
  expect(busy.stderr).toContain(`pid ${process.pid}`);
  expect(busy.stderr).toContain(`volume/${vdi}`);
  expect(busy.exitCode).toBe(1);
  expect(isMounted(mount.path)).toBe(true);
  closeSync(fd);
  const done = await sheepfs(["umount", mount.path]);
  expect(done).toEqual({ stdout: "", stderr: "", exitCode: 0 });
  expect(isMounted(mount.path)).toBe(false);
  expect(await mount.child.exit()).toBe(0);
});

test("umount succeeds though an attached VDI was deleted meanwhile", async () => {
  await using cluster = await startSheepProcess();
  const vdi = await cluster.createVdi("gone", { size: "8M" });
  await using other = await OtherClient.connect(cluster.address);
  await using mount = await mountSheepfs(cluster, { args: ["--attach", vdi] });
  await other.delete(vdi);
  const done = await sheepfs(["umount", mount.path]);
  expect(done).toEqual({ stdout: "", stderr: "", exitCode: 0 });
  expect(await mount.child.exit()).toBe(0);
});

test("an address where another program answers is named, with what to check", async () => {
  for (const says of ["", "HTTP/1.1 400 Bad Request\r\n\r\n".repeat(3)]) {
    const open = (socket: Bun.Socket): void => {
      if (says === "") socket.end();
      else socket.write(says);
    };
    using other = Bun.listen({ hostname: "127.0.0.1", port: 0, socket: { open, data: () => {} } });
    using folder = new TemporaryFolder();
    const address = `127.0.0.1:${other.port}`;
    const outcome = await sheepfs(["mount", folder.path, "-s", address]);
    expect(outcome.stderr).toContain(`${address} `);
    expect(outcome.stderr).toEndWith("; check that a sheep listens there\n");
    expect(outcome.exitCode).toBe(2);
    expect(isMounted(folder.path)).toBe(false);
  }
});

test("umount of a path that does not exist says only that", async () => {
  using folder = new TemporaryFolder();
  const outcome = await sheepfs(["umount", join(folder.path, "missing")]);
  expect(outcome.stderr).toMatch(/\/missing' does not exist\n$/);
  expect(outcome.exitCode).toBe(5);
});

test("umount of what is no mount of ours is refused", async () => {
  using folder = new TemporaryFolder();
  const outcome = await sheepfs(["umount", folder.path]);
  expect(outcome.stderr).toContain(folder.path);
  expect(outcome.exitCode).not.toBe(0);
});

test("an unmount from outside ends the program in order", async () => {
  await using cluster = await startCluster();
  await using mount = await mountSheepfs(cluster);
  expect((await run(["umount", mount.path])).exitCode).toBe(0);
  expect(await mount.child.exit()).toBe(0);
});

for (const signal of ["SIGTERM", "SIGINT"] as const) {
  // [S-31]
  test(`${signal} makes what was written durable and unmounts, also while files are open`, async () => {
    await using cluster = await startCluster();
    const vdi = await cluster.createVdi("term", { size: "8M" });
    const data = Buffer.alloc(100_000, signal);
    {
      await using mount = await mountSheepfs(cluster, { args: ["--attach", vdi] });
      const fd = openSync(mount.file("volume", vdi), "r+");
      writeFileSync(fd, data);
      mount.child.kill(signal);
      expect(await mount.child.exit()).toBe(0);
      expect(isMounted(mount.path)).toBe(false);
      closeSync(fd);
    }
    await using mount = await mountSheepfs(cluster, { args: ["--attach", vdi] });
    expect(readFileSync(mount.file("volume", vdi)).subarray(0, data.length).equals(data)).toBe(
      true,
    );
  });
}

// [S-30]
test("the daemon returns when the mount is usable, and is gone after umount", async () => {
  await using cluster = await startCluster();
  using folder = new TemporaryFolder();
  const path = join(folder.path, "mnt");
  mkdirSync(path);
  const mounted = await sheepfs(["mount", path, "-s", cluster.address]);
  expect(mounted).toMatchObject({ stderr: "", exitCode: 0 });
  expect(readFileSync(join(path, "cluster", "info"), "utf8")).toContain("Cluster status: running");
  expect((await sheepfs(["umount", path])).exitCode).toBe(0);
  expect(isMounted(path)).toBe(false);
  rmdirSync(path);
});

// [S-38]
test("a tree of an unreachable cluster can still be listed and unmounted", async () => {
  await using cluster = await startSheepProcess();
  await using mount = await mountSheepfs(cluster);
  cluster.child.kill("SIGKILL");
  await cluster.child.exit();
  expect(readdirSync(mount.path).sort()).toEqual([
    ...["cluster", "config", "node", "snapshot", "vdi", "volume"],
  ]);
  expect(await mount.stop()).toBe(0);
});

// [S-3]
test("what a write has returned for is there after the daemon was killed", async () => {
  await using cluster = await startCluster();
  const vdi = await cluster.createVdi("killed", { size: "16M", objectSize: "1M" });
  const bytes = pattern(3 * MiB, 5);
  {
    await using mount = await mountSheepfs(cluster, { args: ["--attach", vdi] });
    expect(writeAt(mount.file("volume", vdi), MiB - 1000, bytes)).toBe(bytes.length);
    await mount.kill();
  }
  await using mount = await mountSheepfs(cluster, { args: ["--attach", vdi] });
  expect(readAt(mount.file("volume", vdi), MiB - 1000, bytes.length).equals(bytes)).toBe(true);
});

// [S-39]
test("a program that waits for a cluster that does not answer can be ended", async () => {
  await using cluster = await startSheepProcess();
  const vdi = await cluster.createVdi("wait", { size: "8M" });
  await using mount = await mountSheepfs(cluster, { args: ["--attach", vdi] });
  const volume = mount.file("volume", vdi);
  writeAt(volume, 0, pattern(4096, 1));
  cluster.child.kill("SIGSTOP");
  await using reader = start(["dd", `if=${volume}`, "of=/dev/null", "bs=4096", "count=1"]);
  // It sleeps in the kernel once its read is on its way to the cluster.
  while (!/^State:\s+[SD]/m.test(readFileSync(`/proc/${reader.pid}/status`, "utf8"))) {
    await Bun.sleep(5);
  }
  reader.kill("SIGINT");
  expect(await reader.exit(5_000)).not.toBe(0);
  cluster.child.kill("SIGCONT");
  expect(readAt(volume, 0, 4096).equals(pattern(4096, 1))).toBe(true);
});

// [S-19]
test("a VDI that cannot be addressed exactly is refused when it is attached", async () => {
  await using cluster = await startSheepProcess();
  const vdi = await cluster.createVdi("vast", { size: "8M" });
  await using other = await OtherClient.connect(cluster.address);
  await using mount = await mountSheepfs(cluster);
  for (const bytes of [2n ** 53n, 2n ** 63n, 2n ** 64n - 1n]) {
    await other.resize(vdi, bytes);
    expect(() => mount.attach(vdi)).toThrow("EFBIG");
    expect(readdirSync(mount.file("volume"))).toEqual([]);
  }
  expect(readFileSync(mount.file("vdi", "mount"), "utf8")).toContain(vdi);
});
