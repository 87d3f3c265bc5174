import { expect, test } from "bun:test";
import { SheepfsError } from "../../../src/base/errors.ts";
import { silentLogger } from "../../../src/base/log.ts";
import { TroubleLog } from "../../../src/fuse/trouble-log.ts";
import { TestClock } from "./kernel.ts";

function world() {
  const lines: string[] = [];
  const clock = new TestClock();
  const log = { ...silentLogger, warn: (line: string) => lines.push(line) };
  return { lines, clock, trouble: new TroubleLog(clock, log) };
}

test("trouble of the cluster is told once a second, with how much was left out", () => {
  const { lines, clock, trouble } = world();
  for (let offset = 0; offset < 100; offset += 1) {
    trouble.note(new SheepfsError("unavailable", `disk1: read at offset ${offset}: no sheep`));
  }
  clock.advance(1_000);
  trouble.note(new SheepfsError("unavailable", "disk1: read at offset 100: no sheep"));
  expect(lines).toEqual([
    "disk1: read at offset 0: no sheep",
    "disk1: read at offset 100: no sheep (and 99 more since the last line)",
  ]);
});

test("a caller's own mistake is no matter for the log", () => {
  const { lines, trouble } = world();
  trouble.note(new SheepfsError("not_found", "there is no VDI 'x'"));
  expect(lines).toEqual([]);
});

test("what the log has already is not told again", () => {
  const { lines, trouble } = world();
  const error = new SheepfsError("unavailable", "no sheep");
  error.told = true;
  trouble.note(error);
  expect(lines).toEqual([]);
});
