import { type Address, formatAddress } from "../base/address.ts";
import type { Timer } from "../base/clock.ts";
import { limits } from "../base/limits.ts";
import type { Logger } from "../base/log.ts";
import type { ConnectionPorts } from "./connection.ts";
import { Probe } from "./probe.ts";

/**
 * A sheep that had copies of writes when a connection to it was lost. It executes what it has read
 * also when the client has left (protocol §1), so a copy may land later than everything that was
 * sent and acknowledged since.
 */
export interface Suspect {
  /** When it was known to run or to be gone, on the clock's scale; null before. */
  readonly seenAtMs: number | null;
}

interface Search extends Suspect {
  readonly address: Address;
  seenAtMs: number | null;
  /** An attempt to hear of it has begun: what is lost from now on needs one that begins later. */
  begun: boolean;
  probe: Probe | null;
  timer: Timer | null;
}

export interface ExclusionPorts extends ConnectionPorts {
  readonly log: Logger;
  /** Whether the members of the cluster once had this sheep and have it no more. */
  left(address: Address): Promise<boolean>;
}

/**
 * Finds out when lost copies of writes can no longer land. The rule: a copy lost at a sheep is
 * excluded `exclusionMs` after both
 * - the same write, sent again, was answered (were its object parked by a recovery, it would not
 *   have been: what held the first copy held the later one), and
 * - that sheep, asked on a connection that was begun after the loss, answered (so it is not stopped
 *   or cut off, and executes what it has), or refused the connection (so it is gone and with it
 *   what it had), or is no longer a member (so the others refuse what it still sends).
 * A sheep that is merely silent excludes nothing, however long it is: its writes stay unacknowledged
 * and, at their deadline, in doubt.
 *
 * Not covered: one that was cut off from everybody, left, and joins again without having ended, as
 * with the cluster driver for ZooKeeper, repeats at the new epoch what the others had refused. To
 * wait for that would hold the writes that a machine had when it died for ever.
 */
export class Exclusion {
  readonly #ports: ExclusionPorts;
  readonly #searches = new Set<Search>();

  constructor(ports: ExclusionPorts) {
    this.#ports = ports;
  }

  /** A connection to this sheep was lost just now, and it may have a write. */
  lost(address: Address): Suspect {
    const key = formatAddress(address);
    for (const search of this.#searches) {
      if (!search.begun && formatAddress(search.address) === key) return search;
    }
    const search: Search = { address, seenAtMs: null, begun: false, probe: null, timer: null };
    this.#searches.add(search);
    search.timer = this.#ports.clock.after(0, () => this.#ask(search));
    return search;
  }

  /** Sheep that have not been heard of yet. */
  addresses(): Address[] {
    return [...this.#searches].map(({ address }) => address);
  }

  destroy(): void {
    for (const search of this.#searches) {
      search.timer?.cancel();
      search.probe?.destroy();
    }
    this.#searches.clear();
  }

  #ask(search: Search): void {
    search.begun = true;
    search.timer = null;
    search.probe = new Probe(this.#ports, search.address, (outcome) => {
      search.probe = null;
      // Whatever it says, it runs, or nobody is there any more.
      if (outcome.is === "alive" || outcome.decided) this.#seen(search);
      else void this.#askOthers(search);
    });
  }

  async #askOthers(search: Search): Promise<void> {
    const left = await this.#ports.left(search.address).catch(() => false);
    if (!this.#searches.has(search)) return;
    if (left) {
      this.#seen(search);
      return;
    }
    search.timer = this.#ports.clock.after(limits.exclusionProbeMs, () => this.#ask(search));
  }

  #seen(search: Search): void {
    search.seenAtMs = this.#ports.clock.nowMs();
    this.#searches.delete(search);
    const { log } = this.#ports;
    if (log.debugging)
      log.debug(`lost writes of ${formatAddress(search.address)} are excluded soon`);
  }
}

/** When the lost copies of a write that was answered at `answeredAtMs` are excluded; null: unknown. */
export function excludedAtMs(suspects: readonly Suspect[], answeredAtMs: number): number | null {
  let from = answeredAtMs;
  for (const { seenAtMs } of suspects) {
    if (seenAtMs === null) return null;
    from = Math.max(from, seenAtMs);
  }
  return from + limits.exclusionMs;
}
