import { expect, test } from "bun:test";
import { closeSync, openSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { type EmbeddedSheep, startSheepProcess } from "../support/cluster.ts";
import { sheepfsBinary, start, TemporaryFolder } from "../support/process.ts";
import { fill, json, must, noise, refused, sheepfs } from "./images.ts";

const MiB = 2 ** 20;

interface Listed {
  readonly name: string;
  readonly tag: string;
  readonly snapshot: boolean;
}

async function tagsOf(cluster: EmbeddedSheep, name: string): Promise<readonly string[]> {
  const vdis = await json<readonly Listed[]>(cluster, "vdi", "list");
  return vdis.filter((one) => one.name === name && one.snapshot).map(({ tag }) => tag);
}

/** Whether both have the same bytes under these names. */
async function same(
  [a, nameA]: readonly [EmbeddedSheep, string],
  [b, nameB]: readonly [EmbeddedSheep, string],
  folder: TemporaryFolder,
): Promise<boolean> {
  const [ofA, ofB] = [crypto.randomUUID(), crypto.randomUUID()].map((id) => join(folder.path, id));
  if (ofA === undefined || ofB === undefined) return false;
  await must(a, "vdi", "export", nameA, ofA);
  await must(b, "vdi", "export", nameB, ofB);
  return readFileSync(ofA).equals(readFileSync(ofB));
}

test("[S-127] vdi copy brings a VDI with its snapshots to another cluster, and what comes later", async () => {
  await using from = await startSheepProcess();
  await using to = await startSheepProcess();
  using folder = new TemporaryFolder();
  await must(from, "vdi", "create", "a", "--size", String(13 * MiB + 5));
  await fill(from, "a", [
    [0, noise(2 * MiB)],
    [9 * MiB, noise(3 * MiB)],
  ]);
  await must(from, "vdi", "snapshot", "a", "--tag", "one");
  await fill(from, "a", [
    [9 * MiB, new Uint8Array(MiB)],
    [5 * MiB, noise(10)],
  ]);
  await must(from, "vdi", "resize", "a", "20M");
  await must(from, "vdi", "snapshot", "a", "--tag", "two @ noon");
  await fill(from, "a", [[18 * MiB, noise(MiB)]]);
  const copy = ["vdi", "copy", "a", "--to", to.address];
  expect(await json<object>(from, ...copy, "--as", "b")).toMatchObject({
    ...{ name: "a", as: "b", sizeBytes: 20 * MiB },
    snapshots: ["one", "two \\x40 noon"],
  });
  expect(await tagsOf(to, "b")).toEqual(["one", "two @ noon"]);
  for (const state of ["", "@one", "@two \\x40 noon"]) {
    expect([state, await same([from, `a${state}`], [to, `b${state}`], folder)]).toEqual([
      state,
      true,
    ]);
  }
  await refused(from, [...copy, "--as", "b"], 3, "'b' exists there as a copy");
  // Later, only what is new; also while somebody has the VDI.
  await must(from, "vdi", "snapshot", "a", "--tag", "three");
  await fill(from, "a", [[0, noise(100)]]);
  const later = [...copy, "--as", "b", "--snapshots", "--resume"];
  const { dataBytes } = await json(from, ...later);
  expect(dataBytes).toBe(4 * MiB);
  expect(await same([from, "a@three"], [to, "b@three"], folder)).toBe(true);
  expect((await json(from, ...later)).dataBytes).toBe(0);
  await json(from, ...copy, "--as", "b", "--resume");
  expect(await same([from, "a"], [to, "b"], folder)).toBe(true);
  // Something else has been written there.
  await must(from, "vdi", "snapshot", "a", "--tag", "four");
  await fill(to, "b", [[12 * MiB, noise(10)]]);
  await refused(from, later, 1, "was written to there since its snapshot 'three'");
  await must(to, "vdi", "create", "a", "--size", "4M");
  await refused(from, copy, 3, "'a' exists there");
  await refused(from, ["vdi", "copy", "none", "--to", to.address], 5, "'none'");
}, 120_000);

test("[S-127] a copy that is ended at random goes on with --resume, and is the same", async () => {
  await using from = await startSheepProcess();
  await using to = await startSheepProcess();
  using folder = new TemporaryFolder();
  await must(from, "vdi", "create", "a", "--size", "200M");
  for (const tag of ["one", "two", "three"]) {
    await fill(from, "a", [[Math.floor(Math.random() * 100) * MiB, noise(60 * MiB)]]);
    await must(from, "vdi", "snapshot", "a", "--tag", tag);
  }
  const binary = await sheepfsBinary();
  const line = ["vdi", "copy", "a", "--to", to.address, "--resume", "-s", from.address];
  for (let attempt = 0; ; attempt += 1) {
    await using child = start([binary, ...line]);
    const kill = attempt < 5 ? Bun.sleep(200 + Math.random() * 600) : new Promise(() => {});
    await Promise.race([kill, child.exit(60_000)]);
    if (!child.running) {
      expect([await child.exit(), child.stderr]).toEqual([0, expect.any(String)]);
      break;
    }
    child.kill(attempt % 2 === 0 ? "SIGKILL" : "SIGINT");
    await child.exit();
  }
  expect(await tagsOf(to, "a")).toEqual(["one", "two", "three"]);
  for (const state of ["a", "a@one", "a@two", "a@three"]) {
    expect([state, await same([from, state], [to, state], folder)]).toEqual([state, true]);
  }
}, 120_000);

test("[S-127] a VDI that somebody writes is not copied as it is now, but its snapshots are", async () => {
  await using from = await startSheepProcess();
  await using to = await startSheepProcess();
  using folder = new TemporaryFolder();
  await must(from, "vdi", "create", "a", "--size", "16M");
  await must(from, "vdi", "snapshot", "a", "--tag", "one");
  const binary = await sheepfsBinary();
  const fifo = join(folder.path, "fifo");
  Bun.spawnSync(["mkfifo", fifo]);
  const fd = openSync(fifo, "r+");
  const write = `exec '${binary}' write volume/a -s ${from.address} < '${fifo}'`;
  await using writer = start(["sh", "-c", write]);
  while (!(await sheepfs(from, "vdi", "lock", "show", "a", "--json")).stdout.includes('"pid"')) {
    await Bun.sleep(50);
  }
  const copy = ["vdi", "copy", "a", "--to", to.address];
  await refused(from, copy, 1, "'a'");
  expect((await sheepfs(to, "vdi", "show", "a")).exitCode).toBe(5);
  await must(from, ...copy, "--snapshots");
  expect(await tagsOf(to, "a")).toEqual(["one"]);
  writer.kill("SIGKILL");
  closeSync(fd);
}, 60_000);

test("[S-127] what was written or snapshotted at the copy is not taken for what was copied, nor written over", async () => {
  await using from = await startSheepProcess();
  await using to = await startSheepProcess();
  using folder = new TemporaryFolder();
  await must(from, "vdi", "create", "a", "--size", "8M");
  await must(from, "vdi", "create", "other", "--size", "8M");
  await fill(from, "a", [[0, noise(100)]]);
  await fill(from, "other", [[0, noise(100)]]);
  const copy = ["vdi", "copy", "a", "--to", to.address];
  // One without snapshots that is in use there by now.
  await must(from, ...copy);
  const other = ["vdi", "copy", "other", "--to", to.address, "--as", "a", "--resume"];
  await refused(from, other, 1, "is no copy of this VDI");
  await fill(to, "a", [[0, noise(10)]]);
  await refused(from, [...copy, "--resume"], 1, "was written to there");
  expect(await same([from, "a"], [to, "a"], folder)).toBe(false);
  // The same with one, in a block that differs here as well.
  const second = [...copy, "--as", "b"];
  await must(from, "vdi", "snapshot", "a", "--tag", "one");
  await fill(from, "a", [[5, noise(100)]]);
  await must(from, ...second);
  await must(from, ...second, "--resume");
  await fill(to, "b", [[50, noise(10)]]);
  await refused(from, [...second, "--resume"], 1, "was written to there since its snapshot 'one'");
  // A snapshot made there has the tag of the next one here.
  const third = [...copy, "--as", "c", "--snapshots"];
  await must(from, ...third);
  await must(to, "vdi", "snapshot", "c", "--tag", "two");
  await must(from, "vdi", "snapshot", "a", "--tag", "two");
  await fill(from, "a", [[4 * MiB, noise(100)]]);
  await must(from, "vdi", "snapshot", "a", "--tag", "three");
  await refused(
    from,
    [...third, "--resume"],
    1,
    "the last snapshot of 'c' is none that was copied",
  );
  await must(to, "vdi", "delete", "c@two");
  await must(from, ...third, "--resume");
  expect(await same([from, "a@two"], [to, "c@two"], folder)).toBe(true);
  expect(await same([from, "a@three"], [to, "c@three"], folder)).toBe(true);
}, 120_000);
