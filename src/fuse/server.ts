import type { Clock } from "../base/clock.ts";
import { asSheepfsError, type SheepfsError } from "../base/errors.ts";
import { limits } from "../base/limits.ts";
import type { Logger } from "../base/log.ts";
import type { Scope } from "../base/scope.ts";
import type { Tree } from "../tree/node.ts";
import { Channel, type FuseDevice } from "./channel.ts";
import { HandleTable } from "./handles.ts";
import { NodeTable } from "./nodes.ts";
import { notifyKernel } from "./notify.ts";
import type { Ownership } from "./ops.ts";
import { Session } from "./session.ts";

export interface ServerOptions {
  readonly tree: Tree;
  readonly ownership: Ownership;
  readonly readOnly: boolean;
  /** How long a message waits for its answer; Infinity: for ever. */
  readonly timeoutMs: number;
  readonly clock: Clock;
  readonly log: Logger;
}

/** Serves a tree to the kernel at the other end of a device; how it got mounted is not known here. */
export class FuseServer {
  readonly nodes: NodeTable;
  readonly handles = new HandleTable();
  /** Resolves when the kernel's INIT is answered: from then on the mount is usable. */
  readonly ready: Promise<void>;
  /** Resolves when the kernel ends the conversation; with the reason when that is a failure. */
  readonly ended: Promise<SheepfsError | null>;
  readonly #channel: Channel;
  readonly #session: Session;
  readonly #clock: Clock;
  readonly #log: Logger;
  readonly #unsubscribe: () => void;

  constructor(device: FuseDevice, options: ServerOptions) {
    const { tree, clock, log, timeoutMs } = options;
    this.nodes = new NodeTable(tree.root);
    this.#clock = clock;
    this.#log = log;
    const ready = Promise.withResolvers<void>();
    const ended = Promise.withResolvers<SheepfsError | null>();
    this.ready = ready.promise;
    this.ended = ended.promise;
    this.#channel = new Channel(
      device,
      {
        message: (message) => this.#session.handle(message),
        ended: (why) => {
          this.#session.end();
          ended.resolve(why);
        },
      },
      { clock, log, timeoutMs },
    );
    const context = { ...options, nodes: this.nodes, handles: this.handles };
    this.#session = new Session(context, this.#channel, () => ready.resolve());
    this.#unsubscribe = notifyKernel(tree.events, this.nodes, this.#channel);
  }

  /** To be called when the device has something to read. */
  readable(): void {
    this.#channel.readable();
  }

  /** Makes durable what was written through open files; the first failure is thrown at the end. */
  async syncAll(scope: Scope): Promise<void> {
    const results = await Promise.allSettled(
      this.handles
        .files()
        .filter((handle) => handle.mode !== "read")
        .map((handle) => handle.file.sync(scope)),
    );
    for (const result of results) {
      if (result.status === "rejected") throw asSheepfsError(result.reason);
    }
  }

  /** Waits for the answers under way, takes no more, closes every file and the device. */
  async close(scope: Scope): Promise<void> {
    this.#unsubscribe();
    this.#channel.stopReading();
    await this.#idle(scope);
    this.#session.closeAll();
    this.#channel.close();
  }

  async #idle(scope: Scope): Promise<void> {
    const idle = Promise.withResolvers<void>();
    const giveUp = (): void => {
      this.#log.warn(`${this.#channel.inFlight} requests of the kernel are given up`);
      this.#session.cancelAll();
      idle.resolve();
    };
    this.#channel.onIdle(() => idle.resolve());
    const leftMs = Math.min(scope.deadlineMs - this.#clock.nowMs(), limits.operationTimeoutMs);
    const timer = this.#clock.after(Math.max(0, leftMs), giveUp);
    const unsubscribe = scope.onCancel(giveUp);
    await idle.promise;
    unsubscribe();
    timer.cancel();
  }
}
