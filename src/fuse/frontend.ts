import type { Clock } from "../base/clock.ts";
import { asSheepfsError, SheepfsError } from "../base/errors.ts";
import { limits } from "../base/limits.ts";
import type { Logger } from "../base/log.ts";
import type { Scope } from "../base/scope.ts";
import type { Reactor } from "../sys/reactor.ts";
import type { Frontend, Tree } from "../tree/node.ts";
import { inheritDevice, mountDevice } from "./mount.ts";
import type { MountOptions } from "./mount-options.ts";
import { mountType } from "./mountinfo.ts";
import { mountOn } from "./mountpoint.ts";
import type { Notes, SavedSession, SessionChange } from "./saved.ts";
import { FuseServer } from "./server.ts";
import { showServing } from "./serving-card.ts";
import { detachMount } from "./unmount.ts";

export interface FuseFrontendOptions {
  readonly mountpoint: string;
  readonly options: MountOptions;
  readonly reactor: Reactor;
  readonly clock: Clock;
  readonly log: Logger;
  /** Null where the mount ends with this process. */
  readonly keep: KeptMount | null;
}

/** What makes a mount outlive the process that serves it. */
export interface KeptMount {
  readonly notes: NonNullable<Notes>;
  /** What a predecessor has left; null in the first process. */
  readonly inheritance: {
    readonly path: string;
    readonly fd: number;
    readonly session: SavedSession;
  } | null;
  /** It is mounted; nothing was read from the device. */
  mounted(path: string, fd: number): void;
  /** All of what a predecessor left is taken over; nothing was read from the device. */
  resumed(): void;
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
  #replaced: string | null = null;

  constructor(options: FuseFrontendOptions) {
    this.#options = options;
    this.ended = this.#end.promise;
  }

  /** The real path of the mountpoint once started. */
  get path(): string | null {
    return this.#state.at === "serving" ? this.#state.path : null;
  }

  /** What whoever mounts should know; null when there is nothing. */
  get remark(): string | null {
    return this.#replaced;
  }

  /**
   * Mounts; resolves when the kernel's INIT is answered, so that the mount is usable.
   * @throws not_found | not_directory | not_empty | denied | busy | not_supported | timed_out
   */
  async start(tree: Tree, scope: Scope): Promise<void> {
    const { options, clock, log, reactor, keep } = this.#options;
    const uid = process.getuid?.() ?? 0;
    const gid = process.getgid?.() ?? 0;
    const readable = (): void => server.readable();
    const inheritance = keep?.inheritance ?? null;
    const { path, fd, device } =
      inheritance === null
        ? await mountDevice({
            mountpoint: this.#options.mountpoint,
            ...{ options, uid, gid, clock, reactor, readable },
            replacing: (dead) => {
              this.#replaced = `the dead mount on '${dead}' was replaced`;
              log.warn(this.#replaced);
            },
          })
        : inheritDevice(inheritance, { reactor, readable });
    showServing(path);
    const ownership = { uid: options.uid ?? uid, gid: options.gid ?? gid, umask: options.umask };
    const server = new FuseServer(device, {
      ...{ tree, ownership, clock, log },
      readOnly: options.readOnly,
      timeoutMs: options.timeoutMs,
      notes: keep?.notes ?? null,
    });
    this.#state = { at: "serving", server, path };
    void server.ended.then((why) => this.#end.resolve(why));
    if (inheritance !== null) {
      await this.#resume(server, inheritance.session, scope);
      device.watch(true);
      log.info(`serving ${path} again`);
      return;
    }
    keep?.mounted(path, fd);
    device.watch(true);
    try {
      await this.#usable(server, scope);
    } catch (thrown) {
      await this.stop(scope);
      throw thrown;
    }
    log.info(`mounted on ${path}`);
  }

  /** What a successor has to know, as changes from nothing. */
  save(): SessionChange[] {
    return this.#state.at === "serving" ? this.#state.server.save() : [];
  }

  /**
   * Leaves the mount to a successor, with every request answered that was read.
   * @returns false when that takes too long: it goes on
   */
  async yield(): Promise<boolean> {
    return this.#state.at === "serving" && (await this.#state.server.yield());
  }

  async #resume(server: FuseServer, session: SavedSession, scope: Scope): Promise<void> {
    const resends = await server.resume(session, scope);
    this.#options.keep?.resumed();
    if (resends) {
      server.askResend();
      return;
    }
    const text = "this kernel cannot send again what was under way when the last server ended";
    this.#options.log.warn(`${text}: who waits for that waits until 'sheepfs umount --force'`);
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
