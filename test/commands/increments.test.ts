import { expect, test } from "bun:test";
import { readFileSync, statSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { startCluster, startSheepProcess, type TestCluster } from "../support/cluster.ts";
import { run, sheepfsBinary, TemporaryFolder } from "../support/process.ts";
import { fill, json, must, noise, refused, sheepfs } from "./images.ts";

const MiB = 2 ** 20;

interface Diff {
  readonly extents: readonly { offset: number; length: number; kind: string }[];
  readonly changedBytes: number;
  readonly addedBytes: number;
  readonly removedBytes: number;
  readonly sharedBytes: number;
}

test("[S-120] vdi diff tells what was written since a snapshot, of whatever size the VDIs are", async () => {
  await using cluster = await startCluster();
  const name = await cluster.createVdi("diff", { size: "40M", objectSize: "4M" });
  await fill(cluster, name, [
    [0, noise(100)],
    [8 * MiB, noise(5 * MiB)],
  ]);
  await must(cluster, "vdi", "snapshot", name, "--tag", "one");
  expect((await json<Diff>(cluster, "vdi", "diff", `${name}@one`, name)).extents).toEqual([]);
  await fill(cluster, name, [
    [9 * MiB, noise(10)],
    [30 * MiB, noise(10)],
  ]);
  await must(cluster, "vdi", "resize", name, "48M");
  const diff = await json<Diff>(cluster, "vdi", "diff", `${name}@one`, name);
  expect(diff).toMatchObject({
    extents: [
      { offset: 8 * MiB, length: 4 * MiB, kind: "changed" },
      { offset: 28 * MiB, length: 4 * MiB, kind: "added" },
    ],
    ...{ changedBytes: 4 * MiB, addedBytes: 4 * MiB, removedBytes: 0, sharedBytes: 8 * MiB },
    before: { name: `${name}@one`, sizeBytes: 40 * MiB },
    after: { name, sizeBytes: 48 * MiB },
  });
  const back = await json<Diff>(cluster, "vdi", "diff", name, `${name}@one`);
  expect(back.extents.map(({ kind }) => kind)).toEqual(["changed", "removed"]);
  const other = await cluster.createVdi("other", { size: "40M", objectSize: "8M" });
  await fill(cluster, other, [[9 * MiB, noise(10)]]);
  const unrelated = await sheepfs(cluster, "vdi", "diff", `${name}@one`, other);
  expect(unrelated.stderr).toContain("no object in common");
  expect(
    unrelated.stdout
      .trim()
      .split("\n")
      .map((line) => line.trim().split(/ +/)),
  ).toEqual([
    ["OFFSET", "LENGTH", "KIND"],
    ["0", String(4 * MiB), "removed"],
    [String(8 * MiB), String(8 * MiB), "changed"],
  ]);
  await must(cluster, "vdi", "delete", `${name}@one`);
  await refused(cluster, ["vdi", "diff", `${name}@none`, name], 5, "'none'");
});

interface Step {
  readonly tag: string;
  readonly size: string | null;
  readonly writes: readonly (readonly [number, Uint8Array<ArrayBuffer>])[];
}

const steps: readonly Step[] = [
  { tag: "one", size: null, writes: [at(0, noise(300_000)), at(5 * MiB, noise(9 * MiB))] },
  { tag: "two", size: null, writes: [at(MiB, noise(10)), at(20 * MiB, noise(MiB))] },
  // Zeros over what was there, and more at the end.
  {
    tag: "three",
    size: "34M",
    writes: [at(6 * MiB, new Uint8Array(2 * MiB)), at(30 * MiB, noise(3 * MiB))],
  },
  { tag: "four", size: null, writes: [] },
];

function at(offset: number, bytes: Uint8Array<ArrayBuffer>): Step["writes"][number] {
  return [offset, bytes];
}

/** Makes each state of 'a', a snapshot of it and an image or increment. @returns their digests */
async function backUp(from: TestCluster, file: (name: string) => string): Promise<string[]> {
  const digests: string[] = [];
  for (const [index, { tag, size, writes }] of steps.entries()) {
    if (size !== null) await must(from, "vdi", "resize", "a", size);
    await fill(from, "a", writes);
    await must(from, "vdi", "snapshot", "a", "--tag", tag);
    const before = steps[index - 1]?.tag;
    const since = before === undefined ? [] : ["--since", before, "--verify"];
    const after = before === "two" ? ["--after", file("two")] : [];
    const args = ["vdi", "export", `a@${tag}`, file(tag), ...since, ...after];
    digests.push((await json(from, ...args)).digest);
  }
  return digests;
}

test("[S-121] a full image and increments bring a VDI and its snapshots to another cluster", async () => {
  await using from = await startSheepProcess();
  await using to = await startSheepProcess();
  using folder = new TemporaryFolder();
  const file = (name: string): string => join(folder.path, name);
  await must(from, "vdi", "create", "a", "--size", String(21 * MiB + 7));
  const digests = await backUp(from, file);
  expect(statSync(file("two")).size).toBeLessThan(1.3 * MiB);
  expect(statSync(file("three")).size).toBeLessThan(3.2 * MiB);
  expect(statSync(file("four")).size).toBeLessThan(2_000);

  await must(to, "vdi", "import", file("one"), "b", "--tag", "one");
  // Not the next one.
  await refused(to, ["vdi", "import", file("three"), "--base", "b"], 1, "a@two");
  for (const { tag } of steps.slice(1)) {
    await json(to, "vdi", "import", file(tag), "--base", "b", "--tag", tag, "--verify");
  }
  for (const [index, { tag }] of steps.entries()) {
    const there = file(`${tag}.back`);
    const { digest } = await json(to, "vdi", "export", `b@${tag}`, there);
    expect([tag, digest]).toEqual([tag, digests[index] ?? ""]);
    await must(from, "vdi", "export", `a@${tag}`, file(`${tag}.raw`));
    expect(readFileSync(there).equals(readFileSync(file(`${tag}.raw`)))).toBe(true);
  }
}, 120_000);

test("[S-122] an increment that is cut short or damaged, or does not fit, writes nothing", async () => {
  await using cluster = await startSheepProcess();
  using folder = new TemporaryFolder();
  const path = join(folder.path, "inc");
  await must(cluster, "vdi", "create", "a", "--size", "16M");
  await fill(cluster, "a", [
    [0, noise(MiB)],
    [5 * MiB, noise(MiB)],
  ]);
  await must(cluster, "vdi", "snapshot", "a", "--tag", "one");
  await must(cluster, "vdi", "clone", "a@one", "b");
  await must(cluster, "vdi", "clone", "a@one", "c");
  await fill(cluster, "a", [
    [2 * MiB, noise(MiB)],
    [9 * MiB, noise(MiB)],
  ]);
  await must(cluster, "vdi", "export", "a", path, "--since", "one");
  const whole = readFileSync(path);
  const digestOf = async (name: string): Promise<string> => {
    const to = join(folder.path, `${name}-${crypto.randomUUID()}`);
    return (await json(cluster, "vdi", "export", name, to)).digest;
  };
  const before = await digestOf("b");
  const apply = ["vdi", "import", path, "--base", "b"];
  for (const length of [0, 20, 90, 500, whole.length >> 1, whole.length - 1]) {
    truncateSync(path, length);
    const { exitCode, stderr } = await sheepfs(cluster, ...apply);
    expect([length, exitCode]).toEqual([length, length < 48 ? 1 : 2]);
    expect(stderr).toMatch(/cut short|no increment/);
    writeFileSync(path, whole);
  }
  for (const at of [60, 600, whole.length >> 1, whole.length - 20]) {
    const damaged = Buffer.from(whole);
    damaged.writeUInt8(damaged.readUInt8(at) ^ 1, at);
    writeFileSync(path, damaged);
    const { exitCode, stderr } = await sheepfs(cluster, ...apply);
    expect([at, exitCode, stderr]).toEqual([at, 2, expect.stringContaining("damaged")]);
  }
  // From a stream that ends early too.
  const binary = await sheepfsBinary();
  const stdin = new Uint8Array(whole.subarray(0, whole.length - 100));
  const command = [binary, "vdi", "import", "-", "--base", "b", "-s", cluster.address];
  expect(await run(command, { stdin })).toMatchObject({
    exitCode: 2,
    stderr: expect.stringContaining("'stdin' is damaged or was cut short"),
  });
  expect(await digestOf("b")).toBe(before);

  writeFileSync(path, whole);
  await fill(cluster, "c", [[14 * MiB, noise(5)]]);
  await refused(cluster, ["vdi", "import", path, "--base", "c"], 1, "has not the state 'a@one'");
  await refused(cluster, ["vdi", "import", path, "d"], 1, "is an increment");
  await refused(cluster, [...apply, "--tag", "12"], 1, "digits only");
  expect(await digestOf("b")).toBe(before);
  expect(await run(command, { stdin: new Uint8Array(whole) })).toMatchObject({ exitCode: 0 });
  expect(await digestOf("b")).toBe(await digestOf("a"));
  await refused(cluster, apply, 3, "already");
}, 60_000);

test("[S-123] an increment that was applied in part is applied whole with --resume", async () => {
  await using cluster = await startSheepProcess();
  using folder = new TemporaryFolder();
  const path = join(folder.path, "inc");
  await must(cluster, "vdi", "create", "a", "--size", "16M");
  await fill(cluster, "a", [[0, noise(MiB)]]);
  await must(cluster, "vdi", "snapshot", "a", "--tag", "one");
  await must(cluster, "vdi", "clone", "a@one", "b");
  await fill(cluster, "a", [
    [2 * MiB, noise(MiB)],
    [9 * MiB, noise(MiB)],
  ]);
  const { digest } = await json(cluster, "vdi", "export", "a", path, "--since", "one");
  // As when it was interrupted: something is where it writes.
  await fill(cluster, "b", [[2 * MiB, noise(70_000)]]);
  const apply = ["vdi", "import", path, "--base", "b"];
  await refused(cluster, apply, 1, "--resume");
  expect((await json(cluster, ...apply, "--resume", "--verify")).digest).toBe(digest);
  await fill(cluster, "b", [[15 * MiB, noise(5)]]);
  await refused(cluster, [...apply, "--resume"], 1, "has not the state");
});

test("[S-121] an increment goes through pipes, and is refused where it cannot be", async () => {
  await using cluster = await startSheepProcess();
  using folder = new TemporaryFolder();
  await must(cluster, "vdi", "create", "a", "--size", "16M");
  await must(cluster, "vdi", "create", "other", "--size", "16M");
  await fill(cluster, "a", [[0, noise(MiB)]]);
  await must(cluster, "vdi", "snapshot", "a", "--tag", "one");
  await must(cluster, "vdi", "clone", "a@one", "b");
  await fill(cluster, "a", [[2 * MiB, noise(MiB)]]);
  const binary = await sheepfsBinary();
  const send = `'${binary}' vdi export a - --since one -s ${cluster.address}`;
  const receive = `'${binary}' vdi import - --base b --verify -s ${cluster.address}`;
  expect(await run(["sh", "-c", `${send} | ${receive}`])).toMatchObject({ exitCode: 0 });
  const [ofA, ofB] = [join(folder.path, "a"), join(folder.path, "b")];
  await must(cluster, "vdi", "export", "a", ofA);
  await must(cluster, "vdi", "export", "b", ofB);
  expect(readFileSync(ofB).equals(readFileSync(ofA))).toBe(true);
  const path = join(folder.path, "inc");
  await refused(cluster, ["vdi", "export", "a", path, "--since", "none"], 5, "'none'");
  await refused(cluster, ["vdi", "export", "other", path, "--since", "one"], 5, "'one'");
  const mixed = ["vdi", "export", "a", path, "--since", "one", "--format", "raw"];
  await refused(cluster, mixed, 64, "a format of its own");
  await refused(cluster, ["vdi", "import", ofA, "--base", "b"], 1, "is no increment");
  const wrong = ["vdi", "export", "a", path, "--since", "one", "--after", ofA];
  await refused(cluster, wrong, 1, "is no increment");
});
