import { describe, expect, test } from "bun:test";
import { closeSync, existsSync, openSync, readFileSync } from "node:fs";
import { startSheepProcess, type TestCluster } from "../support/cluster.ts";
import { cannotMount, mountSheepfs, type TestMount } from "../support/mount.ts";
import { type Outcome, sheepfs } from "../support/process.ts";
import { MiB, pattern, readAt, writeAt, writeOpen } from "./bytes.ts";
import { OtherClient } from "./other-client.ts";

interface World extends AsyncDisposable {
  readonly cluster: Awaited<ReturnType<typeof startSheepProcess>>;
  readonly other: OtherClient;
  readonly vdi: string;
}

async function prepared({ locks }: { readonly locks: boolean }): Promise<World> {
  await using stack = new AsyncDisposableStack();
  const cluster = stack.use(await startSheepProcess());
  const other = stack.use(await OtherClient.connect(cluster.address));
  if (locks) await other.formatWithLocks();
  const vdi = await cluster.createVdi("held", { size: "8M" });
  const kept = stack.move();
  return { cluster, other, vdi, [Symbol.asyncDispose]: () => kept.disposeAsync() };
}

function lock(cluster: TestCluster, ...words: string[]): Promise<Outcome> {
  return sheepfs(["vdi", "lock", ...words, "-s", cluster.address]);
}

/** What vdi/mount says of the last line. */
function reason(mount: TestMount): string {
  return readFileSync(mount.file("vdi", "mount"), "utf8").trimEnd().split("\n").at(-1) ?? "";
}

async function until(met: () => boolean): Promise<void> {
  while (!met()) await new Promise((resolve) => setImmediate(resolve));
}

function errnoOf(work: () => unknown): string {
  try {
    work();
  } catch (error) {
    return error instanceof Error && "code" in error ? String(error.code) : String(error);
  }
  return "none";
}

describe.skipIf(cannotMount !== null)("two mounts of one gateway", () => {
  for (const locks of [true, false]) {
    // [S-18] [S-71]
    test(`do not write one VDI, in a cluster ${locks ? "with" : "without"} locks`, async () => {
      await using world = await prepared({ locks });
      const { cluster, vdi } = world;
      await using first = await mountSheepfs(cluster, { args: ["--attach", vdi] });
      await using second = await mountSheepfs(cluster);
      expect(errnoOf(() => second.attach(vdi))).toBe("EBUSY");
      expect(reason(second)).toContain(`(process ${first.child.pid}, since 2`);
      const shown = await lock(cluster, "show", vdi);
      expect(shown.stdout).toContain(`attached: by sheepfs on host '`);
      expect(shown.stdout).toContain(locks ? "lock: held by a client of " : "the cluster has none");
      const json = JSON.parse((await lock(cluster, "show", vdi, "--json")).stdout);
      expect([json.attachedBy.pid, json.attachedBy.gone]).toEqual([first.child.pid, false]);
      // For reading only nothing is needed.
      await using reader = await mountSheepfs(cluster, { args: ["-o", "ro", "--attach", vdi] });
      expect(readAt(reader.file("volume", vdi), 0, 10).length).toBe(10);
      first.detach(vdi);
      second.attach(vdi);
      expect(await second.stop()).toBe(0);
      expect((await lock(cluster, "show", vdi)).stdout).toContain("by no sheepfs for writing");
    });
  }

  // [S-74]
  test("and a VDI that is attached is not deleted", async () => {
    await using world = await prepared({ locks: false });
    const { cluster, vdi } = world;
    await using mount = await mountSheepfs(cluster, { args: ["--attach", vdi] });
    const refused = await sheepfs(["vdi", "delete", vdi, "-s", cluster.address]);
    expect(refused.stderr).toContain(`attached by sheepfs on host`);
    expect(refused.exitCode).toBe(1);
    writeAt(mount.file("volume", vdi), 0, pattern(100, 1));
  });
});

