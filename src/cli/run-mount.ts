import { statSync } from "node:fs";
import { dirname, resolve } from "node:path";
import type { MountWish } from "../app.ts";
import { SheepfsError } from "../base/errors.ts";
import { limits } from "../base/limits.ts";
import type { Logger } from "../base/log.ts";
import type { LogSettings } from "./log-settings.ts";

/** Everything that a command line can say about a mount. */
export interface MountRequest extends MountWish {
  readonly foreground: boolean;
  readonly log: LogSettings;
}

/**
 * Mounts. In front it returns when the mount is over; else as soon as the daemon's mount is usable.
 * @throws whatever keeps it from being usable; nothing is mounted then
 */
export async function runMount(wish: MountRequest): Promise<void> {
  // The daemon works in another directory.
  const request = { ...wish, mountpoint: resolve(wish.mountpoint) };
  refuseLogInside(request);
  if (request.foreground) return await serve(request, () => {});
  const { beDaemon, isDaemon, startDaemon } = await import("../app/daemon.ts");
  if (isDaemon()) return await beDaemon((ready) => serve(request, ready));
  await startDaemon({
    argv: process.argv.slice(2),
    mountpoint: request.mountpoint,
    readyTimeoutMs: limits.daemonReadyMs,
  });
}

async function serve(request: MountRequest, ready: () => void): Promise<void> {
  const log = await openMountLog(request);
  const { serveMount } = await import("../app.ts");
  let usable = false;
  try {
    await serveMount(request, log, () => {
      usable = true;
      ready();
    });
  } catch (error) {
    // A daemon has nobody left to tell.
    if (usable && !request.foreground) log.error("the mount ended", error);
    throw error;
  }
}

async function openMountLog(request: MountRequest): Promise<Logger> {
  // Only who serves needs it: the command that waits for a daemon starts faster without.
  const { fileSink, openLogger, stderrSink } = await import("./logger.ts");
  const { level, file } = request.log;
  if (file !== null) return openLogger(level, fileSink(file));
  if (request.foreground) return openLogger(level, stderrSink);
  const { daemonLog } = await import("../app/daemon.ts");
  return openLogger(level, await daemonLog());
}

/** A log in the mount would wait for itself. */
function refuseLogInside({ log, mountpoint }: MountRequest): void {
  if (log.file === null) return;
  const device = (path: string): string | null => {
    const found = statSync(path, { throwIfNoEntry: false });
    return found === undefined ? null : `${found.dev}:${found.ino}`;
  };
  const forbidden = device(mountpoint);
  for (let folder = dirname(log.file); ; folder = dirname(folder)) {
    if (forbidden !== null && device(folder) === forbidden) {
      throw new SheepfsError("invalid", `log file '${log.file}' lies under the mountpoint itself`);
    }
    if (folder === dirname(folder)) return;
  }
}
