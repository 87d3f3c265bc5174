// What a request passes on its way in, and the book that is kept of it.
import { expect, test } from "bun:test";
import { readFileSync, renameSync } from "node:fs";
import { join } from "node:path";
import { startCluster } from "../support/cluster.ts";
import { must, TemporaryFolder } from "../support/process.ts";
import { Serving } from "./serving.ts";

const loopback = ["--webdav", "127.0.0.1:0"];

/** Fields that fetch would not send as they are. */
async function curl(...args: readonly string[]): Promise<string> {
  return await must(["curl", "-s", "-m", "10", ...args]);
}

// [S-52]
test("control files are refused to pages of other sites, and act for everybody else", async () => {
  await using cluster = await startCluster();
  const name = await cluster.createVdi("door", { size: "8M" });
  await using server = await Serving.start([...loopback, "-s", cluster.address]);
  const mount = `${server.url}vdi/mount`;
  const put = async (headers: Readonly<Record<string, string>>): Promise<number> =>
    (await fetch(mount, { method: "PUT", body: `${name}\n`, headers })).status;
  for (const headers of [
    { origin: "https://evil.example" },
    { origin: "null" },
    { "sec-fetch-site": "cross-site" },
    { origin: "http://localhost:3000", "sec-fetch-site": "same-site" },
  ]) {
    expect(await put(headers)).toBe(403);
  }
  expect(await (await fetch(`${server.url}volume/${name}`)).status).toBe(404);
  expect(await put({ origin: new URL(server.url).origin })).toBe(204);
  expect(await (await fetch(`${server.url}volume/${name}`, { method: "HEAD" })).status).toBe(200);
});

test("a name that was turned to this address is not answered, one of --allow-host is", async () => {
  await using cluster = await startCluster();
  const line = [...loopback, "--allow-host", "NAS.lan", "-s", cluster.address];
  await using server = await Serving.start(line);
  const status = async (host: string): Promise<string> =>
    await curl("-o", "/dev/null", "-w", "%{http_code}", "-H", `Host: ${host}`, server.url);
  expect(await status("rebound.example")).toBe("421");
  expect(await status("nas.lan:8080")).toBe("200");
  expect(await status("localhost")).toBe("200");
});

test("--cors opens the server to scripts of that origin, and of no other", async () => {
  await using cluster = await startCluster();
  const origin = "https://ui.example";
  await using server = await Serving.start([...loopback, "--cors", origin, "-s", cluster.address]);
  const asked = {
    "access-control-request-method": "PUT",
    "access-control-request-headers": "content-range",
  };
  const ask = async (from: string) =>
    await fetch(server.url, { method: "OPTIONS", headers: { ...asked, origin: from } });
  const allowed = await ask(origin);
  expect(allowed.headers.get("access-control-allow-origin")).toBe(origin);
  expect(allowed.headers.get("access-control-allow-headers")).toBe("content-range");
  expect((await ask("https://evil.example")).headers.get("access-control-allow-origin")).toBeNull();
  const read = await fetch(`${server.url}cluster/info`, { headers: { origin } });
  expect(read.headers.get("access-control-allow-origin")).toBe(origin);
  expect(read.headers.get("access-control-expose-headers")).toContain("ETag");
  const wrote = await fetch(`${server.url}config/page_cache`, {
    ...{ method: "PUT", body: "0\n", headers: { origin } },
  });
  expect(wrote.status).toBe(204);
});

test("--base-path moves the tree, and everything that names a place in it", async () => {
  await using cluster = await startCluster();
  const line = [...loopback, "--base-path", "/a b/", "-s", cluster.address];
  await using server = await Serving.start(line);
  expect(server.url).toEndWith("/a%20b/");
  const html = await (await fetch(server.url)).text();
  expect(html).toContain('href="/a%20b/cluster/"');
  expect(await (await fetch(`${server.url}cluster/info`)).text()).toContain("running");
  const moved = await fetch(`${server.url}cluster`, { redirect: "manual" });
  expect(moved.headers.get("location")).toBe("/a%20b/cluster/");
  const { origin } = new URL(server.url);
  expect((await fetch(`${origin}/cluster/info`)).status).toBe(404);
  const dav = await curl("-X", "PROPFIND", "-H", "Depth: 1", server.url);
  expect(dav).toContain("/a%20b/vdi/");
});

test("the access log has a line for each request, and goes on in a new file after SIGHUP", async () => {
  await using cluster = await startCluster();
  using folder = new TemporaryFolder();
  const file = join(folder.path, "access.log");
  const line = [...loopback, "--access-log", file, "-s", cluster.address];
  await using server = await Serving.start(line);
  const hasLines = async (path: string, count: number): Promise<string[]> => {
    for (;;) {
      const lines = (await Bun.file(path).exists()) ? readFileSync(path, "utf8").split("\n") : [];
      if (lines.length > count) return lines.slice(0, -1);
      await Bun.sleep(5);
    }
  };
  const info = await (await fetch(`${server.url}cluster/info`)).text();
  await fetch(`${server.url}no%22such%0a?x=1`);
  const [first, second] = await hasLines(file, 2);
  expect(first).toMatch(
    /^127\.0\.0\.1 - - \[\d\d\/[A-Z][a-z]{2}\/\d{4}:\d\d:\d\d:\d\d \+0000\] "GET \/cluster\/info HTTP\/1\.1" 200 \d+$/,
  );
  expect(first).toEndWith(` 200 ${info.length}`);
  expect(second).toContain('"GET /no%22such%0a?x=1 HTTP/1.1" 40');
  renameSync(file, `${file}.1`);
  server.child.kill("SIGHUP");
  await hasLines(file, 0);
  await fetch(server.url, { method: "HEAD" });
  const [third] = await hasLines(file, 1);
  expect(third).toContain('"HEAD / HTTP/1.1" 200 -');
  expect((await hasLines(`${file}.1`, 2)).length).toBe(2);
});
