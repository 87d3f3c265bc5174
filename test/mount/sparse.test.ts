import { expect, test } from "bun:test";
import { mkdirSync, readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { type EmbeddedSheep, startSheepProcess } from "../support/cluster.ts";
import { cannotMount, mountSheepfs, type TestMount } from "../support/mount.ts";
import { must, run, TemporaryFolder } from "../support/process.ts";
import { pattern, readAt, writeAt } from "./bytes.ts";

const MiB = 1 << 20;
const objectBytes = 4 * MiB;

const TiB = 2 ** 40;

/** Objects that have data. */
const written = [2, 3, 10, TiB / objectBytes - 1];

/** A volume of 1 TiB with data in some of its objects, and a snapshot of it. */
async function given(cluster: EmbeddedSheep): Promise<{ mount: TestMount; vdi: string }> {
  const vdi = await cluster.createVdi("sparse", { size: "1T", objectSize: "4M" });
  const mount = await mountSheepfs(cluster, { args: ["--attach", vdi] });
  for (const index of written) writeAt(mount.file("volume", vdi), placeIn(index), bytesIn(index));
  mkdirSync(mount.file("snapshot", vdi, "one"));
  return { mount, vdi };
}

function placeIn(index: number): number {
  return index * objectBytes + MiB;
}

function bytesIn(index: number): Buffer {
  return pattern(5000, index % 251);
}

/** Whether what was written is in a copy, which takes little space. */
function isCopy(path: string, indexes: readonly number[]): boolean {
  const { size, blocks } = statSync(path);
  const holds = (index: number): boolean =>
    readAt(path, placeIn(index), 5000).equals(bytesIn(index));
  return size === TiB && blocks * 512 <= indexes.length * objectBytes && indexes.every(holds);
}

// [S-140] Of a snapshot: tar reads sparse files by 512 bytes, which is slow where nothing caches.
test.skipIf(cannotMount !== null)("tar -S reads of a snapshot what was written", async () => {
  await using cluster = await startSheepProcess();
  const { mount: mounted, vdi } = await given(cluster);
  await using mount = mounted;
  using folder = new TemporaryFolder();
  const path = mount.file("snapshot", vdi, "one");
  const archive = join(folder.path, "archive.tar");
  await must(["tar", "-S", "-cf", archive, path]);
  const { size } = statSync(archive);
  expect(size).toBeGreaterThan(written.length * objectBytes);
  expect(size).toBeLessThan((written.length + 1) * objectBytes);
  await must(["tar", "-C", folder.path, "--transform=s,.*,untarred,", "-xf", archive]);
  expect(isCopy(join(folder.path, "untarred"), written)).toBe(true);
});

// [S-140]
test.skipIf(cannotMount !== null)(
  "cp and qemu-img read what was written of 1 TiB and pass over the rest",
  async () => {
    await using cluster = await startSheepProcess();
    const { mount: mounted, vdi } = await given(cluster);
    await using mount = mounted;
    using folder = new TemporaryFolder();
    for (const path of [mount.file("volume", vdi), mount.file("snapshot", vdi, "one")]) {
      const copy = join(folder.path, "copy");
      await must(["cp", "--sparse=always", path, copy]);
      expect(isCopy(copy, written)).toBe(true);
      const map = await must(["qemu-img", "map", "--output=json", "-f", "raw", path]);
      const data = (JSON.parse(map) as { start: number; length: number; data: boolean }[])
        .filter((extent) => extent.data)
        .map(({ start, length }) => [start / objectBytes, length / objectBytes]);
      const last = TiB / objectBytes - 1;
      expect(data).toEqual([...[[2, 2]], ...[[10, 1]], ...[[last, 1]]]);
      const image = join(folder.path, "image");
      await must(["qemu-img", "convert", "-f", "raw", "-O", "qcow2", path, image]);
      expect(statSync(image).size).toBeLessThan(MiB);
      const back = join(folder.path, "back");
      await must(["qemu-img", "convert", "-f", "qcow2", "-O", "raw", image, back]);
      expect(isCopy(back, written)).toBe(true);
    }
  },
);

test.skipIf(cannotMount !== null)("a punched object is a hole, and only there", async () => {
  await using cluster = await startSheepProcess();
  const { mount: mounted, vdi } = await given(cluster);
  await using mount = mounted;
  using folder = new TemporaryFolder();
  const path = mount.file("volume", vdi);
  const range = ["--offset", String(2 * objectBytes), "--length", String(2 * objectBytes)];
  await must(["fallocate", "--punch-hole", ...range, path]);
  expect(statSync(path).blocks * 512).toBe(2 * objectBytes);
  expect(readFileSync(mount.file("vdi", vdi, "shared"), "utf8")).toBe(`${2 * objectBytes}\n`);
  const copy = join(folder.path, "copy");
  await must(["cp", "--sparse=always", path, copy]);
  expect(isCopy(copy, written.slice(2))).toBe(true);
  expect(isCopy(copy, written)).toBe(false);
  await must(["cp", "--sparse=always", mount.file("snapshot", vdi, "one"), copy]);
  expect(isCopy(copy, written)).toBe(true);
});

// [S-141]
test.skipIf(cannotMount !== null)("cp is never a clone: it copies, or is refused", async () => {
  await using cluster = await startSheepProcess();
  const { mount: mounted, vdi } = await given(cluster);
  await using mount = mounted;
  const [source, target] = [mount.file("snapshot", vdi, "one"), mount.file("volume", "copy")];
  const refused = async (how: string, reason: string): Promise<void> => {
    const { exitCode, stderr } = await run(["cp", `--reflink=${how}`, source, target]);
    expect([exitCode, stderr]).toEqual([1, expect.stringContaining(reason)]);
  };
  await refused("always", "Operation not supported");
  await refused("auto", "No space left on device");
  expect(readdirSync(mount.file("volume"))).toEqual([vdi]);
  await must(["truncate", "-s", "1T", target]);
  await refused("always", "Operation not supported");
  const fact = (name: string): string => readFileSync(mount.file("vdi", "copy", name), "utf8");
  expect([fact("used"), fact("shared")]).toEqual(["0\n", "0\n"]);
  await must(["cp", "--reflink=auto", source, target]);
  for (const index of written) {
    expect(readAt(target, placeIn(index), 5000).equals(bytesIn(index))).toBe(true);
  }
  const used = `${written.length * objectBytes}\n`;
  expect([fact("used"), fact("shared"), fact("parent")]).toEqual([used, "0\n", ""]);
});
