import { asSheepfsError, type SheepfsError } from "../base/errors.ts";
import { limits } from "../base/limits.ts";
import type { ServiceLog } from "../base/log.ts";
import { deadlineScope, type Scope } from "../base/scope.ts";
import { realClock } from "../sys/clock.ts";
import { ServiceManager } from "../sys/service-manager.ts";
import type { Frontend } from "../tree/node.ts";
import type { Core } from "./core.ts";
import { removePidFile, writePidFile } from "./pid-file.ts";

export interface Serving {
  readonly core: Core;
  /** Started in this order, stopped in the reverse one. */
  readonly frontends: readonly Frontend[];
  /** Why it is over: a signal, a failure, or null when a frontend came to its end in order. */
  readonly over: Promise<NodeJS.Signals | SheepfsError | null>;
  readonly log: ServiceLog;
  /** Absolute; there while everything is usable. */
  readonly pidFile: string | null;
  /** Called when every frontend is usable. @returns what it is now, for the service manager */
  readonly ready: () => string;
  /** Called on SIGHUP, after the log was opened again. */
  readonly reload: () => void;
}

/**
 * Serves the tree until it is over, and closes the core.
 * @throws whatever kept a frontend from being usable, or ended it; nothing stays started
 */
export async function serveFrontends(serving: Serving): Promise<void> {
  const { core, frontends, over, log } = serving;
  const manager = new ServiceManager(process.env, realClock, () => true);
  using _ = reloadOnHangup(serving, manager);
  const started: Frontend[] = [];
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
    for (const frontend of frontends) {
      started.unshift(frontend);
      await frontend.start(core.tree, operationScope());
    }
    writePidFile(serving.pidFile);
    manager.ready(serving.ready());
    const why = await over;
    if (typeof why === "string") log.info(`${why}: flushing and ending`);
    else if (why !== null) throw why;
  });
  manager.stopping(failure === null ? "flushing and ending" : "ending after a failure");
  for (const frontend of started) await attempt(() => frontend.stop(operationScope()));
  await attempt(() => core.close(operationScope()));
  removePidFile(serving.pidFile);
  manager.close();
  if (failure !== null) throw failure;
}

function reloadOnHangup({ log, reload }: Serving, manager: ServiceManager): Disposable {
  const reloadAll = (): void => {
    manager.reloading();
    log.reopen();
    reload();
    manager.reloaded();
  };
  process.on("SIGHUP", reloadAll);
  return { [Symbol.dispose]: () => process.off("SIGHUP", reloadAll) };
}

export function operationScope(): Scope {
  return deadlineScope(realClock, limits.operationTimeoutMs);
}
