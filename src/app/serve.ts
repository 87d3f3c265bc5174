import type { Address } from "../base/address.ts";
import { limits } from "../base/limits.ts";
import type { ServiceLog } from "../base/log.ts";
import { FuseFrontend } from "../fuse/frontend.ts";
import type { MountOptions } from "../fuse/mount-options.ts";
import { realClock } from "../sys/clock.ts";
import { realRandom } from "../sys/random.ts";
import type { Frontend } from "../tree/node.ts";
import { WebdavFrontend } from "../webdav/frontend.ts";
import { openCore } from "./core.ts";
import { Doorkeeper } from "./doorkeeper.ts";
import { Listening } from "./listening.ts";
import { newHolder } from "./self.ts";
import { operationScope, serveFrontends } from "./serving.ts";
import { nextSignal, quietSignals } from "./signals.ts";

/** Where to listen; port 0 takes a free one. */
export interface ListenAddress {
  /** Name or IP address; null for every address of this machine. */
  readonly host: string | null;
  readonly port: number;
}

/** Who may come in. */
export type LoginWish =
  /** Everybody on loopback; beyond it whoever has the password that is made at the first start. */
  | { readonly by: "default" }
  | { readonly by: "nobody" }
  | { readonly by: "password"; readonly user: string; readonly file: string }
  | { readonly by: "htpasswd"; readonly file: string };

/** What to serve and how, as the command line has it. Paths are absolute. */
export interface ServeWish {
  readonly listen: readonly ListenAddress[];
  readonly gateways: readonly Address[];
  /** Names of VDIs as `vdi/mount` takes them. */
  readonly attach: readonly string[];
  readonly readOnly: boolean;
  readonly login: LoginWish;
  readonly tls: { readonly certFile: string; readonly keyFile: string } | null;
  /** Encoded, without a slash at the end: "" for the root. */
  readonly basePath: string;
  readonly corsOrigins: readonly string[];
  readonly allowHosts: readonly string[];
  readonly mount: { readonly mountpoint: string; readonly options: MountOptions } | null;
  /** "-" is stdout. */
  readonly accessLog: string | null;
  readonly scratch: boolean;
  readonly pidFile: string | null;
}

/** How to reach what is served; what a user is told when it is usable. */
export interface ServeReport {
  readonly urls: readonly string[];
  readonly mountpoint: string | null;
  readonly pid: number;
  readonly login: LoginReport;
  readonly warnings: readonly string[];
}

export type LoginReport =
  | { readonly by: "nobody"; readonly why: "loopback" | "anonymous" }
  | { readonly by: "password"; readonly user: string; readonly file: string }
  /** The password is there only at the start that has made it. */
  | {
      readonly by: "made-password";
      readonly user: string;
      readonly file: string;
      readonly password: string | null;
    }
  | { readonly by: "htpasswd"; readonly users: number; readonly file: string };

/**
 * Serves a cluster over WebDAV, and as a mount if that is wished, until it is asked to end or the
 * mount is unmounted. SIGHUP reads certificate and passwords again.
 * @param ready called when everything is usable
 * @throws whatever keeps it from being usable, or ended it; nothing stays behind
 */
export async function serve(
  wish: ServeWish,
  log: ServiceLog,
  ready: (report: ServeReport) => void,
): Promise<void> {
  const signal = nextSignal(quietSignals);
  // What is wrong on this machine is said before the cluster is asked for anything.
  const listening = await Listening.prepare(wish, log);
  await using door = await Doorkeeper.open({ ...wish, loopback: listening.loopback }, log);
  const { readOnly, basePath, gateways, attach, scratch } = wish;
  // What waits for longer than HTTP requests do concerns the mount alone.
  const timeoutMs = wish.mount?.options.timeoutMs ?? limits.operationTimeoutMs;
  const caches = { objectCache: false, pageCache: false };
  const core = await openCore(
    {
      ...{ gateways, attach, readOnly, scratch, log, self: newHolder() },
      ...caches,
      wants: "soon",
      timeoutMs,
    },
    operationScope(),
  );
  const webdav = new WebdavFrontend({
    ...{ clock: realClock, random: realRandom, log, readOnly, basePath },
    listeners: listening.openers(core.reactor),
    guard: (handler) => door.guard(handler),
    refused: (request) => door.refused(request),
  });
  const frontends: Frontend[] = [webdav];
  const ends: Promise<NodeJS.Signals | Awaited<FuseFrontend["ended"]>>[] = [signal];
  if (wish.mount !== null) {
    const fuse = new FuseFrontend({
      ...wish.mount,
      reactor: core.reactor,
      clock: realClock,
      log,
      keep: null,
    });
    frontends.push(fuse);
    ends.push(fuse.ended);
  }
  await serveFrontends({
    ...{ core, frontends, log, pidFile: wish.pidFile },
    over: Promise.race(ends),
    ready: () => {
      const urls = listening.urls(basePath);
      for (const url of urls) log.info(`serving ${url}`);
      const warnings = [...listening.warnings(door.login), ...door.warnings];
      for (const warning of warnings) log.warn(warning);
      const mountpoint = wish.mount?.mountpoint ?? null;
      ready({ urls, mountpoint, pid: process.pid, login: door.login, warnings });
      return `serving ${urls.join(" ")}`;
    },
    reload: () => {
      listening.reload();
      door.reload();
    },
  });
}
