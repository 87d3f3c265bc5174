import type { ServiceLog } from "../base/log.ts";
import { realMountpoint } from "../fuse/mountpoint.ts";
import { Keeper } from "../keeper/keeper.ts";
import { realClock } from "../sys/clock.ts";
import { ServiceManager } from "../sys/service-manager.ts";
import { removePidFile, writePidFile } from "./pid-file.ts";
import { hasTerminal } from "./signals.ts";

export interface KeepWish {
  /** Absolute. */
  readonly mountpoint: string;
  readonly pidFile: string | null;
  /** What follows the program's name; the servers get the same. */
  readonly argv: readonly string[];
  /** Where relative paths in it begin. */
  readonly cwd: string;
}

/**
 * Keeps a mount whatever becomes of the process that serves it, until it is over.
 * @param ready called when it is usable
 * @throws whatever keeps it from being usable, or ended it
 */
export async function keepMount(
  wish: KeepWish,
  log: ServiceLog,
  ready: (said: string) => void,
): Promise<void> {
  const { pidFile, argv, cwd } = wish;
  // As /proc/self/mountinfo has it, for commands that look for us; what is wrong the server says.
  const mountpoint = realPath(wish.mountpoint);
  const manager = new ServiceManager(process.env, realClock, () => keeper.lives());
  // A compiled program has its sources inside; else the script has to be named.
  const script = Bun.main.startsWith("/$bunfs/") ? [] : [Bun.main];
  const keeper: Keeper = new Keeper({
    ...{ mountpoint, cwd, log },
    path: process.execPath,
    args: [...script, ...argv],
    hangsUp: hasTerminal(),
    ready: (said) => {
      writePidFile(pidFile);
      manager.ready(`mounted on ${mountpoint}`);
      ready(said);
    },
    ending: (why) => manager.stopping(why),
    reloading: () => {
      manager.reloading();
      log.reopen();
      manager.reloaded();
    },
  });
  try {
    await keeper.run();
  } finally {
    removePidFile(pidFile);
    manager.close();
  }
}

function realPath(mountpoint: string): string {
  try {
    return realMountpoint(mountpoint);
  } catch {
    return mountpoint;
  }
}
