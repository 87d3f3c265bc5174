import { describe, expect, test } from "bun:test";
import { readFileSync, writeFileSync } from "node:fs";
import { open } from "node:fs/promises";
import { startCluster, type TestCluster } from "../support/cluster.ts";
import { cannotMount, mountSheepfs, type TestMount } from "../support/mount.ts";
import { run, sheepfsBinary } from "../support/process.ts";

const blockBytes = 4096;
const lanes = 4;

async function group(cluster: TestCluster, names: readonly string[], tag: string) {
  const line = ["vdi", "snapshot", "--group", ...names, "--tag", tag, "--json"];
  return await run([await sheepfsBinary(), ...line, "-s", cluster.address]);
}

/** Makes VDIs whose names begin as told. */
async function vdis(cluster: TestCluster, ...labels: readonly string[]): Promise<string[]> {
  const names: string[] = [];
  for (const label of labels) names.push(await cluster.createVdi(label, { size: "16M" }));
  return names;
}

/** As a database does: a number goes to the data only when the log has it. */
async function logged(
  mount: TestMount,
  [data, log]: readonly [string, string],
  while_: () => boolean,
) {
  const files = await Promise.all(
    [data, log].map((name) => open(mount.file("volume", name), "r+")),
  );
  const [dataFile, logFile] = files;
  if (dataFile === undefined || logFile === undefined) throw new Error("two files");
  let writes = 0;
  let longestMs = 0;
  const lane = async (at: number): Promise<void> => {
    const block = new Uint32Array(blockBytes / 4);
    for (let n = 1; while_(); n += 1) {
      block.fill(n);
      const startedMs = performance.now();
      await logFile.write(new Uint8Array(block.buffer), 0, blockBytes, at * blockBytes);
      await dataFile.write(new Uint8Array(block.buffer), 0, blockBytes, at * blockBytes);
      longestMs = Math.max(longestMs, performance.now() - startedMs);
      writes += 1;
    }
  };
  await Promise.all(Array.from({ length: lanes }, (_, at) => lane(at)));
  for (const file of files) await file.close();
  return { writes, longestMs };
}

function numbers(mount: TestMount, name: string, tag: string): readonly number[] {
  const bytes = readFileSync(mount.file("snapshot", name, tag));
  return Array.from({ length: lanes }, (_, at) => bytes.readUInt32LE(at * blockBytes));
}

describe("sheepfs vdi snapshot --group", () => {
  // [S-111]
  test.skipIf(cannotMount !== null)(
    "holds back the writes of a mount, so that no snapshot has what came after another [S-111]",
    async () => {
      await using cluster = await startCluster();
      const [data = "", log = ""] = await vdis(cluster, "data", "log");
      await using mount = await mountSheepfs(cluster);
      for (const name of [data, log]) mount.attach(name);
      let isOver = false;
      const writing = logged(mount, [data, log], () => !isOver);
      const tags = ["one", "two", "three", "four"];
      for (const tag of tags) {
        await Bun.sleep(150);
        expect(await group(cluster, [data, log], tag)).toMatchObject({ exitCode: 0, stderr: "" });
      }
      isOver = true;
      const { writes } = await writing;
      expect(writes).toBeGreaterThan(lanes * tags.length);
      for (const tag of tags) {
        const inLog = numbers(mount, log, tag);
        for (const [at, n] of numbers(mount, data, tag).entries()) {
          expect([n, n + 1]).toContain(inLog[at] ?? -1);
        }
      }
      const first = numbers(mount, log, "one").reduce((a, b) => a + b, 0);
      expect(numbers(mount, log, "four").reduce((a, b) => a + b, 0)).toBeGreaterThan(first);
    },
    60_000,
  );

  test("of VDIs that nobody has attached, makes one of each, and lets all be attached after", async () => {
    await using cluster = await startCluster();
    const names = await vdis(cluster, "a", "b", "c");
    const made = await group(cluster, names, "monday");
    const shown: unknown = JSON.parse(made.stdout);
    expect(shown).toEqual(
      names.map((name) => expect.objectContaining({ name, tag: "monday", snapshot: true })),
    );
    const again = await group(cluster, names.slice(0, 2), "monday");
    expect([again.exitCode, again.stderr]).toEqual([3, expect.stringContaining("'monday'")]);
    const twice = await group(
      cluster,
      ["a", "a"].map(() => names[0] ?? ""),
      "other",
    );
    expect([twice.exitCode, twice.stderr]).toEqual([1, expect.stringContaining("twice")]);
    const binary = await sheepfsBinary();
    const line = ["vdi", "snapshot", ...names, "-t", "x", "-s", cluster.address];
    const ungrouped = await run([binary, ...line]);
    expect([ungrouped.exitCode, ungrouped.stderr]).toEqual([
      64,
      expect.stringContaining("--group"),
    ]);
  });

  test.skipIf(cannotMount !== null)(
    "makes none when one of them cannot be held back or has the tag already [S-112]",
    async () => {
      await using cluster = await startCluster();
      const [a = "", b = "", c = ""] = await vdis(cluster, "a", "b", "c");
      await using mount = await mountSheepfs(cluster);
      await using other = await mountSheepfs(cluster);
      mount.attach(a);
      other.attach(b);
      const refused = await group(cluster, [a, b], "monday");
      expect([refused.exitCode, refused.stderr]).toEqual([1, expect.stringContaining("one mount")]);
      const line = (tag: string, ...names: string[]): string => [tag, ...names, "\n"].join(" ");
      const control = mount.file("vdi", "snapshot");
      expect(() => writeFileSync(control, line("monday", a, b))).toThrow("EBUSY");
      expect(readFileSync(control, "utf8")).toMatch(
        / busy {2}'monday .*attached by sheepfs on host/,
      );
      writeFileSync(control, line("taken", a));
      expect(() => writeFileSync(control, line("taken", c, a))).toThrow("EEXIST");
      expect(() => writeFileSync(control, line("alone"))).toThrow("EINVAL");
      const told = await group(cluster, [a, c], "taken");
      expect([told.exitCode, told.stderr]).toEqual([3, expect.stringContaining("'taken'")]);
      writeFileSync(control, line("tuesday", a, c));
      const snapshots = await run([
        await sheepfsBinary(),
        "vdi",
        "list",
        "--json",
        "-s",
        cluster.address,
      ]);
      const rows = JSON.parse(snapshots.stdout) as {
        name: string;
        tag: string;
        snapshot: boolean;
      }[];
      const found = rows
        .filter(({ snapshot }) => snapshot)
        .map(({ name, tag }) => `${name}@${tag}`);
      expect(found.filter((one) => [a, b, c].some((name) => one.startsWith(name))).sort()).toEqual(
        [`${a}@taken`, `${a}@tuesday`, `${c}@tuesday`].sort(),
      );
      other.attach(c);
    },
    60_000,
  );
});
