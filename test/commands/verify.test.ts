import { expect, test } from "bun:test";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { exportVdi, type ImageFormat } from "../../src/app/backup/export.ts";
import { exportIncrement } from "../../src/app/backup/export-increment.ts";
import { parseAddress } from "../../src/base/address.ts";
import { startSheepProcess } from "../support/cluster.ts";
import { TemporaryFolder } from "../support/process.ts";
import { fill, must, noise } from "./images.ts";

const MiB = 2 ** 20;

/** What this process, and children that ended, read of disks and not of memory. */
function diskBytes(): number {
  const text = readFileSync("/proc/self/io", "utf8");
  return Number(/^read_bytes: (\d+)$/m.exec(text)?.[1] ?? 0);
}

/** Not of a file system in memory, and not where the kernel does not count. */
function seesDisk(): boolean {
  using folder = new TemporaryFolder();
  const path = join(folder.path, "seen");
  writeFileSync(path, noise(8 * MiB));
  const drop = ["dd", "if=/dev/null", `of=${path}`, "oflag=nocache", "conv=notrunc,fdatasync"];
  expect(Bun.spawnSync([...drop, "count=0"]).exitCode).toBe(0);
  const before = diskBytes();
  readFileSync(path);
  return diskBytes() - before >= 8 * MiB;
}

test.skipIf(!seesDisk())(
  "[S-117] --verify reads what the disk has, not what was kept of it in memory",
  async () => {
    await using cluster = await startSheepProcess();
    using folder = new TemporaryFolder();
    await must(cluster, "vdi", "create", "a", "--size", "64M");
    await must(cluster, "vdi", "snapshot", "a", "--tag", "none");
    await fill(cluster, "a", [[0, noise(20 * MiB)]]);
    const gateways = [parseAddress(cluster.address)];
    const common = { gateways, name: "a", verify: true, resume: false };
    const hooks = { out: async () => true, progress: () => {}, note: () => {} };
    const image = async (format: ImageFormat): Promise<void> => {
      const path = join(folder.path, format);
      await exportVdi({ ...common, ...hooks, path, format });
    };
    const rows = [
      { what: "raw", make: () => image("raw"), times: 1 },
      // The raw image that it is made of, and itself.
      { what: "qcow2", make: () => image("qcow2"), times: 2 },
      {
        what: "increment",
        make: async () => {
          const path = join(folder.path, "inc");
          await exportIncrement({ ...common, ...hooks, path, since: "none", after: null });
        },
        times: 1,
      },
    ];
    for (const { what, make, times } of rows) {
      const before = diskBytes();
      await make();
      expect([what, diskBytes() - before >= times * 20 * MiB]).toEqual([what, true]);
    }
  },
  60_000,
);
