import { expect, test } from "bun:test";
import { readFile } from "node:fs/promises";
import { startSheepProcess } from "../support/cluster.ts";
import { mountSheepfs } from "../support/mount.ts";
import { start } from "../support/process.ts";

function dd(path: string): ReturnType<typeof start> {
  return start(["dd", `if=${path}`, "of=/dev/null", "bs=4096", "count=1", "iflag=direct"]);
}

// [S-83]
test("a read of a cluster that hangs fails with EIO after the time that -o timeout says", async () => {
  await using cluster = await startSheepProcess();
  const vdi = await cluster.createVdi("patience", { size: "8M" });
  await using mount = await mountSheepfs(cluster, { args: ["--attach", vdi, "-o", "timeout=3s"] });
  cluster.child.kill("SIGSTOP");
  const began = performance.now();
  await using reading = dd(mount.file("volume", vdi));
  // What is waited for can be read meanwhile.
  await shows(mount.file("cluster", "status"), `${vdi}: requests wait`);
  expect(await reading.exit()).toBe(1);
  expect(reading.stderr).toContain("Input/output error");
  expect(performance.now() - began).toBeGreaterThan(2_500);
  cluster.child.kill("SIGCONT");
  const told = mount.child.stderr.match(/requests wait: .*/g) ?? [];
  expect(told.length).toBeGreaterThan(0);
  expect(new Set(told).size).toBe(told.length);
}, 60_000);

// [S-83]
test("with -o timeout=forever a read goes on when the cluster does, and Ctrl-C ends its wait", async () => {
  await using cluster = await startSheepProcess();
  const vdi = await cluster.createVdi("endless", { size: "8M" });
  const args = ["--attach", vdi, "-o", "timeout=forever"];
  await using mount = await mountSheepfs(cluster, { args });
  cluster.child.kill("SIGSTOP");
  await using patient = dd(mount.file("volume", vdi));
  await using interrupted = dd(mount.file("volume", vdi));
  await shows(mount.file("cluster", "status"), "waiting: 2 requests");
  interrupted.kill("SIGINT");
  expect(await interrupted.exit()).not.toBe(0);
  expect(patient.running).toBe(true);
  cluster.child.kill("SIGCONT");
  expect(await patient.exit()).toBe(0);
}, 60_000);

// [S-97]
test("what is under way when sheepfs is stopped for longer than its deadline goes on", async () => {
  await using cluster = await startSheepProcess();
  const vdi = await cluster.createVdi("paused", { size: "64M" });
  await using mount = await mountSheepfs(cluster, { args: ["--attach", vdi, "-o", "timeout=5s"] });
  cluster.child.kill("SIGSTOP");
  await using reading = dd(mount.file("volume", vdi));
  await shows(mount.file("cluster", "status"), "requests wait");
  // The kernel asks for the size first, which is not waited for as long.
  await Bun.sleep(2_500);
  process.kill(mount.serverPid, "SIGSTOP");
  await Bun.sleep(7_000);
  process.kill(mount.serverPid, "SIGCONT");
  await Bun.sleep(500);
  cluster.child.kill("SIGCONT");
  expect(await reading.exit()).toBe(0);
}, 60_000);

/** Waits until a text has this in it. */
async function shows(path: string, what: string): Promise<void> {
  const endMs = performance.now() + 20_000;
  for (;;) {
    const text = await readFile(path, "utf8");
    if (text.includes(what)) return;
    if (performance.now() > endMs) throw new Error(`no '${what}' in:\n${text}`);
    await Bun.sleep(50);
  }
}
