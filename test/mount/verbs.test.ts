import { describe, expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { startCluster, startSheepProcess, type TestCluster } from "../support/cluster.ts";
import { mountSheepfs } from "../support/mount.ts";
import {
  type Outcome,
  sheepfs,
  sheepfsBinary,
  start,
  TemporaryFolder,
} from "../support/process.ts";
import { OtherClient } from "./other-client.ts";

interface ListedVdi {
  readonly name: string;
  readonly vid: string;
  readonly snapshot: boolean;
  readonly tag: string;
  readonly sizeBytes: number;
  readonly objectBytes: number;
  readonly usedBytes: number;
}

const MiB = 1 << 20;

async function vdi(cluster: TestCluster, ...words: string[]): Promise<Outcome> {
  return await sheepfs(["vdi", ...words, "-s", cluster.address]);
}

async function listed(cluster: TestCluster): Promise<ListedVdi[]> {
  const { stdout, stderr, exitCode } = await vdi(cluster, "list", "--json");
  expect([stderr, exitCode]).toEqual(["", 0]);
  return JSON.parse(stdout);
}

describe("sheepfs vdi", () => {
  test("creates what is then listed, as text and as data", async () => {
    await using cluster = await startSheepProcess();
    const wish = ["--size", "1.5G", "--object-size", "8M"];
    const created = await vdi(cluster, "create", "disk one", ...wish, "--json");
    expect(created.stderr).toBe("");
    expect(JSON.parse(created.stdout)).toMatchObject({ name: "disk one", objectBytes: 8 * MiB });
    expect(await listed(cluster)).toMatchObject([
      { name: "disk one", snapshot: false, sizeBytes: 1536 * MiB, objectBytes: 8 * MiB },
    ]);
    const silent = await vdi(cluster, "create", "two", "--size", "8M");
    expect(silent).toEqual({ stdout: "", stderr: "", exitCode: 0 });
    const text = await vdi(cluster, "list");
    await using mount = await mountSheepfs(cluster);
    expect(text.stdout).toBe(readFileSync(mount.file("vdi", "list"), "utf8"));
    expect(text.stdout.trimEnd().split("\n").length).toBe(3);
  });

  test("says that a name is taken, and that one is missing", async () => {
    await using cluster = await startSheepProcess();
    await vdi(cluster, "create", "once", "--size", "8M");
    const again = await vdi(cluster, "create", "once", "--size", "8M");
    expect(again.stderr).toMatch(/^sheepfs: [^\n]*'once'[^\n]*\n$/);
    expect(again.exitCode).toBe(3);
    const missing = await vdi(cluster, "delete", "never");
    expect(missing.stderr).toMatch(/^sheepfs: [^\n]*'never'[^\n]*\n$/);
    expect(missing.exitCode).toBe(5);
  });

  test("refuses what cannot be, and creates nothing", async () => {
    await using cluster = await startSheepProcess();
    const cases: readonly { readonly words: readonly string[]; readonly exit: number }[] = [
      { words: ["create", "odd", "--size", "8M", "--object-size", "3M"], exit: 64 },
      { words: ["create", "vast", "--size", "100T", "--object-size", "1M"], exit: 1 },
      { words: ["create", "x".repeat(256), "--size", "8M"], exit: 1 },
      { words: ["create", "escape\\x", "--size", "8M"], exit: 1 },
    ];
    for (const { words, exit } of cases) {
      const { stdout, stderr, exitCode } = await vdi(cluster, ...words);
      expect([words, stdout]).toEqual([words, ""]);
      expect(stderr).toMatch(/^sheepfs: [^\n]+\n$/);
      expect([words, exitCode]).toEqual([words, exit]);
    }
    expect(await listed(cluster)).toEqual([]);
  });

  test("deletes a VDI and leaves its snapshots", async () => {
    await using cluster = await startSheepProcess();
    await vdi(cluster, "create", "gone", "--size", "8M");
    await using other = await OtherClient.connect(cluster.address);
    await other.snapshot("gone", "kept");
    expect(await vdi(cluster, "delete", "gone")).toEqual({ stdout: "", stderr: "", exitCode: 0 });
    expect(await listed(cluster)).toMatchObject([{ name: "gone", snapshot: true, tag: "kept" }]);
  });

  test("takes names as vdi/list shows them, whatever is in them", async () => {
    await using cluster = await startSheepProcess();
    const name = "a\\x2fb\\x0ac\\xff";
    expect((await vdi(cluster, "create", name, "--size", "8M")).exitCode).toBe(0);
    expect(await listed(cluster)).toMatchObject([{ name }]);
    expect((await vdi(cluster, "delete", name)).exitCode).toBe(0);
    expect(await listed(cluster)).toEqual([]);
  });

  test("says in one line that no sheep answers, and does not try for long", async () => {
    const startedMs = performance.now();
    const { stdout, stderr, exitCode } = await sheepfs(["vdi", "list", "-s", "127.0.0.1:1"]);
    expect(stdout).toBe("");
    expect(stderr).toMatch(/^sheepfs: [^\n]*127\.0\.0\.1:1[^\n]*\n$/);
    expect(exitCode).toBe(2);
    expect(performance.now() - startedMs).toBeLessThan(10_000);
  });

  test("finds the cluster by SHEEPFS_SHEEP, and by the first of a list that answers", async () => {
    await using cluster = await startCluster();
    for (const sheep of [cluster.address, `127.0.0.1:1,${cluster.address}`]) {
      const { stdout, exitCode } = await sheepfs(["vdi", "list"], {
        env: { SHEEPFS_SHEEP: sheep },
      });
      expect(stdout).toContain("Name        Id");
      expect(exitCode).toBe(0);
    }
  });
});

describe("sheepfs sheep", () => {
  test("says where it listens, keeps its VDIs, and ends in order", async () => {
    using folder = new TemporaryFolder();
    const dir = join(folder.path, "sheep");
    for (const round of [1, 2]) {
      const line = ["sheep", "--dir", dir, "--listen", "127.0.0.1:0"];
      await using child = start([await sheepfsBinary(), ...line]);
      const found = (): string | null => /^listening on (\S+)\n/.exec(child.stdout)?.[1] ?? null;
      const address = await child.until(found, "address");
      const words = round === 1 ? ["create", "kept", "--size", "8M"] : ["delete", "kept"];
      expect((await sheepfs(["vdi", ...words, "-s", address])).exitCode).toBe(0);
      child.kill("SIGTERM");
      expect(await child.exit()).toBe(0);
    }
  });

  test("refuses a directory in use or of something else, and an address in use, in one line", async () => {
    await using cluster = await startSheepProcess();
    using folder = new TemporaryFolder();
    await Bun.write(join(folder.path, "precious"), "data");
    const cases = [
      [cluster.dir, "127.0.0.1:0", cluster.dir, 1],
      [folder.path, "127.0.0.1:0", folder.path, 1],
      [join(folder.path, "new"), cluster.address, cluster.address, 2],
    ] as const;
    for (const [dir, listen, names, exitCode] of cases) {
      const outcome = await sheepfs(["sheep", "--dir", dir, "--listen", listen]);
      const errors = outcome.stderr.split("\n").filter((line) => line.includes(names));
      expect([dir, outcome.stdout, errors.length > 0]).toEqual([dir, "", true]);
      expect(outcome.exitCode).toBe(exitCode);
    }
    expect(readFileSync(join(folder.path, "precious"), "utf8")).toBe("data");
  });
});
