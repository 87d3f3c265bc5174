import { afterAll, beforeAll, expect, test } from "bun:test";
import { chmodSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { MiB, pattern, readAt } from "../mount/bytes.ts";
import { startCluster, type TestCluster } from "../support/cluster.ts";
import { isMounted, tearDown } from "../support/mount.ts";
import { must, run, start, TemporaryFolder } from "../support/process.ts";
import { startServe, type TestServer } from "../support/serve.ts";

let cluster: TestCluster;
let server: TestServer;
let folder: TemporaryFolder;

beforeAll(async () => {
  cluster = await startCluster();
  server = await startServe(cluster);
  folder = new TemporaryFolder();
});

afterAll(async () => {
  await server?.[Symbol.asyncDispose]();
  await cluster?.[Symbol.asyncDispose]();
  folder?.[Symbol.dispose]();
});

/** A command line of rclone without any configuration or file of the user's. */
function rclone(...args: string[]): string[] {
  const settings = ["--config", "/dev/null", "--cache-dir", join(folder.path, "cache")];
  return ["rclone", ...settings, "--webdav-url", server.url, ...args];
}

async function newVolume(seed: number): Promise<{ name: string; content: Buffer }> {
  const name = await cluster.createVdi("rclone", { size: "4M" });
  await server.attach(name);
  const content = pattern(4 * MiB, seed);
  const body = Uint8Array.from(content);
  const put = await fetch(server.at("volume", name), { method: "PUT", body });
  expect(put.status).toBe(204);
  return { name, content };
}

test("rclone lsf lists the tree with its sizes", async () => {
  const { name } = await newVolume(1);
  const root = (await must(rclone("lsf", ":webdav:"))).trim().split("\n");
  expect(root.sort()).toEqual(["cluster/", "config/", "node/", "snapshot/", "vdi/", "volume/"]);
  const volumes = await must(rclone("lsf", "--format", "ps", ":webdav:volume"));
  expect(volumes).toContain(`${name};${4 * MiB}\n`);
});

test("rclone cat reads a part with --offset and --count", async () => {
  const { name, content } = await newVolume(2);
  const target = join(folder.path, "part");
  const part = ["--offset", "1000001", "--count", "5000", `:webdav:volume/${name}`];
  const shell = ["bash", "-c", 'out=$1; shift; exec "$@" > "$out"', "-", target];
  await must([...shell, ...rclone("cat", ...part)]);
  expect(readFileSync(target).equals(content.subarray(1_000_001, 1_005_001))).toBe(true);
  expect(await must(rclone("cat", ":webdav:cluster/info"))).toStartWith("Cluster status: running");
});

test("rclone copy fetches and stores volumes, and check finds the same bytes", async () => {
  const { name, content } = await newVolume(3);
  const local = join(folder.path, "copy");
  await must(rclone("copy", `:webdav:volume/${name}`, local));
  expect(readFileSync(join(local, name)).equals(content)).toBe(true);
  const newer = pattern(4 * MiB, 30);
  writeFileSync(join(local, name), newer);
  const check = ["check", "--download", "--one-way", local, ":webdav:volume"];
  expect((await run(rclone(...check))).exitCode).toBe(1);
  await must(rclone("copy", "--ignore-times", local, ":webdav:volume"));
  await must(rclone(...check));
  const found = await (await fetch(server.at("volume", name))).arrayBuffer();
  expect(Buffer.from(found).equals(newer)).toBe(true);
});

test("rclone copy deletes nothing after a PUT that is refused", async () => {
  const { name, content } = await newVolume(4);
  const local = join(folder.path, "long");
  mkdirSync(local);
  writeFileSync(join(local, name), pattern(4 * MiB + 1, 40));
  const copy = await run(
    rclone("copy", "--retries", "1", "--low-level-retries", "1", local, ":webdav:volume"),
  );
  expect(copy.exitCode).not.toBe(0);
  const found = await (await fetch(server.at("volume", name))).arrayBuffer();
  expect(Buffer.from(found).equals(content)).toBe(true);
});

test("rclone mount shows the tree and reads volumes anywhere", async () => {
  const { name, content } = await newVolume(5);
  chmodSync(folder.path, 0o711);
  const path = join(folder.path, "mnt");
  mkdirSync(path);
  await using child = start(rclone("mount", "--vfs-cache-mode", "off", ":webdav:", path));
  try {
    const endMs = performance.now() + 10_000;
    while (!isMounted(path)) {
      if (performance.now() > endMs || !child.running) throw new Error(`no mount: ${child.stderr}`);
      await Bun.sleep(50);
    }
    expect((await must(["ls", path])).trim().split("\n")).toContain("volume");
    expect(await must(["cat", join(path, "cluster", "info")])).toStartWith("Cluster status");
    const found = readAt(join(path, "volume", name), 3_000_001, 70_000);
    expect(found.equals(content.subarray(3_000_001, 3_070_001))).toBe(true);
    child.kill("SIGTERM");
    await child.exit();
  } finally {
    tearDown(path);
  }
});
