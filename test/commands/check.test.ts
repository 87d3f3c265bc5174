import { expect, test } from "bun:test";
import { readdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { type EmbeddedSheep, startSheepProcess } from "../support/cluster.ts";
import { must, run, sheepfsBinary } from "../support/process.ts";

async function sheepfs(cluster: EmbeddedSheep, line: string, stdin = "") {
  return await run([await sheepfsBinary(), ...line.split(" "), "-s", cluster.address], { stdin });
}

async function written(cluster: EmbeddedSheep, name: string): Promise<void> {
  await must([
    await sheepfsBinary(),
    "vdi",
    "create",
    name,
    "--size",
    "16M",
    "-s",
    cluster.address,
  ]);
  for (const offset of ["0", "5M", "9M"]) {
    const { exitCode } = await sheepfs(cluster, `write volume/${name} --offset ${offset}`, "bytes");
    expect(exitCode).toBe(0);
  }
}

/** Takes the file of an object away from under the sheep. */
function lose(cluster: EmbeddedSheep, block: number): void {
  const files = readdirSync(cluster.dir, { recursive: true, encoding: "utf8" });
  const name = new RegExp(`(^|/)[^/]*0{7}${block}$`);
  const found = files.filter((file) => name.test(file) && file.includes("object"));
  expect(found.length).toBe(1);
  rmSync(join(cluster.dir, found[0] ?? ""));
}

// [S-152]
test("a VDI whose copies are all there is sound", async () => {
  await using cluster = await startSheepProcess();
  await written(cluster, "a");
  const sound = await sheepfs(cluster, "vdi check a");
  expect(sound).toEqual({ stdout: "", stderr: "", exitCode: 0 });
  const { stdout } = await sheepfs(cluster, "vdi check a --json");
  expect(JSON.parse(stdout)).toMatchObject({ name: "a", objects: 4, damagedObjects: 0 });
  expect((await sheepfs(cluster, "vdi check none")).exitCode).toBe(5);
});

// [S-152]
test("an object that is nowhere is named, with its block, and so it is of a snapshot that shares it", async () => {
  await using cluster = await startSheepProcess();
  await written(cluster, "a");
  await must([
    ...[await sheepfsBinary(), "vdi", "snapshot", "a"],
    "-t",
    "t",
    "-s",
    cluster.address,
  ]);
  await cluster.stop("SIGTERM");
  lose(cluster, 1);
  await cluster.start();
  for (const [name, title] of [
    ["a", "a"],
    ["a@t", "a@t"],
  ]) {
    const { stdout, stderr, exitCode } = await sheepfs(cluster, `vdi check ${name} --json`);
    expect([exitCode, stderr]).toEqual([6, `sheepfs: '${title}': 1 of 4 objects are damaged\n`]);
    const { damages } = JSON.parse(stdout) as {
      damages: readonly { block: number; what: string }[];
    };
    expect(damages.map(({ block, what }) => `${block} ${what}`)).toContain("1 lost");
  }
  const { stdout } = await sheepfs(cluster, "vdi check a");
  expect(stdout).toMatch(/^block +oid +damage +node +what is wrong\n1 +[0-9a-f]{16} +lost/);
});
