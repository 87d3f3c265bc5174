import { expect, test } from "bun:test";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { opcodes } from "../../src/wire/opcode.ts";
import { startSheepProcess, type TestCluster } from "../support/cluster.ts";
import { CountingProxy } from "../support/counting-proxy.ts";
import { type Outcome, run, sheepfsBinary, TemporaryFolder } from "../support/process.ts";
import { fill, json, must, noise } from "./images.ts";

const MiB = 2 ** 20;

/** Runs a line, and tries to write to 'b' just before the last VDI or snapshot of it is made. */
async function whileWritten(
  cluster: TestCluster,
  line: readonly string[],
  made: number,
): Promise<{ digest: string; writing: Outcome | null }> {
  await using proxy = await CountingProxy.before(cluster);
  let count = 0;
  let writing: Outcome | null = null;
  const write = [await sheepfsBinary(), "write", "volume/b", "-s", cluster.address];
  proxy.before = (opcode) => {
    if (opcode !== opcodes.newVdi.code) return null;
    count += 1;
    if (count !== made) return null;
    return run(write, { stdin: noise(5_000) }).then((outcome) => {
      writing = outcome;
    });
  };
  const { digest } = await json(proxy, ...line);
  return { digest, writing };
}

test("[S-115] what --tag names is what was imported: nobody can write before it is made", async () => {
  await using cluster = await startSheepProcess();
  using folder = new TemporaryFolder();
  const [image, inc] = [join(folder.path, "image"), join(folder.path, "inc")];
  writeFileSync(image, noise(3 * MiB));
  await must(cluster, "vdi", "import", image, "a", "--tag", "one");
  await fill(cluster, "a", [[MiB, noise(MiB)]]);
  await must(cluster, "vdi", "export", "a", inc, "--since", "one");
  const rows = [
    { line: ["vdi", "import", image, "b", "--tag", "one"], made: 2, tag: "one" },
    { line: ["vdi", "import", inc, "--base", "b", "--tag", "two"], made: 1, tag: "two" },
  ];
  for (const { line, made, tag } of rows) {
    const { digest, writing } = await whileWritten(cluster, line, made);
    expect([tag, writing]).toEqual([
      tag,
      expect.objectContaining({ exitCode: 1, stderr: expect.stringContaining("attached") }),
    ]);
    const there = await json(cluster, "vdi", "export", `b@${tag}`, join(folder.path, tag));
    expect([tag, there.digest]).toEqual([tag, digest]);
  }
  // It is anybody's again.
  await fill(cluster, "b", [[0, noise(10)]]);
}, 60_000);
