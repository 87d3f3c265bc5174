import { expect, test } from "bun:test";
import { readFileSync, renameSync, rmSync, symlinkSync } from "node:fs";
import { join } from "node:path";
import { LogFile } from "../../../src/cli/log-file.ts";
import { openLogger } from "../../../src/cli/logger.ts";
import { TemporaryFolder } from "../../support/process.ts";

/** Lines of a log without their times. */
function linesOf(path: string): string[] {
  return readFileSync(path, "utf8")
    .trimEnd()
    .split("\n")
    .map((line) => line.replace(/^[0-9T:.-]+Z /, ""));
}

test("a full disk under the log stops nobody, and what was lost is counted later", () => {
  using folder = new TemporaryFolder();
  const path = join(folder.path, "log");
  symlinkSync("/dev/full", path);
  const log = openLogger("info", new LogFile(path));
  log.info("lost");
  log.error("lost as well");
  rmSync(path);
  log.reopen();
  log.info("there again");
  log.info("and on");
  expect(linesOf(path)).toEqual([
    "warn 2 lines of this log could not be written and are lost",
    "info there again",
    "info and on",
  ]);
});

test("when the new file cannot be opened it goes on in the old one, and says so", () => {
  using folder = new TemporaryFolder();
  const path = join(folder.path, "log");
  const log = openLogger("info", new LogFile(path));
  log.info("first");
  renameSync(path, `${path}.1`);
  symlinkSync(join(folder.path, "missing", "log"), path);
  log.reopen();
  log.info("last");
  const [first, error, last] = linesOf(`${path}.1`);
  expect([first, last]).toEqual(["info first", "info last"]);
  expect(error).toContain(`error log file '${path}' cannot be written`);
});
