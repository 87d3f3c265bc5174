import { expect, test } from "bun:test";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { seededRandom } from "../../src/base/random.ts";
import { startCluster } from "../support/cluster.ts";
import { LoopMount } from "../support/loop-mount.ts";
import { mountSheepfs } from "../support/mount.ts";
import { must } from "../support/process.ts";

const seed = Number(process.env["SEED"] ?? 20_261_124);

test(`files in an ext4 on a loop device outlive unmount, detach and daemon (SEED=${seed})`, async () => {
  await using cluster = await startCluster();
  const vdi = await cluster.createVdi("ext4", { size: "256M" });
  const random = seededRandom(seed);
  const files = Array.from({ length: 24 }, (_, index) => {
    const bytes = new Uint8Array(1 + random.below(index < 20 ? 20_000 : 4_000_000));
    for (let at = 0; at < bytes.length; at += 1) bytes[at] = random.u32();
    return { name: `file${index}`, bytes };
  });
  {
    await using mount = await mountSheepfs(cluster);
    mount.attach(vdi);
    const volume = mount.file("volume", vdi);
    await must(["mkfs.ext4", "-q", "-F", volume]);
    await using loop = new LoopMount();
    const path = await loop.mount(volume);
    for (const { name, bytes } of files) writeFileSync(join(path, name), bytes);
    for (const { name } of files.slice(0, 4)) await must(["rm", join(path, name)]);
    await must(["fstrim", path]);
    await loop.unmount();
    await must(["e2fsck", "-f", "-n", volume]);
    mount.detach(vdi);
    mount.attach(vdi);
    await must(["e2fsck", "-f", "-n", volume]);
    expect(await mount.stop()).toBe(0);
  }
  await using mount = await mountSheepfs(cluster, { args: ["--attach", vdi] });
  const volume = mount.file("volume", vdi);
  await must(["e2fsck", "-f", "-n", volume]);
  await using loop = new LoopMount();
  const path = await loop.mount(volume);
  for (const { name, bytes } of files.slice(4)) {
    expect(Buffer.compare(readFileSync(join(path, name)), bytes)).toBe(0);
  }
}, 60_000);
