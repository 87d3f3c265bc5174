import { readdirSync, readFileSync, readlinkSync } from "node:fs";
import { Load, type LoadReport } from "./load.ts";
import type { Fault, FaultSite } from "./site.ts";

export interface TrialWish {
  readonly fault: Fault;
  readonly cycles: number;
  /** How long each fault lasts. */
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
      process.kill(serverOf(load.mount.child.pid), "SIGKILL");
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

/** The process that answers the kernel: the keeper's child, which holds the device too. */
function serverOf(keeper: number): number {
  const children = readFileSync(`/proc/${keeper}/task/${keeper}/children`, "utf8").trim();
  const server = children.split(" ").map(Number).find(holdsDevice);
  if (server === undefined) throw new Error(`the keeper ${keeper} has no server`);
  return server;
}

function holdsDevice(pid: number): boolean {
  if (pid === 0) return false;
  const folder = `/proc/${pid}/fd`;
  return readdirSync(folder).some((fd) => {
    try {
      return readlinkSync(`${folder}/${fd}`) === "/dev/fuse";
    } catch {
      return false;
    }
  });
}
