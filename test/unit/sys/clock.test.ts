import { expect, test } from "bun:test";
import { join } from "node:path";
import { realClock } from "../../../src/sys/clock.ts";
import { realRandom } from "../../../src/sys/random.ts";

test("a timer fires after its delay, once, and not when it was cancelled", async () => {
  const startedMs = realClock.nowMs();
  const fired: string[] = [];
  realClock.after(1, () => fired.push("cancelled")).cancel();
  await new Promise<void>((resolve) => {
    realClock.after(20, () => {
      fired.push("late");
      resolve();
    });
    realClock.after(1, () => fired.push("early"));
  });
  expect(fired).toEqual(["early", "late"]);
  // The event loop counts whole milliseconds.
  expect(realClock.nowMs() - startedMs).toBeGreaterThanOrEqual(19);
});

test("a delay that is never over does not fire at once", async () => {
  const fired: string[] = [];
  for (const delayMs of [Number.POSITIVE_INFINITY, 2 ** 31, Number.MAX_SAFE_INTEGER]) {
    realClock.after(delayMs, () => fired.push(String(delayMs)));
  }
  await new Promise<void>((resolve) => {
    realClock.after(20, resolve);
  });
  expect(fired).toEqual([]);
});

test("random numbers stay below their bound and reach all of it", () => {
  const seen = new Set<number>();
  for (let count = 0; count < 2_000; count += 1) seen.add(realRandom.below(7));
  expect([...seen].sort()).toEqual([0, 1, 2, 3, 4, 5, 6]);
});

// [S-97]
test("the time in which the process was stopped does not count", async () => {
  const command = [process.execPath, join(import.meta.dir, "clock-child.ts")];
  await using child = Bun.spawn(command, { stdout: "pipe", stderr: "inherit" });
  const lines = child.stdout.pipeThrough(new TextDecoderStream()).getReader();
  expect((await lines.read()).value).toBe("begun\n");
  child.kill("SIGSTOP");
  await Bun.sleep(4_000);
  child.kill("SIGCONT");
  const continuedMs = performance.now();
  const took = Number((await lines.read()).value);
  expect(performance.now() - continuedMs).toBeGreaterThan(500);
  expect(took).toBeGreaterThanOrEqual(1_499);
  expect(took).toBeLessThan(3_500);
}, 20_000);
