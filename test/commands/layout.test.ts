import { expect, test } from "bun:test";
import { readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { attach, detach, readPart } from "../conformance/driver.ts";
import { World } from "../lifecycle/world.ts";
import { type EmbeddedSheep, startSheepProcess } from "../support/cluster.ts";
import { run, sheepfsBinary, TemporaryFolder } from "../support/process.ts";

const MiB = 2 ** 20;
const largest = Number.MAX_SAFE_INTEGER;

async function sheepfs(cluster: EmbeddedSheep, line: string, stdin = "") {
  const command = [await sheepfsBinary(), ...line.split(" "), "-s", cluster.address];
  return await run(command, { stdin });
}

async function must(cluster: EmbeddedSheep, line: string, stdin = ""): Promise<string> {
  const { stdout, stderr, exitCode } = await sheepfs(cluster, line, stdin);
  if (exitCode !== 0) throw new Error(`sheepfs ${line}: ${exitCode} ${stderr}`);
  return stdout;
}

async function shown(cluster: EmbeddedSheep, name: string): Promise<unknown> {
  return JSON.parse(await must(cluster, `vdi show ${name} --json`));
}

/** Objects with data, in the sheep's directory. */
function dataFiles({ dir }: EmbeddedSheep): string[] {
  const all = readdirSync(dir, { recursive: true }).map(String);
  return all.filter((path) => /\/[0-9a-f]{6}\/d[0-9a-f]{8}$/.test(path));
}

function imageIn(folder: TemporaryFolder): string {
  const path = join(folder.path, "a.img");
  writeFileSync(path, Buffer.alloc(5 * MiB, "data"));
  return path;
}

// [S-163]
test("a VDI is made, imported and copied as erasure-coded in a cluster of plain copies", async () => {
  await using cluster = await startSheepProcess();
  using folder = new TemporaryFolder();
  const image = imageIn(folder);
  await must(cluster, "vdi create a --size 16M --copies 2:1");
  await must(cluster, `vdi import ${image} b --copies 4:2 --verify`);
  await must(cluster, `vdi copy b --to ${cluster.address} --as c --copies 16:15`);
  await must(cluster, "vdi create d --size 16M --copies 8:3 --hypervolume");
  expect(await shown(cluster, "a")).toMatchObject({ copies: 3, copyPolicy: 0x11 });
  expect(await shown(cluster, "b")).toMatchObject({ copies: 6, copyPolicy: 0x22 });
  expect(await shown(cluster, "c")).toMatchObject({ copies: 31, copyPolicy: 0x8f });
  expect(await shown(cluster, "d")).toMatchObject({ copies: 11, copyPolicy: 0x43 });
  expect(await must(cluster, "cat vdi/a/copy_policy")).toBe("2:1\n");
  await must(cluster, "write volume/a --offset 5M", "hello");
  expect((await must(cluster, "cat volume/a")).slice(5 * MiB, 5 * MiB + 5)).toBe("hello");
  await must(cluster, `vdi export c ${join(folder.path, "c.img")}`);
  const same = await run(["cmp", image, join(folder.path, "c.img")]);
  expect(same).toMatchObject({ stdout: "", exitCode: 0 });
}, 30_000);

// [S-163]
test("an erasure code that no sheep has is a mistake in the line, and nothing is made", async () => {
  await using cluster = await startSheepProcess();
  for (const wrong of ["3:1", "2:0", "4:16", "32:1", "2:", ":1", "2:1:1", "4:1.5", "-2:1", "0"]) {
    const { stderr, exitCode } = await sheepfs(
      cluster,
      `vdi create a --size 16M --copies=${wrong}`,
    );
    expect([wrong, exitCode, stderr]).toEqual([wrong, 64, expect.stringContaining(`'${wrong}'`)]);
  }
  expect(JSON.parse(await must(cluster, "vdi list --json"))).toEqual([]);
});

// [S-164]
test("a hypervolume is made, written at both ends, read, grown and deleted with all its objects", async () => {
  await using cluster = await startSheepProcess();
  await must(cluster, `vdi create a --size ${largest - 1} --hypervolume`);
  const before = dataFiles(cluster).length;
  await must(cluster, "write volume/a", "first");
  await must(cluster, `write volume/a --offset ${largest - 5}`, "last");
  expect(dataFiles(cluster).length).toBe(before + 2);
  {
    await using world = await World.open(cluster);
    await attach(world.subject, "a");
    const read = async (offset: number, length: number) =>
      new TextDecoder().decode(await readPart(world.subject, "volume/a", offset, length));
    expect(await read(0, 5)).toBe("first");
    expect(await read(largest - 5, 4)).toBe("last");
    await detach(world.subject, "a");
  }
  await must(cluster, `vdi resize a ${largest}`);
  expect(await shown(cluster, "a")).toMatchObject({ sizeBytes: largest, hypervolume: true });
  expect(JSON.parse(await must(cluster, "stat volume/a --json"))).toMatchObject({
    sizeBytes: largest,
  });
  await must(cluster, "vdi delete a");
  expect(dataFiles(cluster).length).toBe(before);
}, 30_000);

// [S-164]
test("an image is imported as a hypervolume, and what cannot be one is refused", async () => {
  await using cluster = await startSheepProcess();
  using folder = new TemporaryFolder();
  const image = imageIn(folder);
  await must(cluster, `vdi import ${image} a --hypervolume --size 6P --verify`);
  expect(await shown(cluster, "a")).toMatchObject({ sizeBytes: 6 * 2 ** 50, hypervolume: true });
  const rows = [
    ["vdi create b --size 8P --hypervolume", 64, String(largest)],
    ["vdi create b --size 16P --hypervolume", 64, String(largest)],
    ["vdi create b --size 1G --hypervolume --object-size 8M", 64, "--object-size"],
    [`vdi import ${image} --base a --hypervolume`, 64, "--hypervolume"],
    ["vdi create b --size 4P --object-size 1G", 1, "--hypervolume"],
    ["vdi snapshot a --tag t", 1, "is a hypervolume"],
  ] as const;
  for (const [line, code, text] of rows) {
    const { stderr, exitCode } = await sheepfs(cluster, line);
    expect([line, exitCode, stderr]).toEqual([line, code, expect.stringContaining(text)]);
  }
}, 30_000);

// [S-165]
test("more copies or strips than zones are told on stderr, and made", async () => {
  await using cluster = await startSheepProcess();
  using folder = new TemporaryFolder();
  const rows = [
    ["vdi create a --size 16M --copies 1", ""],
    ["vdi create b --size 16M --copies 3", "'b' wants 3 copies, and there are nodes in 1 zones"],
    ["vdi create c --size 16M --copies 2:1", "'c' wants 3 strips"],
    [`vdi import ${imageIn(folder)} d --copies 4:2`, "with fewer than 4 a sheep refuses"],
    [`vdi copy d --to ${cluster.address} --as e --copies 2`, "'e' wants 2 copies"],
  ] as const;
  for (const [line, text] of rows) {
    const { stderr, exitCode } = await sheepfs(cluster, line);
    expect([line, exitCode]).toEqual([line, 0]);
    if (text === "") expect(stderr).toBe("");
    else expect(stderr).toContain(text);
    expect(stderr.includes("sheepfs: warning: VDI ")).toBe(text !== "");
  }
}, 30_000);

// [S-166]
test("an import does not go on with a VDI that was made with other copies or another index", async () => {
  await using cluster = await startSheepProcess();
  using folder = new TemporaryFolder();
  const image = imageIn(folder);
  await must(cluster, "vdi create a --size 5M --copies 1");
  for (const other of ["--copies 2", "--copies 2:1", "--hypervolume", "--object-size 8M"]) {
    const { stderr, exitCode } = await sheepfs(cluster, `vdi import ${image} a --resume ${other}`);
    expect([other, exitCode]).toEqual([other, 1]);
    expect(stderr).toContain("it was begun as another");
  }
  await must(cluster, `vdi import ${image} a --resume --copies 1 --verify`);
}, 30_000);
