import { type Address, formatAddress } from "../base/address.ts";
import type { Clock } from "../base/clock.ts";
import { SheepfsError } from "../base/errors.ts";
import { limits } from "../base/limits.ts";
import type { Logger } from "../base/log.ts";
import type { Random } from "../base/random.ts";
import { type Scope, throwIfEnded } from "../base/scope.ts";
import type { SheepReply, SheepRequest } from "../wire/header.ts";
import { opcodes } from "../wire/opcode.ts";
import { callDedicated } from "./call-at.ts";
import type { SheepCaller } from "./caller.ts";
import type { DispatchCounters } from "./counters.ts";
import { Dedicated } from "./dedicated.ts";
import { Dispatcher } from "./dispatcher.ts";
import { Members } from "./members.ts";
import type { PoolPorts } from "./pool.ts";
import { type ClusterIdentity, isUnstated, readSign, signRequest, usableStates } from "./sign.ts";
import { dispatchCall, SheepStore } from "./store.ts";
import type { Transport } from "./transport.ts";

export interface SheepClientOptions {
  /** One at least; the first that answers is used, the others when it no longer does. */
  readonly gateways: readonly Address[];
  readonly transport: Transport;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
  readonly objectCache: boolean;
  /** Sheep that may have writes of the process whose place we take; none where there was none. */
  readonly predecessors: readonly Address[];
}

export interface ClientStats extends Readonly<DispatchCounters> {
  readonly gateway: string;
  readonly connections: number;
  /** Under way, waiting ones included. */
  readonly requestsInflight: number;
  readonly requestsWaiting: number;
  /** Answered, and held until a lost copy is excluded. */
  readonly requestsHeld: number;
  readonly bytesInflight: number;
}

/** How it stands with the cluster, as far as is known without asking anybody. */
export interface ClientStatus {
  /** The sheep in use, or the one that is tried first. */
  readonly gateway: Address;
  /** It takes requests; else one is looked for when there are any. */
  readonly ready: boolean;
  /** It owes answers and gives no sign of life. */
  readonly silent: boolean;
  /** In the order in which they are preferred. */
  readonly named: readonly Address[];
  /** Members that are used when none of those answers. */
  readonly spares: readonly Address[];
  /** At the last look; one follows each change that an answer tells of. */
  readonly members: { readonly epoch: number; readonly nodes: readonly Address[] } | null;
  /** Oldest first, with how long it lasts. */
  readonly waits: readonly {
    readonly reason: string;
    readonly requests: number;
    readonly lastsMs: number;
  }[];
  /** VDIs with requests that wait so. */
  readonly waitingVids: ReadonlySet<number>;
  readonly requests: number;
  readonly bytesInflight: number;
}

/**
 * The client of a cluster: requests go through one of its sheep, the gateway, over a few
 * connections that each carry many at a time. Nothing is sent before something is asked for.
 */
export class SheepClient implements SheepCaller, AsyncDisposable {
  readonly store: SheepStore;
  readonly #ports: PoolPorts;
  readonly #dispatcher: Dispatcher;
  readonly #members: Members;

  constructor(options: SheepClientOptions) {
    this.#ports = options;
    this.#members = new Members(this, options.clock, ({ nodes }) =>
      this.#dispatcher.pool.learn(nodes.map(({ host, port }) => ({ host, port }))),
    );
    this.#dispatcher = new Dispatcher(options, options.gateways, this.#members);
    this.store = new SheepStore(this.#dispatcher, options.objectCache);
  }

  /** The gateway in use, or the one that is tried first. */
  get gateway(): Address {
    return this.#dispatcher.pool.address;
  }

  get gateways(): readonly Address[] {
    return this.#dispatcher.pool.addresses;
  }

  get objectCache(): boolean {
    return this.store.objectCache;
  }

  set objectCache(enabled: boolean) {
    this.store.objectCache = enabled;
  }

  /** Sheep that may have writes of ours which were not answered. */
  sheepInUse(): Address[] {
    return this.#dispatcher.sheepInUse();
  }

  /** Called before anything is sent to a further sheep. */
  set usesSheep(fn: () => void) {
    this.#dispatcher.usesSheep = fn;
  }

