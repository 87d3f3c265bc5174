import type { Address } from "../base/address.ts";
import { limits } from "../base/limits.ts";
import { Exclusion, type ExclusionPorts, isOver, type Suspect } from "./exclusion.ts";
import type { Flight } from "./flight.ts";
import { Removals } from "./removals.ts";

/** Writes that were answered, held until no earlier copy of them can land any more. */
export class Holding {
  readonly removals: Removals;
  readonly #ports: ExclusionPorts;
  readonly #exclusion: Exclusion;
  readonly #held = new Set<Flight>();

  constructor(ports: ExclusionPorts) {
    this.#ports = ports;
    this.#exclusion = new Exclusion(ports);
    this.removals = new Removals(ports.clock, this.#exclusion);
  }

  get count(): number {
    return this.#held.size;
  }

  /** Sheep that may execute a lost copy, as far as they are still being asked. */
  suspects(): Address[] {
    return this.#exclusion.addresses();
  }

  /** Begins to find out when writes that this sheep may have are excluded. */
  lost(address: Address): Suspect {
    return this.#exclusion.suspect(address);
  }

  /** A copy of this write was lost with a connection to that sheep. */
  lostAt(flight: Flight, address: Address): void {
    this.removals.mayRemove(flight, address);
    const suspect = this.#exclusion.suspect(address);
    flight.suspects ??= [];
    if (flight.suspects.includes(suspect)) return;
    flight.suspects.push(suspect);
    suspect.wanted += 1;
  }

  /** A copy of this write may be on its way inside the cluster, whose sheep all run. */
  lostWithin(flight: Flight): void {
    flight.suspects ??= [];
    // One is enough: time is counted from the last answer anyway.
    if (flight.suspects.length > 0) return;
    flight.suspects.push({ wanted: 1, goneAtMs: this.#ports.clock.nowMs(), ran: null });
  }

  hold(flight: Flight): void {
    flight.state = "held";
    flight.answeredAtMs = this.#ports.clock.nowMs();
    this.#held.add(flight);
  }

  /** Those that may end now, which are no longer held. */
  take(nowMs: number): Flight[] {
    const forMs = limits.exclusionMs;
    const due = [...this.#held].filter(({ suspects, answeredAtMs }) =>
      isOver(suspects ?? [], { atMs: answeredAtMs, forMs }, nowMs),
    );
    for (const flight of due) this.#held.delete(flight);
    return due;
  }

  flights(): Flight[] {
    return [...this.#held];
  }

  destroy(): void {
    this.#exclusion.destroy();
    this.#held.clear();
  }
}
