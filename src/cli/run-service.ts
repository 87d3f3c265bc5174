import { statSync } from "node:fs";
import { dirname } from "node:path";
import { isKeptServer } from "../app/server-mark.ts";
import { SheepfsError } from "../base/errors.ts";
import { limits } from "../base/limits.ts";
import type { ServiceLog } from "../base/log.ts";
import { commandLine } from "./command-line.ts";
import type { LogSettings } from "./log-settings.ts";

/** Something that runs until it is told to end: in front, or as a daemon. */
export interface Service {
  readonly what: "mount" | "server";
  /** Absolute; null when nothing is mounted. */
  readonly mountpoint: string | null;
  readonly foreground: boolean;
  readonly log: LogSettings;
  /** @param ready called when it is usable, with what there is to tell */
  serve(log: ServiceLog, ready: (said: string) => void): Promise<void>;
  /** Tells the user what `serve` said. */
  announce(said: string): Promise<void>;
}

/**
 * Runs it. In front it returns when it is over; else as soon as the daemon is usable.
 * @throws whatever keeps it from being usable; nothing of it is left then
 */
export async function runService(service: Service): Promise<void> {
  // What a server would look at here may be its own mount, which waits for it.
  if (isKeptServer()) return await serveLogged(service, () => {});
  refuseLogInside(service);
  if (service.foreground) {
    await serveLogged(service, (said) => {
      service.announce(said).catch((thrown: unknown) => {
        process.stderr.write(`sheepfs: stdout: ${String(thrown)}\n`);
      });
    });
    return;
  }
  const { beDaemon, isDaemon, startDaemon } = await import("../app/daemon.ts");
  if (isDaemon()) return await beDaemon((ready) => serveLogged(service, ready));
  const { said } = await startDaemon({
    argv: commandLine(),
    what: service.what,
    mountpoint: service.mountpoint,
    readyTimeoutMs: limits.daemonReadyMs,
  });
  await service.announce(said);
}

async function serveLogged(service: Service, ready: (said: string) => void): Promise<void> {
  const log = await openLog(service);
  let usable = false;
  try {
    await service.serve(log, (said) => {
      usable = true;
      ready(said);
    });
  } catch (error) {
    // A daemon has nobody left to tell.
    if (usable && !service.foreground) log.error(`the ${service.what} ended`, error);
    throw error;
  }
}

async function openLog({ log: { level, file }, foreground }: Service): Promise<ServiceLog> {
  // Only who serves needs it: the command that waits for a daemon starts faster without.
  const { openLogger, stderrSink } = await import("./logger.ts");
  if (file !== null) {
    const { LogFile } = await import("./log-file.ts");
    return openLogger(level, new LogFile(file));
  }
  if (foreground) return openLogger(level, stderrSink);
  const { daemonLog } = await import("../app/daemon.ts");
  return openLogger(level, { write: await daemonLog(), reopen: () => {} });
}

/** A log in the mount would wait for itself. */
function refuseLogInside({ log, mountpoint }: Service): void {
  if (log.file === null || mountpoint === null) return;
  const device = (path: string): string | null => {
    try {
      const { dev, ino } = statSync(path);
      return `${dev}:${ino}`;
    } catch {
      // It is not there, or a mount that nobody serves any more.
      return null;
    }
  };
  const forbidden = device(mountpoint);
  for (let folder = dirname(log.file); ; folder = dirname(folder)) {
    if (forbidden !== null && device(folder) === forbidden) {
      throw new SheepfsError("invalid", `log file '${log.file}' lies under the mountpoint itself`);
    }
    if (folder === dirname(folder)) return;
  }
}
