import { describe, expect, test } from "bun:test";
import { join } from "node:path";
import packageJson from "../../../package.json" with { type: "json" };
import { errorTable, exitDamage, exitUsage } from "../../../src/base/errors.ts";
import { type Outcome, run } from "../../support/process.ts";

const main = join(import.meta.dirname, "..", "..", "..", "src", "main.ts");

async function sheepfs(line: string, env: Readonly<Record<string, string>> = {}): Promise<Outcome> {
  const argv = line === "" ? [] : line.split(" ");
  return await run([process.execPath, main, ...argv], { env: { SHEEPFS_SHEEP: "", ...env } });
}

describe("help on every level teaches with an example", () => {
  const levels: readonly (readonly [string, readonly string[]])[] = [
    [
      "--help",
      ["mount", "umount", "serve", "sheep", "vdi", "SHEEPFS_SHEEP", "SHEEPFS_LOG", "vdi/mount"],
    ],
    ["mount --help", ["--sheep", "--read-only", "--page-cache", "--attach", "--log-file", "-f"]],
    ["umount --help", ["MOUNTPOINT"]],
    [
      "serve --help",
      ["--webdav", "--anonymous", "--htpasswd", "--tls-cert", "--base-path", "--cors", "--mount"],
    ],
    ["sheep --help", ["--dir", "--listen", "--copies", "127.0.0.1:7000"]],
    ["vdi --help", ["list", "create", "delete"]],
    ["vdi list --help", ["--json", "--sheep"]],
    ["vdi create --help", ["--size", "--object-size", "--copies", "--hypervolume"]],
    ["vdi delete --help", ["--yes"]],
    ["-f --help", ["--address", "--port", "--pagecache", "--objectcache", "--debug"]],
  ];
  for (const [line, words] of levels) {
    test(`sheepfs ${line}`, async () => {
      const { stdout, stderr, exitCode } = await sheepfs(line);
      for (const word of words) expect(stdout).toContain(word);
      expect(stdout).toMatch(/EXAMPLES\n\n {2}sheepfs /);
      expect(stdout).not.toContain("\u001b");
      expect(stderr).toBe("");
      expect(exitCode).toBe(0);
    });
  }

  test("every exit code is in it", async () => {
    const { stdout } = await sheepfs("--help");
    const codes = new Set(Object.values(errorTable).map((row) => row.exit));
    for (const code of [0, ...codes, exitDamage, exitUsage]) {
      expect(stdout).toMatch(new RegExp(`(^|\\s)${code} [a-z]`));
    }
  });
});

test("--version says which build it is", async () => {
  const { stdout, exitCode } = await sheepfs("--version");
  expect(stdout).toMatch(/^sheepfs \S+ \(commit \S+\)\n$/);
  expect(exitCode).toBe(0);
  expect(packageJson.version).toMatch(/^[0-9]+\.[0-9]+\.[0-9]+$/);
});

// [S-36]
describe("a mistake is one line on stderr, nothing on stdout, exit code 64", () => {
  const lines: readonly (readonly [string, string])[] = [
    ["", "no command"],
    ["mount", "MOUNTPOINT"],
    ["mount --frobnicate /tmp", "--frobnicate"],
    ["-s a:1 mount /tmp", "'-s'"],
    ["mount /tmp -s node1:99999", "99999"],
    ["mount /tmp -s node1:", "node1:"],
    ["-p 0 /tmp", "--port"],
    ["-a no/name /tmp", "no/name"],
    ["-a node1:7000 -p 7001 /tmp", "--port"],
    ["mount /tmp -o ro,frobnicate", "frobnicate"],
    ["mount /tmp -o uid=me", "uid=me"],
    ["vdi create a --size much", "much"],
    ["vdi create a --size 1G --copies 32", "--copies"],
    ["vdi create a --size 1G --copies 3:1", "--copies"],
    ["vdi create a --size 8P --hypervolume", "9007199254740991"],
    ["vdi copy a --to b:1 --copies 4:16", "--copies"],
    ["serve", "--webdav [ADDR]:PORT"],
    ["serve --webdav 8080", "'8080'"],
    ["serve --webdav :99999", "':99999'"],
    ["serve --webdav no/name:80", "no/name"],
    ["serve --webdav :0 --base-path sheep", "'sheep'"],
    ["serve --webdav :0 --base-path /a/../b", "'/a/../b'"],
    ["serve --webdav :0 --cors example.org", "'example.org'"],
    ["serve --webdav :0 --cors https://example.org/app", "'https://example.org/app'"],
    ["serve --webdav :0 --allow-host a:80", "'a:80'"],
    ["serve --webdav :0 --anonymous --user a --password-file f", "contradict"],
    ["serve --webdav :0 --anonymous --htpasswd f", "contradict"],
    ["serve --webdav :0 --htpasswd f --user a --password-file f", "contradict"],
    ["serve --webdav :0 --user a", "--password-file"],
    ["serve --webdav :0 --password-file f", "--user"],
    ["serve --webdav :0 --user a:b --password-file f", "'a:b'"],
    ["serve --webdav :0 --tls-cert f", "--tls-key"],
    ["serve --webdav :0 --tls-key f", "--tls-cert"],
    ["serve --webdav :0 -o ro", "--mount"],
    ["serve --webdav :0 --mount /mnt -o frobnicate", "frobnicate"],
    ["serve --webdav :0 --access-log -", "'-f'"],
    ["serve --webdav :0 /mnt", "'/mnt'"],
    ["sheep --dir /tmp/x --listen 7000", "7000"],
    ["sheep --dir /tmp/x --copies none", "--copies"],
  ];
  for (const [line, word] of lines) {
    test(`sheepfs ${line}`, async () => {
      const { stdout, stderr, exitCode } = await sheepfs(line);
      expect(stdout).toBe("");
      expect(stderr).toStartWith("sheepfs: ");
      expect(stderr).toContain(word);
      expect(stderr.trimEnd().split("\n").length).toBe(1);
      expect(exitCode).toBe(exitUsage);
    });
  }

  test("in the environment too", async () => {
    const { stderr, exitCode } = await sheepfs("vdi list", { SHEEPFS_SHEEP: "node1:x" });
    expect(stderr).toContain("SHEEPFS_SHEEP: address 'node1:x'");
    expect(exitCode).toBe(exitUsage);
    const log = await sheepfs("mount /tmp", { SHEEPFS_LOG: "loud" });
    expect(log.stderr).toContain("SHEEPFS_LOG: 'loud'");
    expect(log.exitCode).toBe(exitUsage);
  });
});

test("a log file that cannot be, or lies in the mount itself, is refused", async () => {
  const inside = await sheepfs("mount /tmp --log-file /tmp/sub/log");
  expect(inside.stderr).toContain("lies under the mountpoint");
  expect(inside.exitCode).toBe(1);
  const missing = await sheepfs("mount -f /tmp --log-file /nonexistent/log");
  expect(missing.stderr).toContain("'/nonexistent/log' cannot be written");
  expect(missing.exitCode).toBe(1);
});
