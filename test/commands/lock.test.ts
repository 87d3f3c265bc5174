import { expect, test } from "bun:test";
import { startCluster, type TestCluster } from "../support/cluster.ts";
import { run, sheepfsBinary } from "../support/process.ts";

async function vdi(cluster: TestCluster, ...words: readonly string[]) {
  return await run([await sheepfsBinary(), "vdi", ...words, "-s", cluster.address]);
}

// [S-113]
test("a VDI that was locked by hand is kept from all who would write it, until it is unlocked [S-113]", async () => {
  await using cluster = await startCluster();
  const name = await cluster.createVdi("kept", { size: "16M" });
  expect(await vdi(cluster, "unlock", name)).toMatchObject({
    exitCode: 1,
    stderr: expect.stringContaining("not locked by hand"),
  });
  expect(await vdi(cluster, "lock", "take", name, "--why", "ask ann")).toMatchObject({
    exitCode: 0,
  });
  const told = expect.stringMatching(/locked by hand on host .*ask ann; sheepfs vdi unlock/);
  const rows = [
    ["lock", "take", name],
    ["delete", name, "--yes"],
    ["resize", name, "32M"],
  ] as const;
  for (const row of rows) {
    expect(await vdi(cluster, ...row)).toMatchObject({ exitCode: 1, stderr: told });
  }
  const writing = [await sheepfsBinary(), "write", `volume/${name}`, "-s", cluster.address];
  expect(await run(writing)).toMatchObject({ exitCode: 1, stderr: told });
  const shown = await vdi(cluster, "lock", "show", name, "--json");
  expect(JSON.parse(shown.stdout)).toMatchObject({
    attachedBy: { byHand: "ask ann", pid: null, gone: false },
  });
  expect((await vdi(cluster, "lock", "show", name)).stdout).toContain("attached: locked by hand");
  const snapshot = await vdi(cluster, "snapshot", name, "--tag", "monday");
  expect(snapshot).toMatchObject({ exitCode: 1, stderr: told });
  const long = await vdi(cluster, "lock", "take", name, "--why", "x".repeat(5_000));
  expect(long).toMatchObject({ exitCode: 1, stderr: expect.stringContaining("255 bytes") });
  expect(await vdi(cluster, "unlock", name)).toMatchObject({ exitCode: 0, stderr: "" });
  const after = JSON.parse((await vdi(cluster, "lock", "show", name, "--json")).stdout);
  expect(after).toMatchObject({ attachedBy: null });
  expect(after.lock?.held ?? false).toBe(false);
}, 60_000);
