import { expect, test } from "bun:test";
import { chmodSync, existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { startSheepProcess } from "../support/cluster.ts";
import { run, sheepfsBinary, start, TemporaryFolder } from "../support/process.ts";
import { fill, must, noise } from "./images.ts";

const begins = `#!/bin/sh
for target; do :; done
target="\${target#file:}"
`;

/** What stands first in PATH instead of it. */
class FakeQemuImg implements Disposable {
  readonly #folder = new TemporaryFolder();
  readonly env = { PATH: `${this.#folder.path}:${process.env["PATH"] ?? ""}` };

  constructor(script: string) {
    const path = join(this.#folder.path, "qemu-img");
    writeFileSync(path, `${begins}echo $$ > '${this.#pidPath}'\n${script}`);
    chmodSync(path, 0o755);
  }

  get #pidPath(): string {
    return join(this.#folder.path, "pid");
  }

  async begun(): Promise<void> {
    while (!existsSync(this.#pidPath)) await Bun.sleep(10);
  }

  get runs(): boolean {
    return existsSync(`/proc/${readFileSync(this.#pidPath, "utf8").trim()}`);
  }

  [Symbol.dispose](): void {
    this.#folder[Symbol.dispose]();
  }
}

const hangs = 'echo begun >> "$target"\nexec sleep 600\n';

test("[S-118] Ctrl-C ends qemu-img too, and nothing is left of what it made", async () => {
  await using cluster = await startSheepProcess();
  using folder = new TemporaryFolder();
  const source = join(folder.path, "source.qcow2");
  writeFileSync(source, "QFI\xfb");
  await must(cluster, "vdi", "create", "a", "--size", "4M");
  await fill(cluster, "a", [[0, noise(5_000)]]);
  const rows = [
    ["vdi", "export", "a", join(folder.path, "a.qcow2")],
    ["vdi", "import", source, "b"],
  ];
  for (const line of rows) {
    using fake = new FakeQemuImg(line.includes("export") ? hangs : "exec sleep 600\n");
    const command = [await sheepfsBinary(), ...line, "-s", cluster.address];
    await using child = start(command, { env: fake.env });
    await fake.begun();
    child.kill("SIGINT");
    expect([await child.exit(), fake.runs]).toEqual([130, false]);
    expect(readdirSync(folder.path)).toEqual(["source.qcow2"]);
  }
}, 60_000);

const program = join(import.meta.dirname, "qemu-img-program.ts");

async function convert(fake: FakeQemuImg, path: string, quietMs: number): Promise<string> {
  const command = [process.execPath, program, path, String(quietMs)];
  return (await run(command, { env: fake.env, deadlineMs: 20_000 })).stdout;
}

test("[S-118] a qemu-img that neither reads nor writes is ended, and one that is slow is not", async () => {
  using folder = new TemporaryFolder();
  const path = join(folder.path, "a");
  writeFileSync(`${path}.raw`, noise(5_000));
  using hanging = new FakeQemuImg(hangs);
  expect(await convert(hanging, path, 500)).toMatch(/^timed_out: qemu-img convert: .*neither read/);
  expect([hanging.runs, existsSync(path)]).toEqual([false, false]);
  const slowly = 'for _ in 1 2 3 4 5 6 7 8 9 10; do echo more >> "$target"; sleep 0.3; done\n';
  using slow = new FakeQemuImg(slowly);
  expect(await convert(slow, path, 1_500)).toBe("done\n");
  expect(readFileSync(path, "utf8")).toBe("more\n".repeat(10));
}, 30_000);
