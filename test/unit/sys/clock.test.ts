import { expect, test } from "bun:test";
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
