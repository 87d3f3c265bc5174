import { expect, test } from "bun:test";
import { type EmbeddedSheep, startSheepProcess } from "../support/cluster.ts";
import { run, sheepfsBinary } from "../support/process.ts";

async function sheepfs(cluster: EmbeddedSheep, line: string) {
  return await run([await sheepfsBinary(), ...line.split(" "), "-s", cluster.address]);
}

async function must(cluster: EmbeddedSheep, line: string): Promise<string> {
  const { stdout, stderr, exitCode } = await sheepfs(cluster, line);
  if (exitCode !== 0) throw new Error(`sheepfs ${line}: ${exitCode} ${stderr}`);
  return stdout;
}

interface Checked {
  readonly healthy: boolean;
  readonly problems: readonly { readonly what: string; readonly subject: string | null }[];
}

async function problems(cluster: EmbeddedSheep): Promise<readonly string[]> {
  const { stdout, exitCode } = await sheepfs(cluster, "cluster check --quick --json");
  const checked = JSON.parse(stdout) as Checked;
  expect(exitCode).toBe(checked.healthy ? 0 : 6);
  return checked.problems.map(({ what, subject }) => `${what} ${subject}`);
}

// [S-153]
test("a cluster that is formatted is formatted again only when both are said, and is empty then", async () => {
  await using cluster = await startSheepProcess();
  await must(cluster, "vdi create a --size 16M");
  await must(cluster, "vdi snapshot a --tag t");
  const refused = await sheepfs(cluster, "cluster format --copies 2");
  expect(refused).toMatchObject({ exitCode: 3, stderr: expect.stringContaining("--force") });
  const unasked = await sheepfs(cluster, "cluster format --copies 2 --force");
  expect(unasked).toMatchObject({ exitCode: 64, stderr: expect.stringContaining("--yes") });
  expect(await must(cluster, "vdi list")).toContain(" a ");
  const order = "cluster format --copies 2 --object-size 8M --locks --force --yes --json";
  expect(JSON.parse(await must(cluster, order))).toMatchObject({ epoch: 1 });
  expect(JSON.parse(await must(cluster, "vdi list --json"))).toEqual([]);
  expect(JSON.parse(await must(cluster, "cluster info --json"))).toMatchObject({
    status: "running",
    hasLocks: true,
    defaults: { copies: 2, copyPolicy: 0, blockSizeShift: 23 },
  });
  await must(cluster, "vdi create a --size 16M");
});

test("an erasure code and a store that cannot be are mistakes in the line", async () => {
  await using cluster = await startSheepProcess();
  for (const wrong of ["--copies 3:1", "--copies 4:16", "--copies 0", "--store disk"]) {
    expect((await sheepfs(cluster, `cluster format ${wrong}`)).exitCode).toBe(64);
  }
  await must(cluster, "cluster format --copies 4:2 --force --yes");
  const { defaults } = JSON.parse(await must(cluster, "cluster info --json")) as {
    defaults: unknown;
  };
  expect(defaults).toMatchObject({ copies: 6, copyPolicy: 0x22 });
});

// [S-154]
test("a check names VDIs that want more copies than there can be, and what is left attached", async () => {
  await using cluster = await startSheepProcess();
  await must(cluster, "vdi create a --size 16M");
  expect(await problems(cluster)).toEqual([]);
  await must(cluster, "vdi create b --size 16M --copies 3");
  expect(await problems(cluster)).toEqual(["copies b"]);
  await must(cluster, "vdi delete b");
  const writing = Bun.spawn({
    cmd: [await sheepfsBinary(), "write", "volume/a", "-s", cluster.address],
    stdin: "pipe",
  });
  const isAttached = async (): Promise<boolean> =>
    (await must(cluster, "vdi lock show a --json")).includes('"pid":');
  while (!(await isAttached())) await Bun.sleep(20);
  expect(await problems(cluster)).toEqual([]);
  writing.kill("SIGKILL");
  await writing.exited;
  expect(await problems(cluster)).toEqual(["left_attached a"]);
});

test("a check of a cluster that is well tells its state, nodes and VDIs", async () => {
  await using cluster = await startSheepProcess();
  await must(cluster, "vdi create a --size 16M");
  const { stdout, stderr, exitCode } = await sheepfs(cluster, "cluster check");
  expect([exitCode, stderr]).toEqual([0, ""]);
  expect(stdout).toMatch(/^status +running, epoch 1\nnode +\S+ +\S+ \S+ of \S+ \S+ free\n/);
  expect(stdout).toContain("VDIs       1, and 0 snapshots\nobjects    1 compared\n");
});
