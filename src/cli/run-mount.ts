import { statSync } from "node:fs";
import { dirname } from "node:path";
import type { Address } from "../base/address.ts";
import { SheepfsError } from "../base/errors.ts";
import type { Logger } from "../base/log.ts";
import { fileSink, type LogSettings, openLogger, stderrSink } from "./logger.ts";

/** Everything that a command line can say about a mount. */
export interface MountRequest {
  readonly mountpoint: string;
  readonly gateways: readonly Address[];
  /** Text of `-o`. */
  readonly options: string;
  readonly foreground: boolean;
  readonly readOnly: boolean;
  readonly pageCache: boolean;
  readonly objectCache: boolean;
  readonly attach: readonly string[];
  readonly log: LogSettings;
}

/**
 * Mounts. In front it returns when the mount is over; else as soon as the daemon's mount is usable.
 * @throws whatever keeps it from being usable; nothing is mounted then
 */
export async function runMount(request: MountRequest): Promise<void> {
  refuseLogInside(request);
  const daemon = await import("../app/daemon.ts");
  if (!request.foreground && !daemon.isDaemon()) return daemon.startDaemon(process.argv.slice(2));
  const log = await openMountLog(request);
  const { serveMount } = await import("../app.ts");
  if (request.foreground) return serveMount(request, log, () => {});
  await daemon.beDaemon((ready) => serveMount(request, log, ready));
}

async function openMountLog(request: MountRequest): Promise<Logger> {
  const { level, file } = request.log;
  if (file !== null) return openLogger(level, fileSink(file));
  if (request.foreground) return openLogger(level, stderrSink);
  const { openSyslog } = await import("../app/daemon.ts");
  return openLogger(level, openSyslog());
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
