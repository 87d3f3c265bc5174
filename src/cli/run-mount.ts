import { resolve } from "node:path";
import { isKeptServer, startedIn } from "../app/server-mark.ts";
import type { MountWish } from "../app.ts";
import { commandLine } from "./command-line.ts";
import type { LogSettings } from "./log-settings.ts";
import { runService } from "./run-service.ts";
import { versionLine } from "./version.ts";

/** Everything that a command line can say about a mount. */
export interface MountRequest extends MountWish {
  readonly pidFile: string | null;
  readonly foreground: boolean;
  readonly log: LogSettings;
}

/**
 * Mounts. In front it returns when the mount is over; else as soon as the daemon's mount is usable.
 * @throws whatever keeps it from being usable; nothing is mounted then
 */
export async function runMount(request: MountRequest): Promise<void> {
  // Daemon and servers work in another directory.
  const cwd = startedIn();
  const mountpoint = resolve(cwd, request.mountpoint);
  const pidFile = request.pidFile === null ? null : resolve(cwd, request.pidFile);
  const { foreground, log } = request;
  await runService({
    ...{ what: "mount", mountpoint, foreground, log },
    serve: async (log, ready) => {
      if (isKeptServer()) {
        const { serveMount } = await import("../app.ts");
        await serveMount({ ...request, mountpoint }, versionLine(), log);
      } else {
        const { keepMount } = await import("../app/keep.ts");
        await keepMount({ mountpoint, pidFile, argv: commandLine(), cwd }, log, ready);
      }
    },
    announce: async (said) => {
      // In front the log has said it.
      if (said !== "" && !foreground) process.stderr.write(`sheepfs: ${said}\n`);
    },
  });
}
