// What keeps a server from being usable is said in one line, with its exit code, and nothing stays.
import { describe, expect, test } from "bun:test";
import { chmodSync, existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import { startCluster } from "../support/cluster.ts";
import { cannotMount, isMounted } from "../support/mount.ts";
import { freePort } from "../support/ports.ts";
import { type Outcome, sheepfs, TemporaryFolder } from "../support/process.ts";
import { makeCertificate } from "./certificate.ts";

const loopback = ["--webdav", "127.0.0.1:0"];

async function serve(args: readonly string[], sheep = "127.0.0.1:1"): Promise<Outcome> {
  return await sheepfs(["serve", "-s", sheep, ...args], { deadlineMs: 40_000 });
}

function expectOneLine({ stdout, stderr, exitCode }: Outcome, words: string, code: number): void {
  expect(stdout).toBe("");
  expect(stderr).toContain(words);
  expect(stderr).toStartWith("sheepfs: ");
  expect(stderr.trimEnd().split("\n").length).toBe(1);
  expect(exitCode).toBe(code);
}

describe("files that cannot be used", () => {
  for (const foreground of [true, false]) {
    test(`are named before the cluster is asked${foreground ? ", in front too" : ""}`, async () => {
      using folder = new TemporaryFolder();
      const file = (name: string): string => join(folder.path, name);
      await makeCertificate(file("one.crt"), file("one.key"));
      await makeCertificate(file("two.crt"), file("two.key"));
      writeFileSync(file("empty"), "\n");
      writeFileSync(file("users"), "anna:secret\n");
      const tls = (cert: string, key: string): string[] => {
        return ["--tls-cert", file(cert), "--tls-key", file(key)];
      };
      const rows: readonly (readonly [readonly string[], string, number])[] = [
        [tls("none", "one.key"), `'${file("none")}' does not exist`, 5],
        [tls("one.crt", "none"), `'${file("none")}' does not exist`, 5],
        [tls("one.crt", "two.key"), "does not belong to", 1],
        [tls("one.key", "one.key"), "is no certificate", 1],
        [tls("one.crt", "one.crt"), "is no private key", 1],
        [["--htpasswd", file("none")], "does not exist", 5],
        [["--htpasswd", file("users")], "line 1", 1],
        [["--user", "anna", "--password-file", file("none")], "does not exist", 5],
        [["--user", "anna", "--password-file", file("empty")], "no password in line 1", 1],
        [["--access-log", file("no/log")], "cannot be written", 1],
      ];
      for (const [args, words, code] of rows) {
        const line = [...loopback, ...args, ...(foreground ? ["-f"] : [])];
        expectOneLine(await serve(line), words, code);
      }
    });
  }
});

test("an address that cannot be had is named, and nothing goes on", async () => {
  await using cluster = await startCluster();
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  try {
    const address = server.address();
    const port = address === null || typeof address === "string" ? 0 : address.port;
    const taken = ["--webdav", `127.0.0.1:${port}`];
    expectOneLine(await serve(taken, cluster.address), `127.0.0.1:${port}`, 2);
    const foreign = ["--webdav", "192.0.2.1:0"];
    expectOneLine(await serve(foreign, cluster.address), "192.0.2.1", 2);
    const unknown = ["--webdav", "no-such-host.invalid:8080"];
    expectOneLine(await serve(unknown, cluster.address), "no-such-host.invalid", 1);
    // The first of two was free, and is free again.
    const free = await freePort();
    const both = ["--webdav", `127.0.0.1:${free}`, ...taken];
    expectOneLine(await serve(both, cluster.address), `127.0.0.1:${port}`, 2);
    const again = createServer();
    await new Promise<void>((resolve, reject) => {
      again.on("error", reject);
      again.listen(free, "127.0.0.1", resolve);
    });
    again.close();
  } finally {
    server.close();
  }
});

test("a port that another server of ours has over TLS is not shared with it", async () => {
  await using cluster = await startCluster();
  using folder = new TemporaryFolder();
  const [cert, key] = [join(folder.path, "crt"), join(folder.path, "key")];
  await makeCertificate(cert, key);
  const tls = ["--tls-cert", cert, "--tls-key", key];
  const { Serving } = await import("./serving.ts");
  await using first = await Serving.start([...loopback, ...tls, "-s", cluster.address]);
  const { port } = new URL(first.url);
  const second = await serve(["--webdav", `127.0.0.1:${port}`, ...tls], cluster.address);
  expectOneLine(second, `127.0.0.1:${port}`, 2);
});

test("a cluster that cannot be reached is named", async () => {
  expectOneLine(await serve(loopback), "no sheep listens at 127.0.0.1:1", 2);
});

test.skipIf(cannotMount !== null)("a mountpoint that cannot be used leaves no server", async () => {
  await using cluster = await startCluster();
  using folder = new TemporaryFolder();
  const mountpoint = join(folder.path, "mnt");
  const missing = await serve([...loopback, "--mount", mountpoint], cluster.address);
  expectOneLine(missing, `'${mountpoint}' does not exist`, 5);
  mkdirSync(mountpoint);
  writeFileSync(join(mountpoint, "file"), "");
  const full = await serve([...loopback, "--mount", mountpoint], cluster.address);
  expectOneLine(full, "is not empty", 1);
  expect(isMounted(mountpoint)).toBe(false);
});

test("a pid file that cannot be written ends it; another's is not removed", async () => {
  await using cluster = await startCluster();
  using folder = new TemporaryFolder();
  const file = join(folder.path, "pid");
  const missing = ["--pid-file", join(folder.path, "no", "pid")];
  expectOneLine(await serve([...loopback, ...missing], cluster.address), "cannot be written", 1);
  writeFileSync(file, "1\n");
  const taken = ["--webdav", "192.0.2.1:0", "--pid-file", file];
  expect((await serve(taken, cluster.address)).exitCode).toBe(2);
  expect(existsSync(file) && readFileSync(file, "utf8")).toBe("1\n");
  chmodSync(file, 0o600);
});
