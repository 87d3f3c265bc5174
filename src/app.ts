import { openCore } from "./app/core.ts";
import { nextSignal } from "./app/signals.ts";
import type { Address } from "./base/address.ts";
import { asSheepfsError, type SheepfsError } from "./base/errors.ts";
import { limits } from "./base/limits.ts";
import type { Logger } from "./base/log.ts";
import { deadlineScope, type Scope } from "./base/scope.ts";
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
}

/**
 * Serves a cluster on a mountpoint until it is unmounted or the program is asked to end.
 * @param ready called when the mount is usable
 * @throws whatever keeps it from being usable, or ended it; nothing stays mounted
 */
export async function serveMount(wish: MountWish, log: Logger, ready: () => void): Promise<void> {
  const signal = nextSignal();
  const { mountpoint, options } = wish;
  const core = await openCore({ ...wish, readOnly: options.readOnly, log }, operationScope());
  const { reactor, tree } = core;
  const frontend = new FuseFrontend({ mountpoint, options, reactor, clock: realClock, log });
  let failure: SheepfsError | null = null;
  // Every step is tried, whatever the one before it did; the first failure is the outcome.
  const attempt = async (step: () => Promise<void>): Promise<void> => {
    try {
      await step();
    } catch (thrown) {
      if (failure === null) failure = asSheepfsError(thrown);
      else log.error("and then", asSheepfsError(thrown));
    }
  };
  await attempt(async () => {
    await frontend.start(tree, operationScope());
    ready();
    const over = await Promise.race([frontend.ended, signal]);
    if (typeof over === "string") log.info(`${over}: flushing and unmounting`);
    else if (over !== null) throw over;
  });
  await attempt(() => frontend.stop(operationScope()));
  await attempt(() => core.close(operationScope()));
  if (failure !== null) throw failure;
}

function operationScope(): Scope {
  return deadlineScope(realClock, limits.operationTimeoutMs);
}
