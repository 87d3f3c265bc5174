import { expect, test } from "bun:test";
import { rmSync } from "node:fs";
import { startSheepProcess } from "../support/cluster.ts";
import { must, run, sheepfsBinary } from "../support/process.ts";
import { startServe } from "../support/serve.ts";

// [S-159]
test("a cluster that is formatted while nothing is attached is served as it is then [S-159]", async () => {
  await using cluster = await startSheepProcess();
  await using server = await startServe(cluster);
  expect((await fetch(server.at("vdi", "list"))).status).toBe(200);
  const binary = await sheepfsBinary();
  await must([binary, "cluster", "format", "--force", "--yes", "-s", cluster.address]);
  // So much that further connections are opened, which say of which cluster they are.
  const body = crypto.getRandomValues(new Uint8Array(65_536));
  const big = new Blob(Array.from({ length: 640 }, () => body));
  expect((await fetch(server.at("volume", "new"), { method: "PUT", body: big })).status).toBe(201);
  const list = await fetch(server.at("vdi", "list"));
  expect([list.status, await list.text()]).toEqual([200, expect.stringContaining("new")]);
  const read = await fetch(server.at("volume", "new"));
  expect(Bun.hash(await read.arrayBuffer())).toBe(Bun.hash(await big.arrayBuffer()));
  expect(await server.stop()).toBe(0);
  const shown = await run([binary, "vdi", "lock", "show", "new", "--json", "-s", cluster.address]);
  expect(JSON.parse(shown.stdout)).toMatchObject({ attachedBy: null });
}, 60_000);

// [S-159]
test("what is attached of a cluster in whose place another one is can be detached, and the end ends [S-159]", async () => {
  await using cluster = await startSheepProcess();
  const names = [
    await cluster.createVdi("a", { size: "16M" }),
    await cluster.createVdi("b", { size: "16M" }),
  ];
  await using server = await startServe(cluster);
  for (const name of names) {
    await server.attach(name);
    const put = {
      method: "PUT",
      body: "x".repeat(5_000),
      headers: { "Content-Range": "bytes 0-4999/*" },
    };
    expect((await fetch(server.at("volume", name), put)).status).toBe(204);
  }
  await cluster.stop("SIGKILL");
  rmSync(cluster.dir, { recursive: true });
  await cluster.start();
  const refused = await fetch(server.at("volume", names[0] ?? ""));
  expect(await refused.text()).toContain("another cluster than the attached volumes");
  const detached = await fetch(server.at("vdi", "unmount"), {
    method: "PUT",
    body: `${names[0]}\n`,
  });
  expect([detached.status, await detached.text()]).toEqual([204, ""]);
  expect((await fetch(server.at("vdi", "list"))).status).toBe(503);
  expect(await server.stop()).toBe(0);
}, 60_000);
