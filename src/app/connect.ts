import type { Address } from "../base/address.ts";
import type { Logger } from "../base/log.ts";
import { SheepClient } from "../client/client.ts";
import { realClock } from "../sys/clock.ts";
import { realRandom } from "../sys/random.ts";
import { Reactor } from "../sys/reactor.ts";
import { TcpTransport } from "../sys/tcp.ts";

/** A client of a cluster with what it runs on. */
export interface Connection extends AsyncDisposable {
  readonly reactor: Reactor;
  readonly client: SheepClient;
}

export interface ConnectOptions {
  readonly gateways: readonly Address[];
  readonly objectCache: boolean;
  readonly log: Logger;
  /** See Reactor. */
  readonly wants: "soon" | "much";
  /** See SheepClientOptions. */
  readonly predecessors?: readonly Address[];
}

/** Makes the client; nothing is sent before it is asked for something. */
export function connect(options: ConnectOptions): Connection {
  const reactor = new Reactor(options.wants);
  const client = new SheepClient({
    ...options,
    predecessors: options.predecessors ?? [],
    transport: new TcpTransport(reactor),
    clock: realClock,
    random: realRandom,
  });
  return {
    reactor,
    client,
    [Symbol.asyncDispose]: async () => {
      await client[Symbol.asyncDispose]();
      reactor.close();
    },
  };
}
