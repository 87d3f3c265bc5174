import { expect, test } from "bun:test";
import { chmodSync, chownSync, copyFileSync, existsSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { startCluster } from "../support/cluster.ts";
import { mountSheepfs } from "../support/mount.ts";
import { type Outcome, run, sheepfsBinary, TemporaryFolder } from "../support/process.ts";

const nobody = 65_534;

/**
 * Runs a shell script as a user who is not root, where everybody may open /dev/fuse: many machines
 * have it so, not all. What is mounted there nobody else sees, and it is gone with the script.
 */
async function runAsUser(script: string, env: Readonly<Record<string, string>>): Promise<Outcome> {
  using folder = new TemporaryFolder();
  chmodSync(folder.path, 0o755);
  const mountpoint = join(folder.path, "mnt");
  const devices = join(folder.path, "dev");
  for (const path of [mountpoint, devices]) mkdirSync(path);
  chownSync(mountpoint, nobody, nobody);
  // The checkout may be where only root can go.
  const binary = join(folder.path, "sheepfs");
  copyFileSync(await sheepfsBinary(), binary);
  const file = join(folder.path, "script");
  writeFileSync(file, script, { mode: 0o644 });
  const prepare = [
    `mount -t tmpfs none '${devices}'`,
    `mknod -m 666 '${devices}/fuse' c 10 229`,
    `mount --bind '${devices}/fuse' /dev/fuse`,
    `exec setpriv --reuid=${nobody} --regid=${nobody} --clear-groups sh -e '${file}'`,
  ];
  return await run(["unshare", "--mount", "sh", "-ec", prepare.join("\n")], {
    env: { ...env, SHEEPFS: binary, MNT: mountpoint },
    cwd: "/",
  });
}

test("a user who is not root mounts, writes and unmounts, and the files are that user's", async () => {
  await using cluster = await startCluster();
  const vdi = await cluster.createVdi("user", { size: "8M" });
  const script = `
    "$SHEEPFS" mount "$MNT" --attach "$VDI" -o noexec
    grep -c " $MNT fuse.sheepfs rw,nosuid,nodev,noexec" /proc/mounts
    stat -c '%u %a %s' "$MNT/volume/$VDI"
    printf hello > "$MNT/volume/$VDI"
    head -c 5 "$MNT/volume/$VDI"; echo
    "$SHEEPFS" umount "$MNT"
    grep -c " $MNT " /proc/mounts || true
  `;
  const outcome = await runAsUser(script, { SHEEPFS_SHEEP: cluster.address, VDI: vdi });
  expect(outcome.stderr).toBe("");
  expect(outcome.stdout).toBe(`1\n${nobody} 644 ${8 << 20}\nhello\n0\n`);
  expect(outcome.exitCode).toBe(0);
});

test("a user who is not root is told whose a mountpoint and a mount are", async () => {
  await using cluster = await startCluster();
  await using mount = await mountSheepfs(cluster, { args: ["-o", "allow_other"] });
  using folder = new TemporaryFolder();
  chmodSync(folder.path, 0o755);
  const script = `
    "$SHEEPFS" mount "$FOLDER" || echo "exit $?"
    "$SHEEPFS" umount "$MOUNT" || echo "exit $?"
  `;
  const env = { SHEEPFS_SHEEP: cluster.address, FOLDER: folder.path, MOUNT: mount.path };
  const { stdout, stderr } = await runAsUser(script, env);
  expect(stderr).toContain("belongs to uid 0, not to you");
  expect(stderr).toContain("was mounted by uid 0; unmount it as that user or as root");
  expect(stdout).toBe("exit 1\nexit 1\n");
});

// [S-95] [S-96]
test("a user who is not root upgrades and takes away by force what is that user's", async () => {
  await using cluster = await startCluster();
  const vdi = await cluster.createVdi("user", { size: "8M" });
  await using mount = await mountSheepfs(cluster, { args: ["-o", "allow_other"] });
  const script = `
    pid_file=$(TMPDIR=/tmp mktemp)
    "$SHEEPFS" mount "$MNT" --attach "$VDI" --pid-file "$pid_file"
    keeper=$(cat "$pid_file")
    "$SHEEPFS" upgrade "$MNT" | cut -d ' ' -f 1-3
    printf hello > "$MNT/volume/$VDI"
    head -c 5 "$MNT/volume/$VDI"; echo
    "$SHEEPFS" upgrade "$MOUNT" || echo "exit $?"
    "$SHEEPFS" umount --force "$MOUNT" || echo "exit $?"
    kill -STOP "$keeper" $(cat "/proc/$keeper/task/$keeper/children")
    "$SHEEPFS" umount --force "$MNT"
    rm -f "$pid_file"
    grep -c " $MNT " /proc/mounts || true
  `;
  const env = { SHEEPFS_SHEEP: cluster.address, VDI: vdi, MOUNT: mount.path };
  const { stdout, stderr } = await runAsUser(script, env);
  expect(stderr).toContain("has no keeper that could hand it over");
  expect(stderr).toContain("was mounted by uid 0");
  expect(stdout).toBe("served by sheepfs\nhello\nexit 1\nexit 1\n0\n");
  expect(existsSync(mount.file("volume"))).toBe(true);
});
