import { expect, test } from "bun:test";
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { SheepfsError } from "../../../src/base/errors.ts";
import { silentLogger } from "../../../src/base/log.ts";
import { startSheep } from "../../../src/sheep/server.ts";
import { start, TemporaryFolder } from "../../support/process.ts";
import { TestSheep } from "./world.ts";

const program = join(import.meta.dirname, "sheep-program.ts");

async function failure(start: Promise<unknown>): Promise<SheepfsError> {
  const thrown: unknown = await start.catch((error: unknown) => error);
  if (!(thrown instanceof SheepfsError)) throw new Error("it started");
  return thrown;
}

test("a directory that is missing or empty is made and formatted", async () => {
  using folder = new TemporaryFolder();
  for (const name of ["missing/deeper", "empty"]) {
    const dir = join(folder.path, name);
    if (name === "empty") mkdirSync(dir);
    await using _sheep = await TestSheep.start(dir);
    expect(JSON.parse(readFileSync(join(dir, "sheepfs-sheep.json"), "utf8"))).toMatchObject({
      version: 1,
      cluster: { copies: 1, copyPolicy: 0, blockSizeShift: 22, flags: 4 },
    });
  }
});

test("a directory that holds something else is refused and left as it is", async () => {
  using folder = new TemporaryFolder();
  writeFileSync(join(folder.path, "thesis.txt"), "mine");
  const { code, message } = await failure(TestSheep.start(folder.path));
  expect(code).toBe("invalid");
  expect(message).toContain(folder.path);
  expect(message).toContain("empty directory");
  expect(readdirSync(folder.path)).toEqual(["thesis.txt"]);
});

test("a file in the place of the directory is refused", async () => {
  using folder = new TemporaryFolder();
  const path = join(folder.path, "file");
  writeFileSync(path, "mine");
  expect((await failure(TestSheep.start(path))).code).toBe("not_directory");
});

for (const [what, text, code] of [
  ["is damaged", "{", "corrupt"],
  ["is another program's", '{"format":"other"}', "corrupt"],
  [
    "is of a later version",
    '{"format":"sheepfs sheep","version":9,"generation":0,"cluster":null}',
    "version",
  ],
] as const) {
  test(`a directory whose marker ${what} is refused`, async () => {
    using folder = new TemporaryFolder();
    writeFileSync(join(folder.path, "sheepfs-sheep.json"), text);
    expect((await failure(TestSheep.start(folder.path))).code).toBe(code);
  });
}

// [S-40]
test("a second sheep on the same directory is refused, in this process and in another", async () => {
  using folder = new TemporaryFolder();
  const dir = join(folder.path, "sheep");
  await using _sheep = await TestSheep.start(dir);
  const { code, message } = await failure(TestSheep.start(dir));
  expect(code).toBe("busy");
  expect(message).toContain("another sheep");
  await using child = start([process.execPath, program, dir]);
  const exitCode = await child.exit();
  expect(child.stdout).toContain("in use by another sheep");
  expect(exitCode).toBe(1);
});

test("the directory is free again when its sheep was killed", async () => {
  using folder = new TemporaryFolder();
  const dir = join(folder.path, "sheep");
  {
    await using child = start([process.execPath, program, dir]);
    await child.until(({ stdout }) => /port (\d+)/.exec(stdout), "port");
    child.kill("SIGKILL");
    await child.exit();
  }
  await using _sheep = await TestSheep.start(dir);
});

test("an address that is taken is told", async () => {
  await using sheep = await TestSheep.start();
  using folder = new TemporaryFolder();
  const dir = join(folder.path, "sheep");
  const listen = sheep.running.address;
  const { code, message } = await failure(
    startSheep({ dir, listen, copies: 1, log: silentLogger }),
  );
  expect(code).toBe("unavailable");
  expect(message).toContain(`127.0.0.1:${listen.port}`);
  // It has let go of the directory.
  await using _other = await TestSheep.start(dir);
});
