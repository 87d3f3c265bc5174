import { afterAll, beforeAll, expect, test } from "bun:test";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { MiB, pattern } from "../mount/bytes.ts";
import { startCluster, type TestCluster } from "../support/cluster.ts";
import { run, TemporaryFolder } from "../support/process.ts";
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

/** What cadaver prints for these commands. */
async function cadaver(...commands: string[]): Promise<string> {
  const { stdout, stderr } = await run(["cadaver", `${server.url}/`], {
    stdin: `${commands.join("\n")}\nquit\n`,
    cwd: folder.path,
    env: { HOME: folder.path },
  });
  return `${stdout}${stderr}`;
}

async function newVolume(): Promise<string> {
  const name = await cluster.createVdi("cadaver", { size: "4M" });
  await server.attach(name);
  return name;
}

test("cadaver lists collections and files with their sizes", async () => {
  const name = await newVolume();
  const root = await cadaver("ls");
  for (const dir of ["cluster", "config", "node", "vdi", "volume"]) {
    expect(root).toMatch(new RegExp(`^Coll:\\s+${dir}\\s`, "m"));
  }
  expect(await cadaver("cd volume", "ls")).toMatch(new RegExp(`${name}\\s+${4 * MiB}\\s`));
});

test("cadaver gets a text and a volume, and puts a volume", async () => {
  const name = await newVolume();
  const content = pattern(4 * MiB, 1);
  writeFileSync(join(folder.path, "new"), content);
  expect(await cadaver("cd volume", `put new ${name}`)).toContain("succeeded");
  expect(
    await cadaver("cd volume", `get ${name} back`, "cd ../cluster", "get info info"),
  ).toContain("succeeded");
  expect(readFileSync(join(folder.path, "back")).equals(content)).toBe(true);
  expect(readFileSync(join(folder.path, "info"), "utf8")).toStartWith("Cluster status: running");
});

test("cadaver locks a volume: others cannot write it, all can read it", async () => {
  const name = await newVolume();
  const url = server.at("volume", name);
  expect(await cadaver("cd volume", `lock ${name}`)).toContain("succeeded");
  const put = { method: "PUT", body: "x" };
  expect((await fetch(url, put)).status).toBe(423);
  expect((await fetch(url, { headers: { Range: "bytes=0-0" } })).status).toBe(206);
  const discovered = await cadaver("cd volume", `discover ${name}`);
  const token = /opaquelocktoken:[0-9a-f-]+|urn:uuid:[0-9a-f-]+/i.exec(discovered)?.[0] ?? "";
  expect(token).not.toBe("");
  // What cadaver does in one session: lock, write with the token, unlock.
  expect(await cadaver("cd volume", `steal ${name}`, `unlock ${name}`)).not.toContain("failed");
  expect((await fetch(url, put)).status).toBe(204);
  writeFileSync(join(folder.path, "byte"), "y");
  const session = await cadaver("cd volume", `lock ${name}`, `put byte ${name}`, `unlock ${name}`);
  expect(session.match(/succeeded/g)?.length).toBe(3);
  expect((await fetch(url, put)).status).toBe(204);
});

test("cadaver sets, gets and removes properties", async () => {
  const name = await newVolume();
  const said = await cadaver(
    "cd volume",
    `propset ${name} colour blue`,
    `propget ${name} colour`,
    `propnames ${name}`,
    `propdel ${name} colour`,
    "set namespace DAV:",
    `propget ${name} getcontentlength`,
  );
  expect(said).toContain("blue");
  expect(said).toMatch(/getcontentlength/);
  expect(said).toContain(String(4 * MiB));
});

test("cadaver is told that texts and directories stay as they are", async () => {
  writeFileSync(join(folder.path, "new"), "x");
  const said = await cadaver(
    "cd cluster",
    "put new info",
    "delete info",
    "mkcol sub",
    "rmcol ../vdi",
  );
  expect(said.match(/failed/g)?.length).toBeGreaterThanOrEqual(3);
  expect(await (await fetch(server.at("cluster", "info"))).text()).toStartWith("Cluster status");
});
