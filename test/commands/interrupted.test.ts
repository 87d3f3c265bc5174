import { expect, test } from "bun:test";
import { startCluster, startSheepProcess, type TestCluster } from "../support/cluster.ts";
import { must, run, sheepfsBinary, start } from "../support/process.ts";

async function attachedBy(cluster: TestCluster, name: string): Promise<unknown> {
  const line = ["vdi", "lock", "show", name, "--json", "-s", cluster.address];
  const state: unknown = JSON.parse(await must([await sheepfsBinary(), ...line]));
  return (state as { attachedBy: unknown }).attachedBy;
}

// [S-160]
test("a write that is interrupted while it waits for stdin gives back what it attached [S-160]", async () => {
  await using cluster = await startCluster();
  const name = await cluster.createVdi("w", { size: "16M" });
  for (const signal of ["SIGINT", "SIGTERM"] as const) {
    const line = [await sheepfsBinary(), "write", `volume/${name}`, "-s", cluster.address];
    const writing = Bun.spawn(line, { stdin: "pipe", stdout: "ignore", stderr: "pipe" });
    await writing.stdin.write(new Uint8Array(5_000));
    await writing.stdin.flush();
    while ((await attachedBy(cluster, name)) === null) await Bun.sleep(20);
    writing.kill(signal);
    expect(await writing.exited).toBe(130);
    expect(await new Response(writing.stderr).text()).toBe(`sheepfs: ended by ${signal}\n`);
    expect(await attachedBy(cluster, name)).toBeNull();
  }
}, 60_000);

// [S-160]
test("what is done whole is carried out when it is interrupted, and says so [S-160]", async () => {
  await using cluster = await startSheepProcess();
  const binary = await sheepfsBinary();
  const vdi = (...words: readonly string[]) => [binary, "vdi", ...words, "-s", cluster.address];
  await must(vdi("create", "a", "--size", "16M"));
  const rows = [
    [["snapshot", "a", "--tag", "one"], "the snapshot 'one' of a was made"],
    [["clone", "a@one", "b"], "VDI 'b' was made"],
    [["rollback", "a@one", "--yes", "--keep-as", "kept"], "the VDI is now as 'a@one'"],
    [["delete", "a@kept"], "'a@kept' was deleted"],
  ] as const;
  for (const [words, what] of rows) {
    cluster.child.kill("SIGSTOP");
    await using child = start(vdi(...words));
    await Bun.sleep(1_500);
    child.kill("SIGINT");
    await child.until(({ stderr }) => (stderr.includes("carried out") ? true : null), "answer");
    cluster.child.kill("SIGCONT");
    expect([await child.exit(), child.stderr]).toEqual([130, expect.stringContaining(what)]);
  }
  expect(await must(vdi("tree"))).toBe("a@one\n  a (working)\n  b (working)\n");
}, 60_000);

// [S-160]
test("a write to vdi/mount, which would end with the command, is refused [S-160]", async () => {
  await using cluster = await startCluster();
  const name = await cluster.createVdi("w", { size: "16M" });
  const line = [await sheepfsBinary(), "write", "vdi/mount", "-s", cluster.address];
  expect(await run(line, { stdin: `${name}\n` })).toMatchObject({
    exitCode: 1,
    stderr: expect.stringContaining("in a mount"),
  });
}, 60_000);
