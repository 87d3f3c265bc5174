import { Load, type LoadReport } from "./load.ts";
import type { Fault, FaultSite } from "./site.ts";

export interface TrialWish {
  readonly fault: Fault;
  readonly cycles: number;
  /** How long each fault lasts; a server that has taken over lives so long at least. */
  readonly holdMs: number;
  /** Called after each cycle. */
  readonly progress: (cycle: number) => void;
}

export interface TrialReport extends LoadReport {
  readonly fault: Fault;
  readonly cycles: number;
}

/**
 * Breaks and mends again and again while a load runs, each time waiting until it goes on.
 * @throws Error when something did not go on, or is not whole afterwards
 */
export async function runTrial(site: FaultSite, wish: TrialWish): Promise<TrialReport> {
  const { fault, cycles, holdMs, progress } = wish;
  await using load = await Load.start(site.cluster);
  for (let cycle = 0; cycle < cycles; cycle += 1) {
    if (fault === "sheepfs") {
      await load.mount.killServer();
      // Servers that die too soon after their start are given up.
      await Bun.sleep(holdMs);
    } else {
      const breakage = { fault, cycle, gateway: await load.gateway() };
      await site.break(breakage);
      await Bun.sleep(holdMs);
      await site.mend(breakage);
    }
    await load.moves();
    progress(cycle + 1);
  }
  return { fault, cycles, ...(await load.end()) };
}
