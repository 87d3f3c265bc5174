import { expect, test } from "bun:test";
import { existsSync, mkdirSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { startSheepProcess } from "../support/cluster.ts";
import { sheepfsBinary, start, TemporaryFolder } from "../support/process.ts";
import { must } from "./images.ts";

const prefix = "sheepfs-import-";

test("[S-169] what an import that was killed has spooled is removed by the next, and no other", async () => {
  await using cluster = await startSheepProcess();
  using folder = new TemporaryFolder();
  using other = new TemporaryFolder();
  const pipe = join(other.path, "pipe");
  expect(Bun.spawnSync(["mkfifo", pipe]).exitCode).toBe(0);
  await must(cluster, "vdi", "create", "a", "--size", "4M");
  const line = [await sheepfsBinary(), "vdi", "import", "-", "--base", "a", "-s", cluster.address];
  const spooling = async (before: readonly string[]) => {
    // It never ends.
    const shell = ["sh", "-c", `exec "$@" 0<>'${pipe}'`, "sh", ...line];
    const child = start(shell, { env: { TMPDIR: folder.path } });
    for (;;) {
      const made = readdirSync(folder.path).find((name) => !before.includes(name));
      if (made !== undefined && existsSync(join(folder.path, made, "increment"))) {
        return { child, made };
      }
      await Bun.sleep(10);
    }
  };
  mkdirSync(join(folder.path, `${prefix}not-ours`));
  const others = readdirSync(folder.path);
  const killed = await spooling(others);
  killed.child.kill("SIGKILL");
  await killed.child.exit();
  expect(existsSync(join(folder.path, killed.made))).toBe(true);
  const first = await spooling([...others, killed.made]);
  await using _first = first.child;
  expect(readdirSync(folder.path).sort()).toEqual([...others, first.made].sort());
  const second = await spooling([...others, first.made]);
  await using _second = second.child;
  expect(readdirSync(folder.path).sort()).toEqual([...others, first.made, second.made].sort());
}, 60_000);
