import type { Address } from "../base/address.ts";
import type { Clock } from "../base/clock.ts";
import { limits } from "../base/limits.ts";
import { isOver, type Suspect } from "./exclusion.ts";

export interface SuccessionPorts {
  readonly clock: Clock;
  /** Begins to find out when that sheep runs or is gone. */
  lost(address: Address): Suspect;
  /** Writes may go. */
  opened(): void;
}

/** Between two looks whether every sheep was heard of. */
const lookMs = 5;

/**
 * A process that was killed has left writes behind: a sheep executes what it has read also when the
 * client is gone. Its successor knows of none of them, so it writes nothing before all can only have
 * been executed: when each sheep that may have some has run for `successionMs` since, or is gone for
 * so long. What waits behind a recovery there is no exception: as long as a member recovers, a
 * write waits until its object was touched and has rested (see Touches), and making an object waits
 * for no recovery.
 */
export class Succession {
  readonly #ports: SuccessionPorts;
  readonly #suspects: readonly Suspect[];
  readonly #beganMs: number;
  #state: "holding" | "over";

  /** @param addresses sheep that may have writes of a predecessor; none: there was no predecessor */
  constructor(ports: SuccessionPorts, addresses: readonly Address[]) {
    this.#ports = ports;
    this.#beganMs = ports.clock.nowMs();
    this.#suspects = addresses.map((address) => ports.lost(address));
    for (const suspect of this.#suspects) suspect.wanted += 1;
    this.#state = addresses.length === 0 ? "over" : "holding";
    if (this.holds) this.#lookSoon();
  }

  /** Nothing may be written yet. */
  get holds(): boolean {
    return this.#state === "holding";
  }

  destroy(): void {
    this.#end();
  }

  #lookSoon(): void {
    this.#ports.clock.after(lookMs, () => this.#look());
  }

  #look(): void {
    if (!this.holds) return;
    const since = { atMs: this.#beganMs, forMs: limits.successionMs };
    if (!isOver(this.#suspects, since, this.#ports.clock.nowMs())) {
      this.#lookSoon();
      return;
    }
    this.#end();
    this.#ports.opened();
  }

  #end(): void {
    if (!this.holds) return;
    this.#state = "over";
    for (const suspect of this.#suspects) suspect.wanted -= 1;
  }
}
