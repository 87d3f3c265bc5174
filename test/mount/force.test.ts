import { expect, test } from "bun:test";
import { existsSync, mkdirSync, readdirSync, readFileSync, readlinkSync } from "node:fs";
import { join } from "node:path";
import { startCluster, startSheepProcess } from "../support/cluster.ts";
import { isMounted, mountSheepfs, tearDown } from "../support/mount.ts";
import {
  type Child,
  must,
  sheepfs,
  sheepfsBinary,
  start,
  TemporaryFolder,
} from "../support/process.ts";

// Files are open in other processes only: one of ours that starts a program closes them in it, which
// would wait for a daemon that is stopped.

/** Has a file open, and goes on with it as long as it can. */
async function use(file: string, andThen: string): Promise<Child> {
  const child = start(["sh", "-c", `exec 3<${file}; echo open; ${andThen}`]);
  await child.until(({ stdout }) => (stdout.includes("open") ? true : null), "open");
  return child;
}

const readUntilItFails = "while dd bs=512 count=1 of=/dev/null <&3; do :; done";

/** It is killed while it has a file open: the kernel asks the daemon to flush that first. */
async function endOn(file: string, stop: () => void): Promise<void> {
  const child = await use(file, "exec sleep 600");
  stop();
  child.kill("SIGKILL");
  while (!/^State:\tD/m.test(readFileSync(`/proc/${child.pid}/status`, "utf8"))) await Bun.sleep(5);
}

// [S-95]
for (const state of [
  ...(["stopped", "stopped under a program that ends", "without its keeper"] as const),
  ...(["without its server", "well"] as const),
]) {
  test(`umount --force takes a mount away whose daemon is ${state}`, async () => {
    await using cluster = await startCluster();
    const vdi = await cluster.createVdi("force", { size: "8M" });
    await using mount = await mountSheepfs(cluster, { args: ["--attach", vdi] });
    await using reader = await use(mount.file("volume", vdi), readUntilItFails);
    const server = mount.serverPid;
    const stop = (): void => {
      mount.child.kill("SIGSTOP");
      process.kill(server, "SIGSTOP");
    };
    if (state === "stopped") stop();
    if (state === "stopped under a program that ends") await endOn(mount.file("volume", vdi), stop);
    if (state === "without its keeper") mount.child.kill("SIGKILL");
    if (state === "without its server") {
      mount.child.kill("SIGSTOP");
      process.kill(server, "SIGKILL");
    }
    try {
      const outcome = await sheepfs(["umount", "--force", mount.path]);
      expect(outcome).toEqual({ stdout: "", stderr: "", exitCode: 0 });
      expect(isMounted(mount.path)).toBe(false);
      expect(existsSync(`/proc/${server}/exe`)).toBe(false);
      await reader.exit();
      expect(reader.stderr).toMatch(/not connected|connection abort|Input\/output/);
      await mount.child.exit();
    } finally {
      tearDown(mount.path);
    }
  });
}

// What was attached is let go of after the device, which a cluster that hangs does not let it do.
test("umount --force ends a server that has closed the device and cannot end by itself", async () => {
  await using sheep = await startSheepProcess();
  const vdi = await sheep.createVdi("force", { size: "8M" });
  await using mount = await mountSheepfs(sheep, { args: ["--attach", vdi] });
  const server = mount.serverPid;
  sheep.child.kill("SIGSTOP");
  mount.child.kill("SIGKILL");
  try {
    await must(["umount", mount.path]);
    while (hasDevice(server)) await Bun.sleep(5);
    const outcome = await sheepfs(["umount", "--force", mount.path]);
    expect(outcome).toEqual({ stdout: "", stderr: "", exitCode: 0 });
    expect(existsSync(`/proc/${server}/exe`)).toBe(false);
    await mount.child.exit();
  } finally {
    sheep.child.kill("SIGCONT");
    tearDown(mount.path);
  }
});

function hasDevice(pid: number): boolean {
  const folder = `/proc/${pid}/fd`;
  return readdirSync(folder).some((fd) => linkTarget(`${folder}/${fd}`) === "/dev/fuse");
}

/** Empty for a descriptor that was just closed. */
function linkTarget(path: string): string {
  try {
    return readlinkSync(path);
  } catch {
    return "";
  }
}

test("umount --force takes the mount of a server away that is stopped and has no keeper", async () => {
  await using cluster = await startCluster();
  using folder = new TemporaryFolder();
  const path = join(folder.path, "mnt");
  mkdirSync(path);
  const pidFile = join(folder.path, "pid");
  const line = ["serve", "--webdav", "127.0.0.1:0", "--mount", path, "-s", cluster.address];
  await must([await sheepfsBinary(), ...line, "--pid-file", pidFile]);
  const pid = Number(readFileSync(pidFile, "utf8"));
  try {
    const none = await sheepfs(["upgrade", path]);
    expect(none.stderr).toContain("has no keeper that could hand it over");
    await endOn(join(path, "cluster", "info"), () => process.kill(pid, "SIGSTOP"));
    const outcome = await sheepfs(["umount", "--force", path]);
    expect(outcome).toEqual({ stdout: "", stderr: "", exitCode: 0 });
    expect(isMounted(path)).toBe(false);
    expect(existsSync(`/proc/${pid}/exe`)).toBe(false);
  } finally {
    tearDown(path);
  }
  expect(existsSync(`/proc/${pid}/exe`)).toBe(false);
  const gone = await sheepfs(["umount", "--force", path]);
  expect(gone.stderr).toContain(`nothing is mounted on '${path}'`);
});
