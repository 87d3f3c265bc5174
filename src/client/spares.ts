import { type Address, formatAddress } from "../base/address.ts";
import { limits } from "../base/limits.ts";
import type { Random } from "../base/random.ts";
import type { ConnectionPorts } from "./connection.ts";
import { Probe } from "./probe.ts";
import type { ClusterIdentity } from "./sign.ts";

export interface SparesPorts extends ConnectionPorts {
  readonly random: Random;
}

/**
 * Members of the cluster that nobody named and that can be gateways. Each was asked once from here:
 * nodes may know each other by addresses of a network that we are not in, where nobody answers, or
 * somebody else. They are as many as are of use, chosen by chance, so that the clients of a gateway
 * that dies do not all go to the same one.
 */
export class Spares {
  readonly #ports: SparesPorts;
  /** By address as text. */
  readonly #good = new Map<string, Address>();
  readonly #probes = new Set<Probe>();
  #waiting: Address[] = [];
  #identity: ClusterIdentity = null;
  #list = "";

  constructor(ports: SparesPorts) {
    this.#ports = ports;
  }

  get addresses(): readonly Address[] {
    return [...this.#good.values()];
  }

  /**
   * These are the members now.
   * @param known gateways that need not be found out about
   */
  heard(
    members: readonly Address[],
    known: readonly Address[],
    identity: Exclude<ClusterIdentity, null>,
  ): void {
    const titles = new Map(members.map((address) => [formatAddress(address), address]));
    const list = `${identity} ${[...titles.keys()].sort().join(" ")}`;
    if (list === this.#list) return;
    if (identity !== this.#identity) this.forget();
    this.#list = list;
    this.#identity = identity;
    this.#stopAsking();
    for (const title of this.#good.keys()) if (!titles.has(title)) this.#good.delete(title);
    for (const title of this.#good.keys()) titles.delete(title);
    for (const address of known) titles.delete(formatAddress(address));
    this.#waiting = this.#shuffled([...titles.values()]).slice(0, limits.sparesAskedMax);
    this.#askMore();
  }

  /** What is known is of another cluster, or of another time. */
  forget(): void {
    this.#stopAsking();
    this.#good.clear();
    this.#list = "";
  }

  #stopAsking(): void {
    for (const probe of this.#probes) probe.destroy();
    this.#probes.clear();
    this.#waiting = [];
  }

  #askMore(): void {
    while (this.#good.size + this.#probes.size < limits.sparesMax) {
      const address = this.#waiting.shift();
      if (address === undefined) return;
      this.#ask(address);
    }
  }

  #ask(address: Address): void {
    const identity = this.#identity;
    const probe = new Probe(this.#ports, address, (outcome) => {
      this.#probes.delete(probe);
      if (outcome.is === "alive" && outcome.identity === identity) {
        this.#good.set(formatAddress(address), address);
      }
      this.#askMore();
    });
    this.#probes.add(probe);
  }

  #shuffled(addresses: Address[]): Address[] {
    for (let last = addresses.length - 1; last > 0; last -= 1) {
      const other = this.#ports.random.below(last + 1);
      const [a, b] = [addresses[last], addresses[other]];
      if (a === undefined || b === undefined) continue;
      addresses[last] = b;
      addresses[other] = a;
    }
    return addresses;
  }
}
