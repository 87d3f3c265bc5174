import type { Address } from "../base/address.ts";
import type { Clock, Timer } from "../base/clock.ts";
import { limits } from "../base/limits.ts";
import type { Gateway } from "./gateway.ts";

/**
 * One pass over addresses for a sheep that can be used. The next one is tried as well when the one
 * before has not answered in a moment, so that an address from which nothing comes costs that
 * moment and not the whole time that a connection may take.
 */
export class Round {
  readonly #clock: Clock;
  readonly #open: (address: Address) => Gateway;
  #rest: readonly Address[];
  readonly #trying = new Set<Gateway>();
  #timer: Timer | null = null;

  constructor(clock: Clock, addresses: readonly Address[], open: (address: Address) => Gateway) {
    this.#clock = clock;
    this.#open = open;
    this.#rest = addresses;
    this.#advance();
  }

  /** The one that is being tried longest. */
  get first(): Gateway | null {
    const [first] = this.#trying;
    return first ?? null;
  }

  has(gateway: Gateway): boolean {
    return this.#trying.has(gateway);
  }

  /** This one cannot be used. @returns whether all were tried in vain */
  down(gateway: Gateway): boolean {
    this.#trying.delete(gateway);
    this.#advance();
    return this.#trying.size === 0;
  }

  /** This one can be used: the others are not needed. */
  take(gateway: Gateway): void {
    this.#trying.delete(gateway);
    this.destroy();
  }

  destroy(): void {
    this.#timer?.cancel();
    this.#rest = [];
    for (const gateway of this.#trying) gateway.destroy();
    this.#trying.clear();
  }

  #advance(): void {
    this.#timer?.cancel();
    this.#timer = null;
    const [address, ...rest] = this.#rest;
    if (address === undefined || this.#trying.size >= limits.gatewaysTryingMax) return;
    this.#rest = rest;
    this.#trying.add(this.#open(address));
    if (rest.length === 0) return;
    this.#timer = this.#clock.after(limits.gatewayHedgeMs, () => this.#advance());
  }
}
