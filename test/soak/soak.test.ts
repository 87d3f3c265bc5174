import { expect, test } from "bun:test";
import { cannotMount } from "../support/mount.ts";
import { soak } from "./soak.ts";

test.skipIf(cannotMount !== null)(
  "a soak of some seconds loses nothing and holds what it held",
  async () => {
    const wish = { durationMs: 8_000, sampleMs: 500, holdMs: 300, restMs: 200, sampled: () => {} };
    const report = await soak(wish);
    expect([report.fioErrors, report.lostTransactions]).toEqual([[], 0]);
    expect(report.samples.length).toBeGreaterThan(4);
    expect(Math.max(...report.samples.map(({ files }) => files))).toBeLessThan(128);
    expect(report.samples.at(-1)?.faults).toBeGreaterThan(2);
  },
  120_000,
);
