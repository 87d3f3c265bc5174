import { expect, test } from "bun:test";
import { appendFileSync, openSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { type EmbeddedSheep, startSheepProcess } from "../support/cluster.ts";
import { run, sheepfsBinary, TemporaryFolder } from "../support/process.ts";

interface Ran {
  readonly stdout: string;
  readonly stderr: string;
  readonly exitCode: number;
}

async function sheepfs(cluster: EmbeddedSheep, line: string): Promise<Ran> {
  return await run([await sheepfsBinary(), ...line.split(" "), "-s", cluster.address]);
}

async function must(cluster: EmbeddedSheep, line: string): Promise<string> {
  const { stdout, stderr, exitCode } = await sheepfs(cluster, line);
  if (exitCode !== 0) throw new Error(`sheepfs ${line}: ${exitCode} ${stderr}`);
  return stdout;
}

test("a VDI is made, snapshotted, cloned, rolled back, grown, shown and deleted", async () => {
  await using cluster = await startSheepProcess();
  await must(cluster, "vdi create a --size 16M");
  await must(cluster, "vdi snapshot a --tag monday");
  await must(cluster, "vdi retag a@monday weekly");
  await must(cluster, "vdi retag a@1 monday");
  await must(cluster, "vdi clone a@monday b");
  await must(cluster, "vdi resize a 32M");
  const shown: unknown = JSON.parse(await must(cluster, "vdi show a@monday --json"));
  expect(shown).toMatchObject({ name: "a", tag: "monday", snapshot: true, sizeBytes: 16 << 20 });
  expect(await must(cluster, "vdi tree")).toBe("a@monday\n  a (working)\n  b (working)\n");
  const back = await sheepfs(cluster, "vdi rollback a@1 --yes --keep-as before");
  expect(back).toMatchObject({ exitCode: 0, stderr: expect.stringContaining("'a@before'") });
  expect(await must(cluster, "vdi show a")).toMatch(/sizeBytes +16777216\n/);
  await must(cluster, "vdi delete a@before");
  await must(cluster, "vdi delete b");
  const vdis = JSON.parse(await must(cluster, "vdi list --json")) as { name: string }[];
  expect(vdis.map(({ name }) => name)).toEqual(["a", "a"]);
});

test("snapshots that several commands make at once leave none without a tag [S-157]", async () => {
  await using cluster = await startSheepProcess();
  await must(cluster, "vdi create a --size 16M");
  const lines = ["c", "c", "c", "d", "e", "f"].map((tag) => `vdi snapshot a --tag ${tag}`);
  const ends = await Promise.all(lines.map((line) => sheepfs(cluster, line)));
  expect(ends.map(({ exitCode }) => exitCode).sort()).toEqual([0, 0, 0, 0, 3, 3]);
  const rows = JSON.parse(await must(cluster, "vdi list --json")) as { tag: string | null }[];
  const tags = rows.map(({ tag }) => tag ?? "").filter((tag) => tag !== "");
  expect([rows.length, tags.sort()]).toEqual([5, ["c", "d", "e", "f"]]);
});

test("rollbacks within one second keep what was under names of their own [S-161]", async () => {
  await using cluster = await startSheepProcess();
  await must(cluster, "vdi create a --size 16M");
  await must(cluster, "vdi snapshot a --tag monday");
  // Whichever second it is: its name and those of the next ones are taken.
  const nowMs = Date.now();
  for (let second = 0; second < 12; second += 1) {
    const moment = new Date(nowMs + second * 1000).toISOString();
    const stamp = moment.replace(/[-:]|\.[0-9]+/g, "");
    await must(cluster, `vdi snapshot a --tag before-rollback-${stamp}`);
  }
  const back = await sheepfs(cluster, "vdi rollback a@monday --yes");
  expect(back).toMatchObject({
    exitCode: 0,
    stderr: expect.stringMatching(/'a@before-rollback-\d+T\d+Z-2'/),
  });
});

test("what is refused has the exit code of its reason, and names it", async () => {
  await using cluster = await startSheepProcess();
  await must(cluster, "vdi create a --size 16M");
  await must(cluster, "vdi snapshot a --tag monday");
  const rows = [
    ["vdi snapshot a --tag monday", 3, "'monday' of VDI 'a' exists"],
    ["vdi snapshot a --tag 7", 1, "digits only"],
    ["vdi snapshot none --tag x", 5, "no VDI 'none'"],
    ["vdi retag a@monday 7", 1, "digits only"],
    ["vdi retag a weekly", 1, "'a' is no snapshot"],
    ["vdi retag a@none weekly", 5, "'none' of VDI 'a'"],
    ["vdi clone a b", 1, "'a' is no snapshot"],
    ["vdi clone a@none b", 5, "'none' of VDI 'a'"],
    ["vdi clone a@monday a", 3, "'a' exists"],
    ["vdi resize a 8M", 1, "cannot become smaller"],
    ["vdi rollback a@monday", 64, "--yes"],
    ["vdi show none", 5, "no VDI 'none'"],
    ["vdi delete a@none", 5, "'none' of VDI 'a'"],
  ] as const;
  for (const [line, code, text] of rows) {
    const { stderr, exitCode } = await sheepfs(cluster, line);
    expect([line, exitCode, stderr]).toEqual([line, code, expect.stringContaining(text)]);
  }
});

test("the tree is listed, read and written without a mount", async () => {
  await using cluster = await startSheepProcess();
  await must(cluster, "vdi create a --size 16M");
  expect(await must(cluster, "ls")).toBe("cluster/\nconfig/\nnode/\nsnapshot/\nvdi/\nvolume/\n");
  const write = ["write", "volume/a", "--offset", "1M", "-s", cluster.address];
  const wrote = await run([await sheepfsBinary(), ...write], { stdin: "hello\n" });
  expect(wrote).toMatchObject({ exitCode: 0 });
  await must(cluster, "vdi snapshot a --tag monday");
  const bytes = await must(cluster, "cat snapshot/a/monday");
  expect(bytes.length).toBe(16 << 20);
  expect(bytes.slice(1 << 20, (1 << 20) + 6)).toBe("hello\n");
  const { details } = JSON.parse(await must(cluster, "stat snapshot/a/monday --json")) as {
    details: Record<string, string>;
  };
  expect(details["object-size"]).toBe("4194304");
  expect(await must(cluster, "cat vdi/list")).toBe(await must(cluster, "vdi list"));
  expect(await must(cluster, "cluster info")).toBe(await must(cluster, "cat cluster/info"));
  expect(await must(cluster, "node list")).toBe(await must(cluster, "cat node/list"));
  expect((await sheepfs(cluster, "cat vdi/none")).exitCode).toBe(5);
  expect((await sheepfs(cluster, "cat vdi")).stderr).toContain("is a directory");
});

test("several commands write one file one after the other", async () => {
  await using cluster = await startSheepProcess();
  using folder = new TemporaryFolder();
  const path = join(folder.path, "out");
  appendFileSync(path, "first\n");
  const fd = openSync(path, "a");
  const binary = await sheepfsBinary();
  for (const line of ["node list", "ls volume", "node list"]) {
    const child = Bun.spawn([binary, ...line.split(" "), "-s", cluster.address], { stdout: fd });
    expect(await child.exited).toBe(0);
  }
  const list = await must(cluster, "node list");
  expect(readFileSync(path, "utf8")).toBe(`first\n${list}${list}`);
});
