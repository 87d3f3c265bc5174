import type { Clock } from "../base/clock.ts";
import type { Logger } from "../base/log.ts";
import type { MaybePromise } from "../base/maybe-promise.ts";
import type { Random } from "../base/random.ts";
import type { Scope, Unsubscribe } from "../base/scope.ts";
import type { HttpHandler, RefusedRequest } from "../http/exchange.ts";
import { HttpServer } from "../http/server.ts";
import type { HttpListener, HttpSocket, HttpSocketEvents } from "../http/socket.ts";
import type { Frontend, Tree } from "../tree/node.ts";
import { FileReads } from "./content/send-file.ts";
import { FileWrites } from "./content/write-file.ts";
import type { InsideHandler } from "./door/door.ts";
import { Departures } from "./locks/departures.ts";
import { LockTable } from "./locks/locks.ts";
import { DeadProperties } from "./properties/dead-properties.ts";
import { AnswerMemory } from "./properties/multistatus.ts";
import { route } from "./router.ts";
import type { Site } from "./site.ts";

/** Begins to listen at one address. @throws unavailable | invalid when it cannot */
export type OpenListener = (
  accept: (socket: HttpSocket) => HttpSocketEvents,
) => MaybePromise<HttpListener>;

export interface WebdavFrontendOptions {
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
  readonly readOnly: boolean;
  /** Encoded, without a slash at the end: "" for the root. */
  readonly basePath: string;
  readonly listeners: readonly OpenListener[];
  /** What every request passes before the tree is asked. */
  readonly guard: (handler: InsideHandler) => HttpHandler;
  /** Told of what was answered before that. */
  readonly refused: (request: RefusedRequest) => void;
}

type FrontendState =
  | { readonly at: "new" }
  | {
      readonly at: "serving";
      readonly server: HttpServer;
      readonly listeners: readonly HttpListener[];
      /** Hears no more of the tree. */
      readonly deaf: Unsubscribe;
    }
  | { readonly at: "stopped" };

/** The tree over HTTP and WebDAV. */
export class WebdavFrontend implements Frontend {
  readonly name = "webdav";
  readonly #options: WebdavFrontendOptions;
  #state: FrontendState = { at: "new" };

  constructor(options: WebdavFrontendOptions) {
    this.#options = options;
  }

  /** Ports in the order of the listeners, once started. */
  get ports(): readonly number[] {
    return this.#state.at === "serving" ? this.#state.listeners.map(({ port }) => port) : [];
  }

  /** @throws unavailable | invalid when one of the addresses cannot be had; then none is kept */
  async start(tree: Tree, scope: Scope): Promise<void> {
    const { clock, random, log, readOnly, basePath, guard, refused } = this.#options;
    const locks = new LockTable({ clock, random });
    const properties = new DeadProperties();
    const departures = new Departures({ locks, properties });
    const site: Site = {
      ...{ tree, clock, log, readOnly, basePath, locks, properties, departures },
      answers: new AnswerMemory(),
      reads: new FileReads({ clock, random }),
      writes: new FileWrites(clock),
      wallMs: () => clock.wallMs(),
    };
    const handler = guard((request, user) => route(request, user, site));
    const server = new HttpServer({ handler, clock, log, name: "sheepfs", refused });
    const listeners: HttpListener[] = [];
    const deaf = tree.events.on((event) => departures.told(event));
    this.#state = { at: "serving", server, listeners, deaf };
    try {
      for (const open of this.#options.listeners) {
        listeners.push(await open((socket) => server.accept(socket)));
      }
    } catch (thrown) {
      await this.stop(scope);
      throw thrown;
    }
  }

  /** Stops accepting, lets requests under way end within the scope, and cuts off the rest. */
  async stop(scope: Scope): Promise<void> {
    const state = this.#state;
    if (state.at !== "serving") return;
    this.#state = { at: "stopped" };
    for (const listener of state.listeners) listener.close();
    await state.server.stop(scope);
    state.deaf();
  }
}