describe.skipIf(cannotMount !== null)("after sheepfs was killed", () => {
  for (const locks of [true, false]) {
    // [S-72]
    test(`the next one on the host takes over, in a cluster ${locks ? "with" : "without"} locks`, async () => {
      await using world = await prepared({ locks });
      const { cluster, vdi, other } = world;
      const killed = await mountSheepfs(cluster, { args: ["--attach", vdi] });
      writeAt(killed.file("volume", vdi), 0, pattern(4096, 1));
      await other.snapshot(vdi, "monday");
      writeAt(killed.file("volume", vdi), 4096, pattern(4096, 2));
      await killed.kill();
      await killed[Symbol.asyncDispose]();
      expect((await lock(cluster, "show", vdi)).stdout).toContain("which is gone");
      await using mount = await mountSheepfs(cluster, { args: ["--attach", vdi] });
      expect(mount.child.stderr).toContain("was left attached by sheepfs on host");
      expect(readAt(mount.file("volume", vdi), 4096, 4096).equals(pattern(4096, 2))).toBe(true);
      expect(await mount.stop()).toBe(0);
      if (locks) await other.lock(vdi);
      expect((await lock(cluster, "show", vdi)).stdout).toContain("by no sheepfs for writing");
    });
  }
});

// [S-73]
test.skipIf(cannotMount !== null)(
  "a lock is broken only when its holder has stopped writing",
  async () => {
    await using world = await prepared({ locks: true });
    const { cluster, vdi, other } = world;
    await using mount = await mountSheepfs(cluster, { args: ["--attach", vdi] });
    const path = mount.file("volume", vdi);
    const fd = openSync(path, "r+");
    writeOpen(fd, 0, pattern(4096, 1));
    const unsure = await lock(cluster, "break", vdi);
    expect([unsure.exitCode, unsure.stderr]).toEqual([64, expect.stringContaining("--yes")]);
    const broken = await lock(cluster, "break", vdi, "--yes", "--json");
    expect([broken.stderr, broken.exitCode]).toEqual(["", 0]);
    expect(JSON.parse(broken.stdout).attachedBy.pid).toBe(mount.child.pid);
    // At once: nothing had to be waited for when the command had returned.
    expect(errnoOf(() => writeOpen(fd, 0, pattern(4096, 2)))).toBe("ESTALE");
    expect(mount.child.stderr).toContain("was taken away by host");
    await other.lock(vdi);
    expect((await other.read(vdi, 0, 4096)).equals(pattern(4096, 1))).toBe(true);
    closeSync(fd);
    await until(() => !existsSync(path));
    expect(errnoOf(() => mount.attach(vdi))).toBe("EBUSY");
    await other.release((await other.find(vdi)).vid);
    mount.attach(vdi);
    writeAt(path, 0, pattern(4096, 3));
  },
);

describe.skipIf(cannotMount !== null)("a volume stays ours", () => {
  test("when its gateway starts anew and has forgotten the lock", async () => {
    await using world = await prepared({ locks: true });
    const { cluster, vdi } = world;
    await using mount = await mountSheepfs(cluster, { args: ["--attach", vdi] });
    writeAt(mount.file("volume", vdi), 0, pattern(4096, 1));
    await cluster.restart("SIGKILL");
    await using other = await OtherClient.connect(cluster.address);
    writeAt(mount.file("volume", vdi), MiB, pattern(4096, 2));
    await until(() => mount.child.stderr.includes("was lost and is taken again"));
    await expect(other.lock(vdi)).rejects.toThrow("result 0x7");
  }, 60_000);

  test("after a snapshot, where the lock moves with it", async () => {
    await using world = await prepared({ locks: true });
    const { cluster, vdi, other } = world;
    await using mount = await mountSheepfs(cluster, { args: ["--attach", vdi] });
    const fd = openSync(mount.file("volume", vdi), "r+");
    await other.snapshot(vdi, "monday");
    const json = async () => JSON.parse((await lock(cluster, "show", vdi, "--json")).stdout);
    while (!(await json()).lock.held);
    writeOpen(fd, 0, pattern(4096, 1));
    await expect(other.lock(vdi)).rejects.toThrow("result 0x7");
    closeSync(fd);
  });
});