  /** Whether a sheep of another cluster may be used: only while nothing of this one is attached. */
  set mayChangeCluster(mayChange: () => boolean) {
    this.#dispatcher.pool.mayChangeCluster = mayChange;
  }

  /** Sheep of another cluster answer in place of ours, which cannot be reached. */
  get onlyAnotherCluster(): boolean {
    return this.#dispatcher.pool.onlyAnother;
  }

  /**
   * Whatever cluster answers now is ours from now on: it may have been formatted anew since it was
   * asked last, and a connection that outlived that does not tell.
   * @throws unavailable | version | …
   */
  async identify(scope: Scope): Promise<void> {
    for (let look = 1; look <= limits.epochLogLooksMax; look += 1) {
      const { result, data } = await this.call(signRequest, scope, usableStates);
      if (isUnstated(result, data)) continue;
      this.#dispatcher.pool.become(readSign(result, data));
      return;
    }
    throw new SheepfsError("unavailable", "the sheep does not say which cluster it belongs to");
  }

  call(request: SheepRequest, scope: Scope, expected: readonly number[] = []): Promise<SheepReply> {
    checkSize(request);
    const rule = opcodes[request.opcode].replay;
    const options = { rule, expected, into: null, resolved: null };
    return dispatchCall(this.#dispatcher, request, options, scope);
  }

  async callAt(
    address: Address,
    request: SheepRequest,
    scope: Scope,
    expected: readonly number[] = [],
  ): Promise<SheepReply> {
    checkSize(request);
    return await callDedicated(this.#ports, address, { request, expected }, scope);
  }

  /**
   * Uses other gateways from now on, if one of them answers and belongs to the cluster; else the
   * old ones are kept. What is under way at the old gateway is answered by it, or replayed.
   * @throws unavailable | version | invalid | corrupt naming the address
   */
  async moveTo(addresses: readonly Address[], scope: Scope): Promise<void> {
    let refused: SheepfsError | null = null;
    for (const [index, address] of addresses.entries()) {
      throwIfEnded(scope, this.#ports.clock, `move to ${formatAddress(address)}`);
      const found = await this.#visit(address, scope);
      if (found instanceof SheepfsError) {
        refused ??= found;
        continue;
      }
      this.#dispatcher.pool.moveTo(addresses, index, found.identity);
      return;
    }
    throw refused ?? new SheepfsError("invalid", "no sheep is named; write HOST:PORT");
  }

  stats(): ClientStats {
    const { pool, counters } = this.#dispatcher;
    return {
      ...counters,
      gateway: formatAddress(pool.address),
      connections: pool.current?.connections ?? 0,
      requestsInflight: this.#dispatcher.requestsInflight,
      requestsWaiting: this.#dispatcher.waiting,
      requestsHeld: this.#dispatcher.holding.count,
      bytesInflight: this.#dispatcher.bytesInflight,
    };
  }

  status(): ClientStatus {
    const { pool, waits } = this.#dispatcher;
    const nowMs = this.#ports.clock.nowMs();
    return {
      gateway: pool.address,
      ready: pool.ready,
      silent: pool.current?.silent ?? false,
      named: pool.addresses,
      spares: pool.spares,
      members: this.#members.last,
      waits: waits.current.map(({ reason, requests, sinceMs }) => {
        return { reason, requests, lastsMs: nowMs - sinceMs };
      }),
      waitingVids: waits.vids,
      requests: this.#dispatcher.requestsInflight,
      bytesInflight: this.#dispatcher.bytesInflight,
    };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#members.destroy();
    this.#dispatcher.destroy();
  }

  async #visit(
    address: Address,
    scope: Scope,
  ): Promise<{ readonly identity: ClusterIdentity } | SheepfsError> {
    using dedicated = new Dedicated(this.#ports, address);
    const end = await dedicated.ready(scope);
    if (end !== null) return end.why;
    const { identity } = dedicated.connection;
    return this.#dispatcher.pool.otherCluster(formatAddress(address), identity) ?? { identity };
  }
}

function checkSize({ opcode, receiveBytes }: SheepRequest): void {
  if (receiveBytes <= limits.replyBytesMax) return;
  const text = `${opcode}: an answer of ${receiveBytes} bytes is more than we take`;
  throw new SheepfsError("overload", text);
}
