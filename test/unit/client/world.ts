import type { Address } from "../../../src/base/address.ts";
import type { SheepfsError } from "../../../src/base/errors.ts";
import { type Logger, silentLogger } from "../../../src/base/log.ts";
import { seededRandom } from "../../../src/base/random.ts";
import { CancelScope } from "../../../src/base/scope.ts";
import { SheepClient } from "../../../src/client/client.ts";
import type { ObjectRequest } from "../../../src/volume/ports.ts";
import { SimulatedClock } from "../../simulate/clock.ts";
import { SimulatedCluster } from "../../simulate/cluster.ts";
import { SimulatedNetwork } from "../../simulate/network.ts";
import { SimulatedSheep } from "../../simulate/sheep.ts";

export const firstPort = 7000;

interface WorldOptions {
  readonly sheep?: number;
  readonly seed?: number;
  /** Of the sheep, how many the client is told of; all unless said. */
  readonly named?: number;
  readonly log?: Logger;
  /** Sheep, by number, that may have writes of a process before. */
  readonly predecessors?: readonly number[];
}

/** Some sheep of one cluster, and a client of them. */
export class World implements AsyncDisposable {
  readonly clock = new SimulatedClock();
  readonly cluster = new SimulatedCluster();
  readonly network: SimulatedNetwork;
  readonly sheep: readonly SimulatedSheep[];
  readonly client: SheepClient;

  constructor(options: WorldOptions = {}) {
    const random = seededRandom(options.seed ?? 1);
    this.network = new SimulatedNetwork(this.clock, random);
    this.sheep = Array.from({ length: options.sheep ?? 1 }, (_, number) => this.newSheep(number));
    this.client = new SheepClient({
      gateways: this.sheep.slice(0, options.named).map((one) => one.address),
      transport: this.network,
      clock: this.clock,
      random,
      log: options.log ?? silentLogger,
      objectCache: false,
      predecessors: (options.predecessors ?? []).map((number) => this.address(number)),
    });
  }

  get first(): SimulatedSheep {
    const [sheep] = this.sheep;
    if (sheep === undefined) throw new Error("a world without sheep");
    return sheep;
  }

  newSheep(number: number, cluster: SimulatedCluster = this.cluster): SimulatedSheep {
    return new SimulatedSheep(this.network, cluster, this.address(number));
  }

  address(number: number): Address {
    return { host: "127.0.0.1", port: firstPort + number };
  }

  scope(timeoutMs = 60_000): CancelScope {
    return new CancelScope(this.clock.nowMs() + timeoutMs);
  }

  /** Submits a request and runs until it is done. */
  run(request: TestRequest): SheepfsError | null {
    this.client.store.submit(request);
    if (!this.clock.until(() => request.dones > 0)) throw new Error("a request never ended");
    return request.error;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.client[Symbol.asyncDispose]();
  }
}

/** A request as a volume would make it, that counts what it is told. */
export class TestRequest implements ObjectRequest {
  readonly kind: ObjectRequest["kind"];
  readonly vid = 0xabcdef;
  readonly cowVid: number;
  readonly index: number;
  readonly copies = 0;
  readonly copyPolicy = 0;
  readonly offset: number;
  readonly length: number;
  readonly buffer: Uint8Array;
  readonly at: number;
  readonly scope: CancelScope;
  lends = 0;
  dones = 0;
  resolves = 0;
  error: SheepfsError | null = null;
  takesLent = false;
  onDone: () => void = () => {};
  onResolved: () => void = () => {};

  constructor(
    scope: CancelScope,
    what: {
      readonly kind: ObjectRequest["kind"];
      readonly index?: number;
      readonly offset?: number;
      readonly length?: number;
      readonly data?: Uint8Array;
      readonly cowVid?: number;
    },
  ) {
    this.scope = scope;
    this.kind = what.kind;
    this.index = what.index ?? 0;
    this.offset = what.offset ?? 0;
    this.cowVid = what.cowVid ?? 0;
    this.at = 8;
    this.length = what.data?.length ?? what.length ?? 0;
    this.buffer = new Uint8Array(this.length + 16).fill(0xee);
    if (what.data !== undefined) this.buffer.set(what.data, this.at);
  }

  get data(): Uint8Array {
    return this.buffer.subarray(this.at, this.at + this.length);
  }

  lend(bytes: Uint8Array, at: number): boolean {
    this.lends += 1;
    if (!this.takesLent) return false;
    this.data.set(bytes.subarray(at, at + this.length));
    return true;
  }

  done(error: SheepfsError | null): void {
    this.dones += 1;
    this.error = error;
    this.onDone();
  }

  resolved(): void {
    this.resolves += 1;
    this.onResolved();
  }
}

/** `length` bytes that differ with `tag`. */
export function pattern(length: number, tag: number): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(length);
  for (let at = 0; at < length; at += 1) bytes[at] = (at * 31 + tag * 131 + (at >>> 8)) & 0xff;
  return bytes;
}

/** The key of a data object of TestRequest in the cluster. */
export function keyOf(index: number): string {
  return `${(0xabcdef).toString(16)}/${index}`;
}
