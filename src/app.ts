import { openCore } from "./app/core.ts";
import { newHolder } from "./app/self.ts";
import { operationScope, serveFrontends } from "./app/serving.ts";
import { endingSignals, hasTerminal, nextSignal, quietSignals } from "./app/signals.ts";
import type { Address } from "./base/address.ts";
import type { ServiceLog } from "./base/log.ts";
import { FuseFrontend } from "./fuse/frontend.ts";
import type { MountOptions } from "./fuse/mount-options.ts";
import { realClock } from "./sys/clock.ts";

/** What to mount and how, as the command line has it. */
export interface MountWish {
  readonly mountpoint: string;
  readonly gateways: readonly Address[];
  readonly options: MountOptions;
  readonly pageCache: boolean;
  readonly objectCache: boolean;
  /** Names of VDIs as `vdi/mount` takes them. */
  readonly attach: readonly string[];
  /** Absolute; holds the number of this process while the mount is usable. */
  readonly pidFile: string | null;
}

/**
 * Serves a cluster on a mountpoint until it is unmounted or the program is asked to end. SIGHUP
 * opens the log again.
 * @param ready called when the mount is usable
 * @throws whatever keeps it from being usable, or ended it; nothing stays mounted
 */
export async function serveMount(
  wish: MountWish,
  log: ServiceLog,
  ready: () => void,
): Promise<void> {
  // Where a terminal is ours, SIGHUP means that it is gone.
  const signal = nextSignal(hasTerminal() ? endingSignals : quietSignals);
  const { mountpoint, options } = wish;
  const { readOnly, timeoutMs } = options;
  const self = newHolder();
  const core = await openCore(
    { ...wish, readOnly, timeoutMs, scratch: false, self, log },
    operationScope(),
  );
  const { reactor } = core;
  const frontend = new FuseFrontend({ mountpoint, options, reactor, clock: realClock, log });
  const over = Promise.race([frontend.ended, signal]);
  await serveFrontends({
    ...{ core, frontends: [frontend], over, log, pidFile: wish.pidFile },
    ready: () => {
      ready();
      return `mounted on ${mountpoint}`;
    },
    reload: () => {},
  });
}
