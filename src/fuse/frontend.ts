import type { Clock } from "../base/clock.ts";
import { asSheepfsError, SheepfsError } from "../base/errors.ts";
import { limits } from "../base/limits.ts";
import type { Logger } from "../base/log.ts";
import type { Scope } from "../base/scope.ts";
import type { Reactor } from "../sys/reactor.ts";
import type { Frontend, Tree } from "../tree/node.ts";
import { mountDevice } from "./mount.ts";
import type { MountOptions } from "./mount-options.ts";
import { mountType } from "./mountinfo.ts";
import { mountOn } from "./mountpoint.ts";
import { FuseServer } from "./server.ts";
import { detachMount } from "./unmount.ts";

export interface FuseFrontendOptions {
  readonly mountpoint: string;
  readonly options: MountOptions;
  readonly reactor: Reactor;
  readonly clock: Clock;
  readonly log: Logger;
}

type FrontendState =
  | { readonly at: "new" }
  | { readonly at: "serving"; readonly server: FuseServer; readonly path: string }
  | { readonly at: "stopped" };

/** The tree as a mounted filesystem. */
export class FuseFrontend implements Frontend {
  readonly name = "fuse";
  /** Resolves when the mount is over, however that came; with the reason when it is a failure. */
  readonly ended: Promise<SheepfsError | null>;
  readonly #options: FuseFrontendOptions;
  readonly #end = Promise.withResolvers<SheepfsError | null>();
  #state: FrontendState = { at: "new" };

  constructor(options: FuseFrontendOptions) {
    this.#options = options;
    this.ended = this.#end.promise;
  }

  /** The real path of the mountpoint once started. */
  get path(): string | null {
    return this.#state.at === "serving" ? this.#state.path : null;
  }

  /**
   * Mounts; resolves when the kernel's INIT is answered, so that the mount is usable.
   * @throws not_found | not_directory | not_empty | denied | busy | not_supported | timed_out
   */
  async start(tree: Tree, scope: Scope): Promise<void> {
    const { options, clock, log, reactor } = this.#options;
    const uid = process.getuid?.() ?? 0;
    const gid = process.getgid?.() ?? 0;
    const { path, device } = await mountDevice({
      mountpoint: this.#options.mountpoint,
      ...{ options, uid, gid, clock, reactor },
      readable: () => server.readable(),
    });
    const ownership = { uid: options.uid ?? uid, gid: options.gid ?? gid, umask: options.umask };
    const server = new FuseServer(device, {
      ...{ tree, ownership, clock, log },
      readOnly: options.readOnly,
      timeoutMs: options.timeoutMs,
    });
    this.#state = { at: "serving", server, path };
    device.watch(true);
    void server.ended.then((why) => this.#end.resolve(why));
    try {
      await this.#usable(server, scope);
    } catch (thrown) {
      await this.stop(scope);
      throw thrown;
    }
    log.info(`mounted on ${path}`);
  }

  /**
   * Unmounts, after what is open was made durable. Who still has files open finds them dead
   * afterwards, as the program is about to end.
   */
  async stop(scope: Scope): Promise<void> {
    const state = this.#state;
    if (state.at !== "serving") return;
    this.#state = { at: "stopped" };
    const { server, path } = state;
    const { log } = this.#options;
    try {
      await server.syncAll(scope);
    } catch (thrown) {
      log.error("not all that was written could be made durable", asSheepfsError(thrown));
    }
    // Still serving: what the unmount waits for may be an answer of ours.
    if (mountOn(path)?.type === mountType) await detachMount(path, log);
    await server.close(scope);
    this.#end.resolve(null);
  }

  async #usable(server: FuseServer, scope: Scope): Promise<void> {
    const { clock } = this.#options;
    const late = Promise.withResolvers<never>();
    const limitMs = Math.min(limits.mountTimeoutMs, scope.deadlineMs - clock.nowMs());
    const timer = clock.after(Math.max(0, limitMs), () =>
      late.reject(new SheepfsError("timed_out", "the kernel did not begin the FUSE session")),
    );
    const unsubscribe = scope.onCancel(() =>
      late.reject(new SheepfsError("cancelled", "mounting was interrupted")),
    );
    const gone = server.ended.then((why) => {
      throw why ?? new SheepfsError("unavailable", "it was unmounted while it was being mounted");
    });
    gone.catch(() => {});
    try {
      await Promise.race([server.ready, late.promise, gone]);
    } finally {
      timer.cancel();
      unsubscribe();
    }
  }
}
