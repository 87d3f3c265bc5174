import { expect, test } from "bun:test";
import { existsSync, readFileSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { seededRandom } from "../../src/base/random.ts";
import { type EmbeddedSheep, startCluster, startSheepProcess } from "../support/cluster.ts";
import { run, sheepfsBinary, start, TemporaryFolder } from "../support/process.ts";
import { fill, json, must, noise, noted, refused, sheepfs } from "./images.ts";

const MiB = 2 ** 20;
const seed = Number(process.env["SEED"] ?? Date.now() % 1_000_000);
const random = seededRandom(seed);

/** Runs a line and kills it at random, as often as that works, until it ends by itself. */
async function untilDone(
  cluster: EmbeddedSheep,
  line: readonly string[],
  signals: readonly NodeJS.Signals[],
): Promise<number> {
  for (let kills = 0; ; kills += 1) {
    await using child = start([await sheepfsBinary(), ...line, "-s", cluster.address]);
    const signal = signals[kills];
    if (signal !== undefined) {
      await Promise.race([child.exit(60_000), Bun.sleep(120 + random.below(500))]);
    }
    if (signal === undefined || !child.running) {
      const code = await child.exit(60_000);
      // One that was killed when all was done but saying so finds it there.
      const wasDone = kills > 0 && code === 3 && child.stderr.includes("exists");
      expect([wasDone ? 0 : code, child.stderr]).toEqual([0, expect.any(String)]);
      return kills;
    }
    child.kill(signal);
    await child.exit();
  }
}

test("[S-124] an export of a snapshot that is ended at random goes on with --resume, and is the same", async () => {
  console.log(`SEED=${seed}`);
  await using cluster = await startSheepProcess();
  using folder = new TemporaryFolder();
  const [from, to, inc] = ["from", "to", "inc"].map((name) => join(folder.path, name)) as [
    string,
    string,
    string,
  ];
  const bytes = noise(160 * MiB);
  bytes.fill(0, 90 * MiB, 130 * MiB);
  writeFileSync(from, bytes);
  await must(cluster, "vdi", "create", "a", "--size", "300M");
  await must(cluster, "vdi", "snapshot", "a", "--tag", "empty");
  await must(cluster, "vdi", "delete", "a");
  await must(cluster, "vdi", "import", from, "b", "--tag", "one");
  const signals = ["SIGKILL", "SIGINT", "SIGKILL", "SIGTERM"] as const;
  await untilDone(cluster, ["vdi", "export", "b@one", to, "--resume"], signals);
  expect(readFileSync(to).equals(readFileSync(from))).toBe(true);
  expect(existsSync(`${to}.part`)).toBe(false);

  await fill(cluster, "b", [[0, bytes.subarray(7, 100 * MiB)]]);
  await must(cluster, "vdi", "snapshot", "b", "--tag", "two");
  await must(cluster, "vdi", "clone", "b@one", "c");
  const since = ["--since", "one", "--resume"];
  await untilDone(cluster, ["vdi", "export", "b@two", inc, ...since], signals);
  await must(cluster, "vdi", "import", inc, "--base", "c");
  const digests = await Promise.all(
    ["b@two", "c"].map((name) =>
      json(cluster, "vdi", "export", name, join(folder.path, `${name}.back`)),
    ),
  );
  expect(digests[1]?.digest).toBe(digests[0]?.digest ?? "");
}, 180_000);

test("[S-124] what is not the same any more is not gone on with", async () => {
  await using cluster = await startSheepProcess();
  using folder = new TemporaryFolder();
  const path = join(folder.path, "a.img");
  const part = `${path}.part`;
  await must(cluster, "vdi", "create", "a", "--size", "300M");
  await fill(cluster, "a", [[0, noise(130 * MiB)]]);
  const working = ["vdi", "export", "a", path, "--resume"];
  await refused(cluster, working, 1, "may have been written to");
  await must(cluster, "vdi", "snapshot", "a", "--tag", "one");
  await must(cluster, "vdi", "snapshot", "a", "--tag", "two");
  const line = ["vdi", "export", "a@one", path];
  await using child = start([await sheepfsBinary(), ...line, "-s", cluster.address]);
  while (!noted(part)) await Bun.sleep(1);
  child.kill("SIGINT");
  expect(await child.exit()).toBe(130);
  expect(child.stderr).toContain("go on with '--resume'");
  const other = ["vdi", "export", "a@two", path, "--resume"];
  await refused(cluster, other, 1, "is of 'a@one'");
  const kept = readFileSync(part);
  const damaged = Buffer.from(kept);
  damaged.writeUInt8(damaged.readUInt8(5 * MiB) ^ 1, 5 * MiB);
  writeFileSync(part, damaged);
  await refused(cluster, [...line, "--resume"], 2, "does not hold what was written");
  truncateSync(part, 0);
  await refused(cluster, [...line, "--resume"], 2, "does not hold what was written");
  writeFileSync(part, kept);
  await must(cluster, ...line, "--resume");
  expect((await sheepfs(cluster, ...line)).exitCode).toBe(3);
}, 120_000);

test("[S-125] an import that is ended at random goes on with --resume, and is the same", async () => {
  console.log(`SEED=${seed}`);
  await using cluster = await startSheepProcess();
  using folder = new TemporaryFolder();
  const [from, to] = [join(folder.path, "from"), join(folder.path, "to")];
  const bytes = noise(160 * MiB);
  bytes.fill(0, 90 * MiB, 130 * MiB);
  writeFileSync(from, bytes);
  const signals = ["SIGKILL", "SIGINT", "SIGKILL"] as const;
  await untilDone(cluster, ["vdi", "import", from, "b", "--resume", "--tag", "one"], signals);
  await must(cluster, "vdi", "export", "b@one", to);
  expect(readFileSync(to).equals(bytes)).toBe(true);
  // It is whole now: it is not gone on with.
  const again = ["vdi", "import", from, "b", "--resume"];
  await refused(cluster, again, 3, "'b' exists already");
}, 120_000);

test("[S-125] an import that was killed is kept, and goes on from a stream too", async () => {
  await using cluster = await startSheepProcess();
  using folder = new TemporaryFolder();
  const [from, to] = [join(folder.path, "from"), join(folder.path, "to")];
  const bytes = noise(160 * MiB);
  writeFileSync(from, bytes);
  const binary = await sheepfsBinary();
  const line = ["vdi", "import", from, "b"];
  await using child = start([binary, ...line, "-s", cluster.address]);
  while ((await used(cluster)) < 20 * MiB) await Bun.sleep(10);
  child.kill("SIGKILL");
  await child.exit();
  await cluster.restart("SIGKILL");
  await refused(cluster, line, 3, "of an import that did not end: go on with '--resume'");
  await refused(cluster, [...line, "--resume", "--size", "400M"], 1, "begun as another");
  const stream = `cat '${from}' | '${binary}' vdi import - b --size 160M --resume -s ${cluster.address}`;
  expect(await run(["sh", "-c", stream])).toMatchObject({ exitCode: 0 });
  await must(cluster, "vdi", "export", "b", to, "--verify");
  expect(readFileSync(to).equals(bytes)).toBe(true);
}, 120_000);

async function used(cluster: EmbeddedSheep): Promise<number> {
  const { stdout } = await sheepfs(cluster, "vdi", "show", "b", "--json");
  return stdout === "" ? 0 : (JSON.parse(stdout) as { usedBytes: number }).usedBytes;
}

test("[S-126] images are qcow2 by their name or --format, and come back the same", async () => {
  await using cluster = await startCluster();
  using folder = new TemporaryFolder();
  const name = await cluster.createVdi("q", { size: "1T" });
  await fill(cluster, name, [
    [3 * MiB + 5, noise(2 * MiB)],
    [2 ** 39, noise(MiB)],
  ]);
  const [path, raw] = [join(folder.path, "q.qcow2"), join(folder.path, "q.img")];
  const { digest } = await json(cluster, "vdi", "export", name, path, "--verify");
  expect(readFileSync(path).subarray(0, 4).toString("latin1")).toBe("QFI\xfb");
  const info = Bun.spawnSync(["qemu-img", "info", "--output=json", path]).stdout.toString();
  expect(JSON.parse(info)).toMatchObject({ "virtual-size": 2 ** 40, format: "qcow2" });
  const back = `${name}-back`;
  await using stack = new AsyncDisposableStack();
  stack.defer(async () => {
    await sheepfs(cluster, "vdi", "delete", back, "--yes");
  });
  expect((await json(cluster, "vdi", "import", path, back, "--verify")).digest).toBe(digest);
  expect((await json(cluster, "vdi", "export", back, raw)).digest).toBe(digest);
  const renamed = join(folder.path, "renamed.img");
  writeFileSync(renamed, readFileSync(path));
  await refused(cluster, ["vdi", "import", renamed, `${name}-no`], 1, "looks like a qcow2 image");
  const chained = join(folder.path, "chained.qcow2");
  Bun.spawnSync(["qemu-img", "create", "-f", "qcow2", "-F", "raw", "-b", "/etc/passwd", chained]);
  await refused(cluster, ["vdi", "import", chained, `${name}-no`], 1, "needs another file");
  await refused(cluster, ["vdi", "export", name, "-", "--format", "qcow2"], 64, "give a file");
  await refused(cluster, ["vdi", "export", name, raw, "--format", "vmdk"], 64, "neither raw nor");
}, 60_000);

test("[S-126] without qemu-img it is said what is missing", async () => {
  await using cluster = await startSheepProcess();
  using folder = new TemporaryFolder();
  await must(cluster, "vdi", "create", "a", "--size", "4M");
  const line = ["vdi", "export", "a", join(folder.path, "a.qcow2"), "-s", cluster.address];
  await using child = start([await sheepfsBinary(), ...line], { env: { PATH: folder.path } });
  expect(await child.exit()).toBe(1);
  expect(child.stderr).toContain("need 'qemu-img', which is not installed here");
});
