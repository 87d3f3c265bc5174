import { expect, test } from "bun:test";
import { closeSync, existsSync, mkdirSync, openSync, readFileSync, readSync } from "node:fs";
import { join } from "node:path";
import { startCluster } from "../support/cluster.ts";
import { isMounted, mountSheepfs, tearDown } from "../support/mount.ts";
import { must, sheepfs, sheepfsBinary, start, TemporaryFolder } from "../support/process.ts";

/** Has a file open, and is killed while it waits for the daemon to let it close it. */
async function endOn(file: string, stop: () => void): Promise<void> {
  const child = start(["sh", "-c", `exec 3<${file}; echo open; read line`]);
  await child.until(({ stdout }) => (stdout.includes("open") ? true : null), "open");
  stop();
  child.kill("SIGKILL");
  // The kernel flushes what it had open before it is gone.
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
    const fd = openSync(mount.file("volume", vdi), "r");
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
      expect(() => readSync(fd, Buffer.alloc(512), 0, 512, 0)).toThrow();
      await mount.child.exit();
    } finally {
      // Else the close would wait for a daemon that is stopped.
      tearDown(mount.path);
      closeSync(fd);
    }
  });
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
  const none = await sheepfs(["upgrade", path]);
  expect([none.exitCode, none.stderr]).toEqual([64, expect.stringContaining("has no keeper")]);
  try {
    await endOn(join(path, "cluster", "info"), () => process.kill(pid, "SIGSTOP"));
    const outcome = await sheepfs(["umount", "--force", path]);
    expect(outcome).toEqual({ stdout: "", stderr: "", exitCode: 0 });
    expect(isMounted(path)).toBe(false);
    expect(existsSync(`/proc/${pid}/exe`)).toBe(false);
  } finally {
    tearDown(path);
  }
  const gone = await sheepfs(["umount", "--force", path]);
  expect(gone.stderr).toContain(`nothing is mounted on '${path}'`);
});
