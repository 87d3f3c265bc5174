import { expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { MiB, pattern, writeAt } from "../mount/bytes.ts";
import { startCluster } from "../support/cluster.ts";
import { must, TemporaryFolder } from "../support/process.ts";
import { startServe } from "../support/serve.ts";

test("qemu-img reads a volume over http: info, convert and map of holes", async () => {
  await using cluster = await startCluster();
  using folder = new TemporaryFolder();
  const vdi = await cluster.createVdi("qemu", { size: "64M", objectSize: "4M" });
  await using server = await startServe(cluster, { args: ["--attach", vdi], mount: true });
  const expected = Buffer.alloc(64 * MiB);
  for (const [offset, length] of [
    [0, 4_096],
    [9 * MiB - 1_000, 2_000],
    [30 * MiB, 5 * MiB],
    [64 * MiB - 512, 512],
  ] as const) {
    const bytes = pattern(length, offset >>> 10);
    expect(writeAt(server.file("volume", vdi), offset, bytes)).toBe(length);
    bytes.copy(expected, offset);
  }
  const url = server.at("volume", vdi);
  const info = JSON.parse(await must(["qemu-img", "info", "--output=json", "-f", "raw", url]));
  expect(info).toMatchObject({ "virtual-size": 64 * MiB, format: "raw" });
  const image = join(folder.path, "image");
  await must(["qemu-img", "convert", "-m", "1", "-f", "raw", "-O", "raw", url, image], {
    deadlineMs: 60_000,
  });
  expect(readFileSync(image).equals(expected)).toBe(true);
  await must(["qemu-img", "compare", "-f", "raw", "-F", "raw", url, image], {
    deadlineMs: 60_000,
  });
  const read = `read -P ${expected[30 * MiB + 7]} ${30 * MiB + 7} 1`;
  expect(await must(["qemu-io", "-r", "-f", "raw", "-c", read, url])).not.toContain("failed");
}, 120_000);
