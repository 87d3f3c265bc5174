import { expect, test } from "bun:test";
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, symlinkSync } from "node:fs";
import { join } from "node:path";
import { startCluster, startSheepProcess } from "../support/cluster.ts";
import { isMounted, mountSheepfs } from "../support/mount.ts";
import { NotifySocket } from "../support/notify-socket.ts";
import { must, run, sheepfsBinary, TemporaryFolder } from "../support/process.ts";

const root = join(import.meta.dirname, "..", "..");

async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await Bun.sleep(5);
}

// [S-67]
test("a service manager hears when it is usable, that it lives, and when it ends", async () => {
  await using cluster = await startCluster();
  using socket = new NotifySocket();
  const env = { NOTIFY_SOCKET: socket.address, WATCHDOG_USEC: "100000" };
  await using mount = await mountSheepfs(cluster, { env });
  expect(await socket.until(/^READY=1$/)).toContain(`STATUS=mounted on ${mount.path}`);
  await socket.until(/^WATCHDOG=1$/);
  process.kill(mount.child.pid, "SIGHUP");
  await socket.until(/^RELOADING=1$/);
  expect(existsSync(mount.file("volume"))).toBe(true);
  expect(await mount.stop()).toBe(0);
  await socket.until(/^STOPPING=1$/);
});

// [S-98]
test("a server that gives no sign of life to its watchdog is replaced", async () => {
  await using cluster = await startCluster();
  using socket = new NotifySocket();
  const env = { NOTIFY_SOCKET: socket.address, WATCHDOG_USEC: "600000" };
  await using mount = await mountSheepfs(cluster, { env });
  await socket.until(/^READY=1$/);
  const hung = mount.serverPid;
  const began = mount.child.stderr.length;
  process.kill(hung, "SIGSTOP");
  await mount.child.until(
    ({ stderr }) => (stderr.indexOf(" again\n", began) > 0 ? true : null),
    "successor",
  );
  expect(mount.child.stderr).toContain(`(pid ${hung}) of '${mount.path}' hangs`);
  expect(existsSync(mount.file("volume"))).toBe(true);
  expect(mount.serverPid).not.toBe(hung);
  // Its service manager hears that it lives.
  socket.messages.splice(0);
  await socket.until(/^WATCHDOG=1$/);
});

// [S-68]
test("the log goes on in a new file after SIGHUP, and the PID file is there while it is mounted", async () => {
  await using cluster = await startCluster();
  using folder = new TemporaryFolder();
  const log = join(folder.path, "log");
  const pidFile = join(folder.path, "pid");
  const mountpoint = join(folder.path, "mnt");
  mkdirSync(mountpoint);
  const line = ["mount", mountpoint, "-s", cluster.address];
  await must([await sheepfsBinary(), ...line, "--log-file", log, "--pid-file", pidFile]);
  expect(readFileSync(log, "utf8")).toContain(`mounted on ${mountpoint}`);
  renameSync(log, `${log}.1`);
  process.kill(Number(readFileSync(pidFile, "utf8")), "SIGHUP");
  await until(() => existsSync(log));
  await must([await sheepfsBinary(), "umount", mountpoint]);
  expect(isMounted(mountpoint)).toBe(false);
  await until(() => !existsSync(pidFile));
});

test("mount(8) and a line of fstab mount it through its helper", async () => {
  await using cluster = await startSheepProcess();
  using folder = new TemporaryFolder();
  const [vdi, other] = [
    await cluster.createVdi("fstab", { size: "8M" }),
    await cluster.createVdi("fs,tab", { size: "8M" }),
  ];
  const mountpoint = join(folder.path, "mnt");
  mkdirSync(mountpoint);
  // The one folder in which mount(8) looks for helpers.
  const helper = "/sbin/mount.fuse.sheepfs";
  const names = `attach=${vdi},attach=${other.replace(",", "\\x2c")}`;
  const fstab = join(folder.path, "fstab");
  const options = `defaults,_netdev,nofail,x-systemd.automount,${names}`;
  await Bun.write(fstab, `${cluster.address} ${mountpoint} fuse.sheepfs ${options} 0 0\n`);
  const had = existsSync(helper);
  if (!had) symlinkSync(await sheepfsBinary(), helper);
  try {
    await must(["mount", "-T", fstab, mountpoint]);
    expect(readFileSync("/proc/mounts", "utf8")).toContain(
      `${cluster.address} ${mountpoint} fuse.sheepfs rw,`,
    );
    expect(existsSync(join(mountpoint, "volume", vdi))).toBe(true);
    expect(existsSync(join(mountpoint, "volume", other))).toBe(true);
    // What is mounted already is known as such.
    await must(["mount", "-T", fstab, "-a"]);
    const rows = readFileSync("/proc/mounts", "utf8").split("\n");
    expect(rows.filter((row) => row.includes(` ${mountpoint} `)).length).toBe(1);
    // Unlike umount(8) it returns when the daemon has ended.
    await must([await sheepfsBinary(), "umount", mountpoint]);
    const wrong = await run(["mount", "-t", "fuse.sheepfs", "-o", "frobnicate", "x:1", mountpoint]);
    expect(wrong.stderr).toContain("frobnicate");
    expect(wrong.exitCode).not.toBe(0);
  } finally {
    if (!had) rmSync(helper);
  }
});

test("systemd finds nothing wrong with the units", async () => {
  using folder = new TemporaryFolder();
  const binary = await sheepfsBinary();
  for (const name of ["sheepfs@.service", "sheepfs-webdav.service"]) {
    const unit = await Bun.file(join(root, "packaging", "systemd", name)).text();
    const path = join(folder.path, name);
    await Bun.write(path, unit.replaceAll("/usr/local/bin/sheepfs", binary));
    const { stdout, stderr, exitCode } = await run(["systemd-analyze", "verify", path]);
    expect([name, `${stdout}${stderr}`, exitCode]).toEqual([name, "", 0]);
  }
});

test("logrotate takes its file", async () => {
  using folder = new TemporaryFolder();
  const file = join(root, "packaging", "logrotate", "sheepfs");
  const state = join(folder.path, "state");
  const copy = join(folder.path, "sheepfs");
  await Bun.write(copy, Bun.file(file));
  const { stderr, exitCode } = await run(["logrotate", "--debug", "--state", state, copy]);
  expect([exitCode, /error/i.test(stderr)]).toEqual([0, false]);
});
