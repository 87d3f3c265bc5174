import { expect, test } from "bun:test";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { clearMark, writeMark } from "../../src/app/backup/vdi-mark.ts";
import { parseAddress } from "../../src/base/address.ts";
import { startSheepProcess, type TestCluster } from "../support/cluster.ts";
import { type Outcome, run, sheepfsBinary, TemporaryFolder } from "../support/process.ts";
import { fill, json, must, noise, refused } from "./images.ts";

const MiB = 2 ** 20;

/** Bytes with holes and other zeros. */
function content(): Uint8Array<ArrayBuffer> {
  const bytes = noise(24 * MiB);
  bytes.fill(0, 5 * MiB, 9 * MiB);
  return bytes;
}

async function stream(
  cluster: TestCluster,
  bytes: Uint8Array<ArrayBuffer>,
  ...args: readonly string[]
): Promise<Outcome> {
  const line = ["vdi", "import", "-", ...args, "-s", cluster.address];
  return await run([await sheepfsBinary(), ...line], { stdin: bytes, deadlineMs: 60_000 });
}

/** An import of which the beginning is there. */
async function half(cluster: TestCluster, name: string, bytes: Uint8Array<ArrayBuffer>) {
  const part = bytes.subarray(0, 13 * MiB + 700);
  const outcome = await stream(cluster, part, name, "--size", `${bytes.length}`, "--resume");
  expect(outcome).toMatchObject({ exitCode: 2, stderr: expect.stringContaining("--resume") });
}

async function write(cluster: TestCluster, name: string): Promise<Outcome> {
  const line = [await sheepfsBinary(), "write", `volume/${name}`, "-s", cluster.address];
  return await run(line, { stdin: noise(5_000) });
}

/** As a virtual machine does, which knows of no marks. */
async function writtenByOthers(cluster: TestCluster, name: string, at: number): Promise<void> {
  const gateways = [parseAddress(cluster.address)];
  await clearMark(gateways, { name, kind: "import" });
  await fill(cluster, name, [[at, noise(512)]]);
  await writeMark(gateways, { name, kind: "import" }, null);
}

test("[S-167] nobody attaches for writing what an import has left, until it goes on or a snapshot was made", async () => {
  await using cluster = await startSheepProcess();
  using folder = new TemporaryFolder();
  const path = join(folder.path, "image");
  const bytes = content();
  writeFileSync(path, bytes);
  await half(cluster, "b", bytes);
  expect(await json(cluster, "vdi", "show", "b")).toMatchObject({ unfinishedImport: true });
  expect(await write(cluster, "b")).toMatchObject({
    exitCode: 1,
    stderr: expect.stringContaining("'sheepfs vdi import IMAGE b --resume', or delete it"),
  });
  await must(cluster, "vdi", "import", path, "b", "--resume");
  expect(await write(cluster, "b")).toMatchObject({ exitCode: 0 });
  expect(await must(cluster, "vdi", "show", "b")).not.toContain("unfinishedImport");

  await half(cluster, "c", bytes);
  await must(cluster, "vdi", "snapshot", "c", "--tag", "asis");
  expect(await write(cluster, "c")).toMatchObject({ exitCode: 0 });
  expect(await must(cluster, "vdi", "show", "c@asis")).toMatch(/unfinishedImport +true/);
  const resume = ["vdi", "import", path, "c", "--resume"];
  await refused(cluster, resume, 3, "'c@asis' has only a part of an image");
}, 60_000);

test("[S-168] an import goes on only where nobody else has written", async () => {
  await using cluster = await startSheepProcess();
  using folder = new TemporaryFolder();
  const path = join(folder.path, "image");
  const bytes = content();
  writeFileSync(path, bytes);
  // What it has written, what it has not reached yet, and zeros of the image.
  for (const [at, place] of [MiB + 512, 20 * MiB + 4096, 7 * MiB].entries()) {
    const name = `v${at}`;
    await half(cluster, name, bytes);
    await writtenByOthers(cluster, name, place);
    const before = await json(cluster, "vdi", "export", name, join(folder.path, `${name}.before`));
    const resume = ["vdi", "import", path, name, "--resume"];
    await refused(cluster, resume, 1, `has at offset ${place} what the image has not`);
    const after = await json(cluster, "vdi", "export", name, join(folder.path, `${name}.after`));
    expect([name, after.digest]).toEqual([name, before.digest]);
    // A stream is not read before: it ends where it comes to that.
    const streamed = await stream(cluster, bytes, name, "--size", `${bytes.length}`, "--resume");
    expect(streamed).toMatchObject({
      exitCode: 1,
      stderr: expect.stringContaining(`has at offset ${place} what the image has not`),
    });
  }
}, 60_000);
