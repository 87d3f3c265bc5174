import { expect, test } from "bun:test";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { withCluster } from "../../src/app/verbs/cluster.ts";
import { namedVdi } from "../../src/app/verbs/named.ts";
import { parseAddress } from "../../src/base/address.ts";
import { writeInodePart } from "../../src/cluster/inode.ts";
import { slotOffset } from "../../src/wire/inode.ts";
import { type EmbeddedSheep, startSheepProcess } from "../support/cluster.ts";
import { sheepfsBinary, start, TemporaryFolder } from "../support/process.ts";
import { fill, must, noise, noted, refused } from "./images.ts";

const MiB = 2 ** 20;

/** As whoever deletes a snapshot begins: it has its name as long as it has other slots. */
async function clear(cluster: EmbeddedSheep, name: string, from: number, count: number) {
  await withCluster([parseAddress(cluster.address)], async (caller, scope) => {
    const { header } = await namedVdi(caller, name, scope);
    const place = { offset: slotOffset(from), data: new Uint8Array(4 * count) };
    await writeInodePart(caller, header, place, scope);
  });
}

test("[S-124] a snapshot that somebody begins to delete is not exported as zeros", async () => {
  await using cluster = await startSheepProcess();
  using folder = new TemporaryFolder();
  await must(cluster, "vdi", "create", "a", "--size", "300M");
  await fill(cluster, "a", [[0, noise(200 * MiB)]]);
  await must(cluster, "vdi", "snapshot", "a", "--tag", "one");
  await must(cluster, "vdi", "delete", "a");
  const line = [await sheepfsBinary(), "vdi", "export", "a@one", "-s", cluster.address];
  const streaming = Bun.spawn([...line, "-"], { stdout: "pipe", stderr: "pipe" });
  const reader = streaming.stdout.getReader();
  await reader.read();
  await clear(cluster, "a@one", 40, 10);
  while (!(await reader.read()).done);
  expect([await streaming.exited, await new Response(streaming.stderr).text()]).toEqual([
    1,
    expect.stringContaining("somebody deletes it"),
  ]);
  const path = join(folder.path, "a.img");
  await using child = start([...line, path]);
  while (!noted(`${path}.part`)) await Bun.sleep(1);
  child.kill("SIGINT");
  expect(await child.exit()).toBe(130);
  await clear(cluster, "a@one", 39, 1);
  await refused(cluster, ["vdi", "export", "a@one", path, "--resume"], 1, "somebody deletes it");
}, 60_000);

test("[S-121] an increment from a snapshot that somebody begins to delete is refused", async () => {
  await using cluster = await startSheepProcess();
  using folder = new TemporaryFolder();
  const file = (name: string): string => join(folder.path, name);
  await must(cluster, "vdi", "create", "a", "--size", "16M");
  await must(cluster, "vdi", "snapshot", "a", "--tag", "zero");
  await fill(cluster, "a", [[0, noise(8 * MiB)]]);
  await must(cluster, "vdi", "snapshot", "a", "--tag", "one");
  await must(cluster, "vdi", "export", "a@one", file("one"), "--since", "zero");
  await clear(cluster, "a", 1, 1);
  await must(cluster, "vdi", "snapshot", "a", "--tag", "two");
  await must(cluster, "vdi", "export", "a@two", file("two"), "--since", "one");
  await clear(cluster, "a@one", 1, 1);
  // Of the block that is zeros now nothing would be seen.
  const late = ["vdi", "export", "a@two", file("late"), "--since", "one", "--after", file("one")];
  await refused(cluster, late, 1, "somebody deletes it");
  expect(existsSync(file("late"))).toBe(false);
}, 60_000);
