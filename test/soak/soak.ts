import { EmbeddedSite } from "../faults/embedded-site.ts";
import { Load, type LoadReport } from "../faults/load.ts";
import type { Fault } from "../faults/site.ts";
import { openFiles, rssMiB } from "../support/proc.ts";

/** What the mount's processes held at one moment: its server, and its keeper. */
export interface Sample {
  readonly seconds: number;
  readonly rssMiB: number;
  readonly files: number;
  readonly keeperRssMiB: number;
  readonly keeperFiles: number;
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
/** So rarely that what a server holds has time to grow. */
const serverKillEach = 50;

/** Faults in turn under a load, with a look at memory and open files again and again. */
export async function soak(wish: SoakWish): Promise<SoakReport> {
  await using site = await EmbeddedSite.start();
  await using load = await Load.start(site.cluster);
  const startedMs = performance.now();
  const samples: Sample[] = [];
  let count = 0;
  const sample = (): void => {
    const seconds = Math.round((performance.now() - startedMs) / 1000);
    const { serverPid, child } = load.mount;
    const now = {
      ...{ seconds, faults: count },
      ...{ rssMiB: rssMiB(serverPid).now, files: openFiles(serverPid) },
      ...{ keeperRssMiB: rssMiB(child.pid).now, keeperFiles: openFiles(child.pid) },
    };
    samples.push(now);
    wish.sampled(now);
  };
  const timer = setInterval(() => {
    try {
      sample();
    } catch {
      // The server has just been killed, and the next one is not there yet.
    }
  }, wish.sampleMs);
  try {
    while (performance.now() - startedMs < wish.durationMs) {
      count += 1;
      if (count % serverKillEach === 0) {
        await load.mount.killServer();
        await load.moves();
        continue;
      }
      const fault = faults[count % faults.length] ?? "kill";
      const breakage = { fault, cycle: count, gateway: await load.gateway() };
      await site.break(breakage);
      await Bun.sleep(wish.holdMs);
      await site.mend(breakage);
      await load.moves();
      await Bun.sleep(wish.restMs);
    }
    sample();
  } finally {
    clearInterval(timer);
  }
  return { ...(await load.end()), samples };
}
