import { expect, test } from "bun:test";
import { cannotMount } from "../support/mount.ts";
import { EmbeddedSite } from "./embedded-site.ts";
import type { Fault } from "./site.ts";
import { runTrial } from "./trial.ts";

interface Wish {
  readonly fault: Fault;
  readonly cycles: number;
  readonly holdMs: number;
}

const wishes: readonly Wish[] = [
  { fault: "kill", cycles: 3, holdMs: 200 },
  { fault: "stop", cycles: 2, holdMs: 1_500 },
  { fault: "partition", cycles: 2, holdMs: 3_000 },
  { fault: "sheepfs", cycles: 3, holdMs: 500 },
];

for (const { fault, cycles, holdMs } of wishes) {
  test.skipIf(cannotMount !== null)(
    `fio, ext4 and SQLite lose nothing by ${cycles} times '${fault}'`,
    async () => {
      await using site = await EmbeddedSite.start();
      const wish = { fault, cycles, holdMs, progress: () => {} };
      const report = await runTrial(site, wish);
      const { longestReadMs, longestWriteMs } = report;
      console.log(
        `measured: ${fault}: longest read ${longestReadMs} ms, write ${longestWriteMs} ms`,
      );
      expect(report.fioErrors).toEqual([]);
      expect(report.lostTransactions).toBe(0);
      expect(report.fioRuns).toBeGreaterThan(0);
      expect(report.transactions).toBeGreaterThan(0);
    },
    120_000,
  );
}
