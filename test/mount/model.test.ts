import { expect, test } from "bun:test";
import { join } from "node:path";
import { startCluster } from "../support/cluster.ts";
import { mountSheepfs } from "../support/mount.ts";
import { run } from "../support/process.ts";

const seed = Number(process.env["SEED"] ?? Math.floor(Math.random() * 2 ** 31));
const MiB = 1 << 20;

const walks = [
  { how: "direct", objectSize: "1M", mountArgs: [], steps: 100_000 },
  { how: "buffered", objectSize: "4M", mountArgs: [], steps: 60_000 },
  { how: "buffered", objectSize: "2M", mountArgs: ["--page-cache"], steps: 40_000 },
] as const;

for (const { how, objectSize, mountArgs, steps } of walks) {
  const on = [`${objectSize} objects`, ...mountArgs].join(", ");
  test(`${steps} random steps read as a model says: ${how}, ${on} (SEED=${seed})`, async () => {
    await using cluster = await startCluster();
    const bytes = 12 * MiB + 512;
    const vdi = await cluster.createVdi("model", { size: String(bytes), objectSize });
    await using mount = await mountSheepfs(cluster, { args: [...mountArgs, "--attach", vdi] });
    const program = join(import.meta.dirname, "model-child.ts");
    const { exitCode, stdout, stderr } = await run(
      [process.execPath, program, mount.file("volume", vdi), bytes, steps, seed, how].map(String),
      { deadlineMs: 90_000 },
    );
    expect(stderr).toBe("");
    expect(stdout).toContain("all read as written");
    expect(exitCode).toBe(0);
  }, 100_000);
}
