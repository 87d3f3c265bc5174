import { describe, expect, test } from "bun:test";
import { existsSync } from "node:fs";
import { isGone, newHolder, processMark } from "../../../src/app/self.ts";

const self = newHolder();

// [S-72]
describe("a holder is known to have ended", () => {
  test("when its process has, and not before", async () => {
    const child = Bun.spawn(["cat"], { stdin: "pipe" });
    const holder = newHolder(child.pid);
    expect(isGone(holder)).toBe(false);
    child.kill("SIGKILL");
    await child.exited;
    expect(isGone(holder)).toBe(true);
  });

  test("when both of its processes have, when one writes for the other", async () => {
    const child = Bun.spawn(["cat"], { stdin: "pipe" });
    const holder = { ...self, startTicks: 0, server: processMark(child.pid) };
    expect(isGone(holder)).toBe(false);
    child.kill("SIGKILL");
    await child.exited;
    expect(isGone(holder)).toBe(true);
    expect(isGone({ ...holder, startTicks: self.startTicks })).toBe(false);
  });

  test("when nobody has asked for its end yet", async () => {
    // The shell becomes a program that does not wait for its child, which ends only then.
    const parent = Bun.spawn(["sh", "-c", "sleep 0.3 & echo $!; exec cat"], {
      stdin: "pipe",
      stdout: "pipe",
    });
    const { value } = await parent.stdout.getReader().read();
    const pid = Number(new TextDecoder().decode(value));
    const holder = { ...self, ...processMark(pid) };
    while (!isGone(holder)) await Bun.sleep(1);
    expect(existsSync(`/proc/${pid}/stat`)).toBe(true);
    parent.kill();
  });

  test("when its number is another process's by now", () => {
    expect(isGone(self)).toBe(false);
    expect(isGone({ ...self, startTicks: self.startTicks - 1 })).toBe(true);
  });

  test("when its machine, which is this one, was started again", () => {
    const restarted = { ...self, machine: "0123", bootId: "another" };
    expect(isGone({ ...restarted, machine: self.machine })).toBe(self.machine !== "");
    expect(isGone(restarted)).toBe(false);
    expect(isGone({ ...restarted, machine: "" })).toBe(false);
  });

  test("but not when it is of another container, or cannot be told", () => {
    const ended = { ...self, pid: 2 ** 22 + 5 };
    expect(isGone(ended)).toBe(true);
    expect(isGone({ ...ended, pidNamespace: "pid:[1]" })).toBe(false);
    expect(isGone({ ...ended, pidNamespace: "" })).toBe(false);
    expect(isGone({ ...ended, bootId: "" })).toBe(false);
  });

  test("and two of one process are two", () => {
    expect(newHolder().instance).not.toBe(self.instance);
    expect(self.startTicks).toBeGreaterThan(0);
  });
});
