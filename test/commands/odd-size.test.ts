import { expect, test } from "bun:test";
import { join } from "node:path";
import { startSheepProcess } from "../support/cluster.ts";
import { TemporaryFolder } from "../support/process.ts";
import { fill, json, must, noise, refused, sheepfs } from "./images.ts";

test("a qcow2 image of a VDI that ends within a sector is larger, which is said, and --size cuts it back", async () => {
  await using cluster = await startSheepProcess();
  using folder = new TemporaryFolder();
  const path = join(folder.path, "odd.qcow2");
  await must(cluster, "vdi", "create", "odd", "--size", "3000001");
  await fill(cluster, "odd", [[2_900_000, noise(100_001)]]);
  const { stderr, exitCode } = await sheepfs(cluster, "vdi", "export", "odd", path);
  expect([exitCode, stderr]).toEqual([0, expect.stringContaining("'--size 3000001'")]);
  const { digest } = await json(cluster, "vdi", "export", "odd", join(folder.path, "raw"));
  const back = await json(cluster, "vdi", "import", path, "back", "--size", "3000001", "--verify");
  expect(back).toMatchObject({ digest, sizeBytes: 3_000_001 });
  await refused(
    cluster,
    ["vdi", "import", path, "no", "--size", "2999900"],
    4,
    "more than 2999900",
  );
  await refused(
    cluster,
    ["vdi", "import", path, "no", "--size", "2999999"],
    4,
    "more than 2999999",
  );
}, 60_000);
