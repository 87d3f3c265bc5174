import { expect, test } from "bun:test";
import { startSheepProcess } from "../support/cluster.ts";
import { run, sheepfsBinary } from "../support/process.ts";
import { fill, must, noise } from "./images.ts";

test("what does not fit where stdout goes is said in one line that names it", async () => {
  await using cluster = await startSheepProcess();
  await must(cluster, "vdi", "create", "a", "--size", "8M");
  await must(cluster, "vdi", "snapshot", "a", "--tag", "t");
  await fill(cluster, "a", [[0, noise(3_000_000)]]);
  const lines = ["vdi export a -", "vdi export a - --since t", "vdi list"];
  for (const line of lines) {
    const shell = `'${await sheepfsBinary()}' ${line} -s ${cluster.address} > /dev/full`;
    const { exitCode, stderr } = await run(["sh", "-c", shell]);
    expect([line, exitCode, stderr]).toEqual([
      line,
      4,
      expect.stringMatching(/^sheepfs: 'stdout': [^\n]*no space[^\n]*\n$/i),
    ]);
  }
}, 30_000);
