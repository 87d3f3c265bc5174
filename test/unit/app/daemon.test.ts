import { expect, test } from "bun:test";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type Child, start, TemporaryFolder } from "../../support/process.ts";

const program = join(import.meta.dirname, "daemon-program.ts");

/** The command that starts a daemon which behaves like this. */
function command(how: string, folder: string, timeoutMs = 20_000): Child {
  return start([process.execPath, program, how, folder, String(timeoutMs)]);
}

function daemonPid(folder: string): number {
  return Number(readFileSync(join(folder, "pid"), "utf8"));
}

function isRunning(pid: number): boolean {
  return existsSync(`/proc/${pid}/exe`);
}

async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await Bun.sleep(2);
}

test("the command returns when the daemon is ready, and the daemon goes on alone", async () => {
  using folder = new TemporaryFolder();
  await using child = command("ready", folder.path);
  const exitCode = await child.exit();
  expect(child.stdout).toBe("usable at /x\n");
  expect(exitCode).toBe(0);
  const pid = daemonPid(folder.path);
  expect(isRunning(pid)).toBe(true);
  expect(JSON.parse(readFileSync(join(folder.path, "said"), "utf8"))).toEqual({
    cwd: "/",
    leadsSession: true,
    stdio: ["/dev/null", "/dev/null", "/dev/null"],
  });
  expect(readFileSync(`/proc/${pid}/environ`, "utf8")).toContain(`PWD=${process.cwd()}`);
  writeFileSync(join(folder.path, "end"), "");
  await until(() => !isRunning(pid));
});

test("a daemon that fails gives the command its reason and its exit code", async () => {
  using folder = new TemporaryFolder();
  await using child = command("fail", folder.path);
  const exitCode = await child.exit();
  expect(child.stdout).toBe("VDI 'web1' is attached by 10.0.0.7: 7000\n");
  expect(exitCode).toBe(1);
});

test("a bug in the daemon is told as one", async () => {
  using folder = new TemporaryFolder();
  await using child = command("bug", folder.path);
  const exitCode = await child.exit();
  expect(child.stdout).toBe("unexpected: no such thing\n");
  expect(exitCode).toBe(2);
});

test("a daemon that ends without a word is noticed", async () => {
  using folder = new TemporaryFolder();
  await using child = command("die", folder.path);
  const exitCode = await child.exit();
  expect(child.stdout).toContain("run the same command with -f");
  expect(exitCode).toBe(2);
});

for (const signal of ["SIGINT", "SIGTERM"] as const) {
  test(`${signal} while the command waits ends the daemon too`, async () => {
    using folder = new TemporaryFolder();
    await using child = command("wait", folder.path);
    await until(() => existsSync(join(folder.path, "said")));
    child.kill(signal);
    const exitCode = await child.exit();
    expect(child.stdout).toBe(`${signal}: not mounted\n`);
    expect(exitCode).toBe(130);
    expect(isRunning(daemonPid(folder.path))).toBe(false);
  });
}

test("a daemon that is never ready is ended, in order or by force", async () => {
  const outcomes = ["wait", "deaf"].map(async (how) => {
    using folder = new TemporaryFolder();
    await using child = command(how, folder.path, 1_000);
    const exitCode = await child.exit();
    expect(child.stdout).toBe("the mount was not usable within 1 s\n");
    expect(exitCode).toBe(2);
    expect(isRunning(daemonPid(folder.path))).toBe(false);
  });
  await Promise.all(outcomes);
});
