import { expect, test } from "bun:test";
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { connect } from "node:net";
import { join } from "node:path";
import { startCluster } from "../support/cluster.ts";
import { cannotMount, isMounted } from "../support/mount.ts";
import { must, sheepfs, sheepfsBinary, TemporaryFolder } from "../support/process.ts";
import { Serving } from "./serving.ts";

const loopback = ["--webdav", "127.0.0.1:0"];

function isRunning(pid: number): boolean {
  return existsSync(`/proc/${pid}/exe`);
}

async function until(condition: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await condition())) await Bun.sleep(5);
}

test("the command returns when every address answers; the daemon ends with SIGTERM", async () => {
  await using cluster = await startCluster();
  using folder = new TemporaryFolder();
  const pidFile = join(folder.path, "pid");
  const args = [...loopback, ...loopback, "-s", cluster.address, "--pid-file", pidFile];
  const text = await must([await sheepfsBinary(), "serve", ...args, "--json"]);
  const { urls, pid, login } = JSON.parse(text);
  expect(urls.length).toBe(2);
  expect(urls[0]).not.toBe(urls[1]);
  expect(login).toEqual({ by: "nobody", why: "loopback" });
  expect(readFileSync(pidFile, "utf8")).toBe(`${pid}\n`);
  for (const url of urls) expect((await fetch(url)).status).toBe(200);
  process.kill(pid, "SIGTERM");
  await until(() => !isRunning(pid));
  expect(existsSync(pidFile)).toBe(false);
  expect(fetch(urls[0])).rejects.toThrow();
});

test("without --json it says where it serves, how to log in, and how to end it", async () => {
  await using cluster = await startCluster();
  const { stdout, exitCode } = await sheepfs(["serve", ...loopback, "-s", cluster.address]);
  const [, url = "", pid = ""] =
    /^serving (http:\S+)\nno login is asked for: only this machine can connect\nto end it: kill ([0-9]+)\n$/.exec(
      stdout,
    ) ?? [];
  expect(exitCode).toBe(0);
  expect((await fetch(url)).status).toBe(200);
  process.kill(Number(pid), "SIGTERM");
  await until(() => !isRunning(Number(pid)));
});

// [S-53]
test("SIGTERM takes nothing new, finishes what goes on, and makes it durable", async () => {
  await using cluster = await startCluster();
  const name = await cluster.createVdi("drain", { size: "16M" });
  const args = [...loopback, "--attach", name, "-s", cluster.address];
  await using server = await Serving.start(args);
  const { hostname, port } = new URL(server.url);
  const socket = connect(Number(port), hostname);
  const bytes = 4 * 1024 * 1024;
  const head = `PUT /volume/${name} HTTP/1.1\r\nHost: ${hostname}:${port}\r\nContent-Length: ${bytes}\r\n\r\n`;
  socket.write(head);
  socket.write(Buffer.alloc(bytes / 2, 1));
  // Once its beginning can be read the request is under way, and not only on its way.
  await until(async () => {
    const beginning = await fetch(`${server.url}volume/${name}`, {
      headers: { range: "bytes=0-0" },
    });
    return (await beginning.bytes())[0] === 1;
  });
  const idle = connect(Number(port), hostname);
  await new Promise((resolve) => idle.on("connect", resolve));
  let answer = "";
  socket.on("data", (data) => {
    answer += String(data);
  });
  const idleEnded = new Promise((resolve) => idle.on("close", resolve));
  server.child.kill("SIGTERM");
  await server.logged("SIGTERM");
  // Who asks for nothing is not waited for, and nobody new gets in.
  await idleEnded;
  const refused = connect(Number(port), hostname);
  await new Promise((resolve) => refused.on("error", resolve));
  socket.write(Buffer.alloc(bytes / 2, 2));
  await until(() => answer.includes("\r\n\r\n"));
  expect(answer).toStartWith("HTTP/1.1 204");
  expect(await server.child.exit()).toBe(0);
  await using again = await Serving.start(args);
  const read = await fetch(`${again.url}volume/${name}`, { headers: { range: "bytes=0-4194303" } });
  const content = new Uint8Array(await read.arrayBuffer());
  expect(content.length).toBe(bytes);
  expect(content.subarray(0, bytes / 2).every((byte) => byte === 1)).toBe(true);
  expect(content.subarray(bytes / 2).every((byte) => byte === 2)).toBe(true);
});

test.skipIf(cannotMount !== null)(
  "--mount shows the same tree at once, from the same process, and umount ends both",
  async () => {
    await using cluster = await startCluster();
    using folder = new TemporaryFolder();
    const name = await cluster.createVdi("both", { size: "8M" });
    const mountpoint = join(folder.path, "mnt");
    mkdirSync(mountpoint);
    const args = [...loopback, "--mount", mountpoint, "-s", cluster.address];
    const { stdout } = await sheepfs(["serve", ...args]);
    expect(stdout).toContain(`mounted on ${mountpoint}\n`);
    const [, url = ""] = /serving (\S+)/.exec(stdout) ?? [];
    const [, pid = "0"] = /kill ([0-9]+)/.exec(stdout) ?? [];
    // Attached through one, used through the other.
    writeFileSync(join(mountpoint, "vdi", "mount"), `${name}\n`);
    const put = await fetch(`${url}volume/${name}`, { method: "PUT", body: "over http" });
    expect(put.status).toBe(204);
    const file = Bun.file(join(mountpoint, "volume", name));
    expect(await file.slice(0, 9).text()).toBe("over http");
    await must([await sheepfsBinary(), "umount", mountpoint]);
    expect(isMounted(mountpoint)).toBe(false);
    expect(isRunning(Number(pid))).toBe(false);
    expect(fetch(url)).rejects.toThrow();
  },
);
