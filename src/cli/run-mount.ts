import { resolve } from "node:path";
import type { MountWish } from "../app.ts";
import type { LogSettings } from "./log-settings.ts";
import { runService } from "./run-service.ts";

/** Everything that a command line can say about a mount. */
export interface MountRequest extends MountWish {
  readonly foreground: boolean;
  readonly log: LogSettings;
}

/**
 * Mounts. In front it returns when the mount is over; else as soon as the daemon's mount is usable.
 * @throws whatever keeps it from being usable; nothing is mounted then
 */
export async function runMount(request: MountRequest): Promise<void> {
  // The daemon works in another directory.
  const mountpoint = resolve(request.mountpoint);
  const pidFile = request.pidFile === null ? null : resolve(request.pidFile);
  const { foreground, log } = request;
  await runService({
    ...{ what: "mount", mountpoint, foreground, log },
    serve: async (log, ready) => {
      const { serveMount } = await import("../app.ts");
      await serveMount({ ...request, mountpoint, pidFile }, log, () => ready(""));
    },
    announce: async () => {},
  });
}
