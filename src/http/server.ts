import type { Clock, Timer } from "../base/clock.ts";
import { limits } from "../base/limits.ts";
import type { Logger } from "../base/log.ts";
import type { Scope } from "../base/scope.ts";
import { Connection, type ConnectionHost } from "./connection.ts";
import { DateField } from "./date.ts";
import type { HttpHandler, RefusedRequest } from "./exchange.ts";
import { HeadFormat } from "./format.ts";
import type { HttpSocket, HttpSocketEvents } from "./socket.ts";

export interface HttpServerOptions {
  readonly handler: HttpHandler;
  readonly clock: Clock;
  readonly log: Logger;
  /** What the `Server` field says. */
  readonly name: string;
  /** Told of what was answered without the handler. */
  readonly refused: (request: RefusedRequest) => void;
}

export interface HttpServerStats {
  readonly connections: number;
  readonly idle: number;
}

/** HTTP/1.1 over whatever sockets it is given. */
export class HttpServer implements ConnectionHost {
  readonly handler: HttpHandler;
  readonly clock: Clock;
  readonly log: Logger;
  readonly refused: (request: RefusedRequest) => void;
  readonly heads: HeadFormat;
  readonly date = new DateField();
  readonly reads = Buffer.allocUnsafeSlow(limits.httpReadBytes);
  stopping = false;
  readonly #connections = new Set<Connection>();
  #sweep: Timer | null = null;
  #whenEmpty: (() => void)[] = [];

  constructor({ handler, clock, log, name, refused }: HttpServerOptions) {
    this.refused = refused;
    this.handler = handler;
    this.clock = clock;
    this.log = log;
    this.heads = new HeadFormat(name);
  }

  /** Takes a client over; its socket is the server's from now on. */
  accept(socket: HttpSocket): HttpSocketEvents {
    const connection = new Connection(this, socket);
    const before = this.#connections.size;
    this.#connections.add(connection);
    this.#sweep ??= this.clock.after(limits.httpSweepMs, () => this.#look());
    const { httpConnectionsMax: max, httpRefusalsMax } = limits;
    if (this.stopping || before >= max + httpRefusalsMax) connection.destroy();
    else if (before >= max) connection.refuse(503, "too many connections; try again later");
    return connection;
  }

  stats(): HttpServerStats {
    let idle = 0;
    for (const connection of this.#connections) if (connection.idle) idle += 1;
    return { connections: this.#connections.size, idle };
  }

  /**
   * Begins no request any more and lets those under way end within the scope; what is left then is
   * cut off. Whoever listens has to stop before.
   */
  async stop(scope: Scope): Promise<void> {
    this.stopping = true;
    for (const connection of [...this.#connections]) if (connection.idle) connection.destroy();
    if (this.#connections.size > 0) await this.#empty(scope);
    for (const connection of [...this.#connections]) connection.destroy();
    this.#sweep?.cancel();
    this.#sweep = null;
  }

  /** The connections': one of them has ended. */
  ended(connection: Connection): void {
    this.#connections.delete(connection);
    if (this.#connections.size > 0) return;
    for (const fn of this.#whenEmpty.splice(0)) fn();
  }

  #look(): void {
    for (const connection of [...this.#connections]) connection.look();
    const more = this.#connections.size > 0;
    this.#sweep = more ? this.clock.after(limits.httpSweepMs, () => this.#look()) : null;
  }

  async #empty(scope: Scope): Promise<void> {
    const over = Promise.withResolvers<void>();
    const end = (): void => over.resolve();
    this.#whenEmpty.push(end);
    const timer = this.clock.after(Math.max(0, scope.deadlineMs - this.clock.nowMs()), end);
    const unsubscribe = scope.onCancel(end);
    await over.promise;
    timer.cancel();
    unsubscribe();
  }
}
