import { expect, test } from "bun:test";
import {
  chmodSync,
  closeSync,
  copyFileSync,
  openSync,
  readFileSync,
  renameSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { join } from "node:path";
import { startCluster } from "../support/cluster.ts";
import { mountSheepfs } from "../support/mount.ts";
import { ioBytes } from "../support/proc.ts";
import { must, run, sheepfs, sheepfsBinary, start, TemporaryFolder } from "../support/process.ts";
import { MiB, pattern, readAt } from "./bytes.ts";

async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await Bun.sleep(2);
}

/** Puts another program in the place of one that may run, as an upgrade of a package does. */
function replace(path: string, content: Uint8Array | string): void {
  writeFileSync(`${path}.new`, content);
  chmodSync(`${path}.new`, 0o755);
  renameSync(`${path}.new`, path);
}

/** The same program that says to be built from another commit. */
async function otherVersion(program: string): Promise<Buffer> {
  const commit = /commit ([^)]*)/.exec(await must([program, "--version"]))?.[1] ?? "";
  const bytes = readFileSync(program);
  for (let at = bytes.indexOf(commit); at >= 0; at = bytes.indexOf(commit, at + 1)) {
    bytes.fill("e", at, at + commit.length);
  }
  return bytes;
}

// [S-96]
test("upgrade hands over to the program on the disk under fio, and no request fails", async () => {
  await using cluster = await startCluster();
  using folder = new TemporaryFolder();
  const vdi = await cluster.createVdi("upgrade", { size: "64M" });
  const program = join(folder.path, "sheepfs");
  copyFileSync(await sheepfsBinary(), program);
  await using mount = await mountSheepfs(cluster, { program, args: ["--attach", vdi] });
  const volume = mount.file("volume", vdi);
  const fd = openSync(volume, "r+");
  try {
    await using fio = start([
      ...["fio", "--name=upgrade", `--filename=${volume}`, "--size=4m", "--numjobs=8"],
      ...["--offset_increment=4m", "--group_reporting", "--thread", "--rw=randwrite"],
      ...["--ioengine=psync", "--direct=1", "--bsrange=4k-64k", "--verify=crc32c"],
      ...["--verify_state_save=0", "--verify_fatal=1", "--do_verify=1", "--loops=100000"],
    ]);
    await until(() => ioBytes(fio.pid) > 4 * MiB);
    const keeper = mount.child.pid;
    for (const content of [await otherVersion(program), readFileSync(program)]) {
      const before = mount.serverPid;
      replace(program, content);
      const { stdout, stderr, exitCode } = await run([program, "upgrade", mount.path]);
      expect([stderr, exitCode]).toEqual(["", 0]);
      const version = (await must([program, "--version"])).trim();
      expect(stdout).toStartWith(`served by ${version} after a pause of `);
      console.log(`measured: ${stdout.trim()}`);
      expect(mount.serverPid).not.toBe(before);
      const done = ioBytes(fio.pid);
      await until(() => ioBytes(fio.pid) > done + 4 * MiB);
      writeSync(fd, pattern(4096, before), 0, 4096, 48 * MiB);
      expect(readAt(volume, 48 * MiB, 4096).equals(pattern(4096, before))).toBe(true);
    }
    expect(mount.child.pid).toBe(keeper);
    expect(mount.child.stderr).not.toContain("died");
    fio.kill("SIGINT");
    await fio.exit(30_000);
    expect(fio.stdout).toContain("err= 0");
    expect(`${fio.stdout}${fio.stderr}`).not.toContain("verify:");
  } finally {
    closeSync(fd);
  }
}, 60_000);

const loads = `printf 'loaded bad\\n' >&3; head -c 1 <&4 >/dev/null`;

for (const [what, script] of [
  ["does not start", "exit 3"],
  ["dies when it takes over", `${loads}; kill -9 $$`],
  ["says that it cannot take over", `${loads}; printf 'over internal no\\n' >&3`],
] as const) {
  // [S-96]
  test(`a new program that ${what} leaves the mount to the one that served`, async () => {
    await using cluster = await startCluster();
    using folder = new TemporaryFolder();
    const vdi = await cluster.createVdi("bad", { size: "8M" });
    const program = join(folder.path, "sheepfs");
    copyFileSync(await sheepfsBinary(), program);
    await using mount = await mountSheepfs(cluster, { program, args: ["--attach", vdi] });
    const fd = openSync(mount.file("volume", vdi), "r+");
    try {
      replace(program, `#!/bin/sh\n${script}\n`);
      const { stderr, exitCode } = await sheepfs(["upgrade", mount.path]);
      expect([exitCode, stderr]).toEqual([2, expect.stringContaining("is served as before: ")]);
      writeSync(fd, pattern(4096, 7), 0, 4096, 0);
      expect(readAt(mount.file("volume", vdi), 0, 4096).equals(pattern(4096, 7))).toBe(true);
      expect(mount.child.running).toBe(true);
      // The file of the program is of no use, and still another one takes the place of a dead server.
      await mount.killServer();
      expect(readAt(mount.file("volume", vdi), 0, 4096).equals(pattern(4096, 7))).toBe(true);
    } finally {
      closeSync(fd);
    }
  });
}

test("there is nothing to upgrade where nothing is mounted", async () => {
  using folder = new TemporaryFolder();
  const { stderr, exitCode } = await sheepfs(["upgrade", folder.path]);
  expect([exitCode, stderr]).toEqual([1, expect.stringContaining("nothing is mounted on")]);
});
