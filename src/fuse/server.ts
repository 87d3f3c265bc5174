import type { Clock } from "../base/clock.ts";
import { asSheepfsError, SheepfsError } from "../base/errors.ts";
import { limits } from "../base/limits.ts";
import type { Logger } from "../base/log.ts";
import type { Scope } from "../base/scope.ts";
import type { Tree } from "../tree/node.ts";
import { initFlag2 } from "./abi.ts";
import { Channel, type FuseDevice } from "./channel.ts";
import { HandleTable } from "./handles.ts";
import { NodeTable } from "./nodes.ts";
import { askResend, notifyKernel } from "./notify.ts";
import type { OpsContext, Ownership } from "./ops.ts";
import { restoreSession } from "./restore.ts";
import type { Notes, SavedSession, SessionChange } from "./saved.ts";
import { Session } from "./session.ts";

export interface ServerOptions {
  readonly tree: Tree;
  readonly ownership: Ownership;
  readonly readOnly: boolean;
  /** How long a message waits for its answer; Infinity: for ever. */
  readonly timeoutMs: number;
  /** For a successor of this process; null where none is to come. */
  readonly notes: Notes;
  readonly clock: Clock;
  readonly log: Logger;
}

/** Serves a tree to the kernel at the other end of a device; how it got mounted is not known here. */
export class FuseServer {
  readonly nodes: NodeTable;
  readonly handles: HandleTable;
  /** Resolves when the kernel's INIT is answered: from then on the mount is usable. */
  readonly ready: Promise<void>;
  /** Resolves when the kernel ends the conversation; with the reason when that is a failure. */
  readonly ended: Promise<SheepfsError | null>;
  readonly #channel: Channel;
  readonly #session: Session;
  readonly #context: OpsContext;
  readonly #clock: Clock;
  readonly #log: Logger;
  readonly #unsubscribe: () => void;

  constructor(device: FuseDevice, options: ServerOptions) {
    const { tree, notes, clock, log, timeoutMs } = options;
    this.nodes = new NodeTable(tree.root, notes);
    this.handles = new HandleTable(notes);
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
    const { nodes, handles } = this;
    this.#context = { ...options, nodes, handles, acts: new Map() };
    this.#session = new Session(this.#context, this.#channel, () => ready.resolve());
    this.#unsubscribe = notifyKernel(tree.events, this.nodes, this.#channel);
  }

  /** To be called when the device has something to read. */
  readable(): void {
    this.#channel.readable();
  }

  /**
   * Goes on where a predecessor has ended, before anything is read from the device.
   * @returns whether the kernel can send again what was under way then
   */
  async resume(saved: SavedSession, scope: Scope): Promise<boolean> {
    const { negotiated } = saved;
    if (negotiated === null) {
      throw new SheepfsError("internal", "the predecessor had not begun the FUSE session");
    }
    await restoreSession(saved, this.#context, scope);
    for (const [unique, act] of saved.acts) this.#context.acts.set(unique, act);
    this.#session.resume(negotiated);
    return (negotiated.flags2 & initFlag2.hasResend) !== 0;
  }

  /** Lets the kernel send again what a predecessor has read and not answered. */
  askResend(): void {
    askResend(this.#channel);
  }

  /** All that a successor has to know, as changes from nothing. */
  save(): SessionChange[] {
    const { negotiated } = this.#session;
    const numbers = { nextNodeId: this.nodes.nextNodeId, handleUses: this.handles.uses };
    return [
      ...(negotiated === null ? [] : [{ is: "negotiated" as const, negotiated }]),
      { is: "numbers", ...numbers },
      ...this.nodes.save(),
      ...this.handles.save(),
      ...[...this.#context.acts.values()].map((act) => ({ is: "act" as const, act })),
    ];
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

  /**
   * Answers what was read and reads no more, so that a successor has nothing to do again.
   * @returns false when that takes too long: it goes on reading
   */
  async yield(): Promise<boolean> {
    this.#channel.stopReading();
    const idle = Promise.withResolvers<boolean>();
    const timer = this.#clock.after(limits.handOverMs, () => idle.resolve(false));
    this.#channel.onIdle(() => idle.resolve(true));
    const yielded = await idle.promise;
    timer.cancel();
    if (!yielded) this.#channel.goOn();
    return yielded;
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
