import { EmbeddedSite } from "../faults/embedded-site.ts";
import { Load, type LoadReport } from "../faults/load.ts";
import type { Fault } from "../faults/site.ts";
import { openFiles, rssMiB } from "../support/proc.ts";

/** What the mount's process held at one moment. */
export interface Sample {
  readonly seconds: number;
  readonly rssMiB: number;
  readonly files: number;
  /** Faults so far. */
  readonly faults: number;
}

export interface SoakWish {
  readonly durationMs: number;
  /** Between two samples. */
  readonly sampleMs: number;
  /** How long each fault lasts, and how long nothing is broken after it. */
  readonly holdMs: number;
  readonly restMs: number;
  readonly sampled: (sample: Sample) => void;
}

export interface SoakReport extends LoadReport {
  readonly samples: readonly Sample[];
}

const faults: readonly Fault[] = ["partition", "kill", "stop"];

/** Faults in turn under a load, with a look at memory and open files again and again. */
export async function soak(wish: SoakWish): Promise<SoakReport> {
  await using site = await EmbeddedSite.start();
  await using load = await Load.start(site.cluster);
  const startedMs = performance.now();
  const samples: Sample[] = [];
  let count = 0;
  const sample = (): void => {
    const seconds = Math.round((performance.now() - startedMs) / 1000);
    const pid = load.mount.serverPid;
    const now = { seconds, rssMiB: rssMiB(pid).now, files: openFiles(pid), faults: count };
    samples.push(now);
    wish.sampled(now);
  };
  const timer = setInterval(sample, wish.sampleMs);
  try {
    while (performance.now() - startedMs < wish.durationMs) {
      const fault = faults[count % faults.length] ?? "kill";
      const breakage = { fault, cycle: count, gateway: await load.gateway() };
      await site.break(breakage);
      await Bun.sleep(wish.holdMs);
      await site.mend(breakage);
      await load.moves();
      count += 1;
      await Bun.sleep(wish.restMs);
    }
    sample();
  } finally {
    clearInterval(timer);
  }
  return { ...(await load.end()), samples };
}
