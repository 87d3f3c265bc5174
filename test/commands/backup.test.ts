import { expect, test } from "bun:test";
import {
  closeSync,
  existsSync,
  openSync,
  readFileSync,
  statSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { join } from "node:path";
import { startSheepProcess } from "../support/cluster.ts";
import { run, sheepfsBinary, start, TemporaryFolder } from "../support/process.ts";
import { image, json, noise, refused, sheepfs } from "./images.ts";

const MiB = 2 ** 20;

// [S-110]
test("images come back from the cluster as they went there, whatever their size and holes", async () => {
  await using cluster = await startSheepProcess();
  using folder = new TemporaryFolder();
  const rows = [
    ["one", 1, [0]],
    ["odd", 9 * MiB + 7, [0, 4 * MiB - 5, 9 * MiB]],
    ["empty", 12 * MiB, []],
    ["wide", 2 ** 40, [0, 2 ** 39 + 17, 2 ** 40 - 4_000]],
  ] as const;
  for (const [name, sizeBytes, places] of rows) {
    const [from, to] = [join(folder.path, `${name}.img`), join(folder.path, `${name}.back`)];
    image(from, sizeBytes, places);
    const imported = await json(cluster, "vdi", "import", from, name, "--verify");
    const exported = await json(cluster, "vdi", "export", name, to, "--verify");
    expect(exported).toMatchObject({ digest: imported.digest, sizeBytes });
    expect(statSync(to).size).toBe(sizeBytes);
    expect(statSync(to).blocks * 512).toBeLessThan(2 * MiB);
    if (sizeBytes < 2 ** 30) {
      expect(readFileSync(to).equals(readFileSync(from))).toBe(true);
    }
  }
}, 120_000);

// [S-110]
test("an image that is there is kept, and what fails leaves nothing behind", async () => {
  await using cluster = await startSheepProcess();
  using folder = new TemporaryFolder();
  const path = join(folder.path, "a.img");
  writeFileSync(path, noise(3_000));
  const before = readFileSync(path);
  await json(cluster, "vdi", "import", path, "a");
  const again = await sheepfs(cluster, "vdi", "export", "a", path);
  expect(again).toMatchObject({ exitCode: 3, stderr: expect.stringContaining("exists") });
  expect(readFileSync(path).equals(before)).toBe(true);
  const nowhere = join(folder.path, "none", "a.img");
  expect(await sheepfs(cluster, "vdi", "export", "a", nowhere)).toMatchObject({ exitCode: 5 });
  expect(await sheepfs(cluster, "vdi", "export", "none", join(folder.path, "b"))).toMatchObject({
    exitCode: 5,
  });
  expect(existsSync(join(folder.path, "b.part"))).toBe(false);
  expect(await sheepfs(cluster, "vdi", "import", path, "a")).toMatchObject({ exitCode: 3 });
  const small = ["vdi", "import", path, "small", "--size", "1K"];
  expect(await sheepfs(cluster, ...small)).toMatchObject({ exitCode: 4 });
  const { stdout } = await sheepfs(cluster, "vdi", "list", "--json");
  expect((JSON.parse(stdout) as { name: string }[]).map(({ name }) => name)).toEqual(["a"]);
});

// [S-110]
test("an export that is interrupted leaves no file, and an import no VDI", async () => {
  await using cluster = await startSheepProcess();
  using folder = new TemporaryFolder();
  const [from, to] = [join(folder.path, "from"), join(folder.path, "to")];
  writeFileSync(from, new Uint8Array(400 * MiB).fill(7));
  await json(cluster, "vdi", "import", from, "whole");
  const rows = [
    [["vdi", "export", "whole", to], () => existsSync(`${to}.part`)],
    [["vdi", "import", from, "part"], () => true],
  ] as const;
  for (const [args, begun] of rows) {
    await using child = start([await sheepfsBinary(), ...args, "-s", cluster.address]);
    while (!begun()) await Bun.sleep(1);
    await Bun.sleep(150);
    child.kill("SIGINT");
    expect(await child.exit(30_000)).toBe(130);
  }
  expect(existsSync(to) || existsSync(`${to}.part`)).toBe(false);
  expect((await sheepfs(cluster, "vdi", "show", "part")).exitCode).toBe(5);
}, 60_000);

test("streams go both ways, and one that is too long or cut short is refused and leaves no VDI", async () => {
  await using cluster = await startSheepProcess();
  const binary = await sheepfsBinary();
  const bytes = new Uint8Array(3 * MiB + 5);
  bytes.set(noise(5_000), MiB + 3);
  const command = [binary, "vdi", "import", "-", "a", "-s", cluster.address];
  const unsized = await run(command, { stdin: bytes });
  expect(unsized).toMatchObject({ exitCode: 1, stderr: expect.stringContaining("--size") });
  const long = await run([...command, "--size", "2M"], { stdin: bytes });
  expect(long).toMatchObject({ exitCode: 4, stderr: expect.stringContaining("more than") });
  expect((await sheepfs(cluster, "vdi", "show", "a")).exitCode).toBe(5);
  // As when whoever writes it ends early.
  const short = await run([...command, "--size", "4M"], { stdin: bytes });
  expect(short).toMatchObject({ exitCode: 2, stderr: expect.stringContaining("ended after") });
  expect((await sheepfs(cluster, "vdi", "show", "a")).exitCode).toBe(5);
  const digits = await run([...command, "--size", "2M", "--tag", "12"], { stdin: bytes });
  expect(digits).toMatchObject({ exitCode: 1, stderr: expect.stringContaining("digits only") });
  const size = ["--size", String(bytes.length)];
  expect(await run([...command, ...size], { stdin: bytes })).toMatchObject({ exitCode: 0 });
  const out = Bun.spawnSync([binary, "vdi", "export", "a", "-", "-s", cluster.address]);
  expect(out.stdout.equals(Buffer.from(bytes))).toBe(true);
});

// [S-110]
test("what has no size of its own is no image, and not taken for zeros", async () => {
  await using cluster = await startSheepProcess();
  using folder = new TemporaryFolder();
  const fifo = join(folder.path, "fifo");
  Bun.spawnSync(["mkfifo", fifo]);
  const fd = openSync(fifo, "r+");
  writeSync(fd, noise(5_000));
  for (const [args, name] of [
    [["--size", "4M"], "a"],
    [["--size", "4M", "--resume"], "a"],
    [["--base", "b"], null],
  ] as const) {
    const line = ["vdi", "import", fifo, ...(name === null ? [] : [name]), ...args];
    await refused(cluster, line, 1, "is no regular file");
  }
  closeSync(fd);
  expect((await sheepfs(cluster, "vdi", "show", "a")).exitCode).toBe(5);
});
