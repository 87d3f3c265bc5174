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
  /** Who waits to hear of it: it is asked as long as somebody does. */
  wanted: number;
  /** When it was known to be gone, on the clock's scale; null before. */
  readonly goneAtMs: number | null;
  /** Since when it has run, up to when, as far as its signs of life show; null when they do not. */
  readonly ran: { readonly fromMs: number; readonly toMs: number } | null;
}

interface Search extends Suspect {
  goneAtMs: number | null;
  ran: Suspect["ran"];
  /** A question has begun since: what is lost from now on needs one that begins later. */
  asked: boolean;
}

/** The questions that one sheep is asked, one after the other. */
interface Vigil {
  readonly address: Address;
  readonly searches: Set<Search>;
  begunAtMs: number;
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
 * excluded when
 * - the same write, sent again, was answered (were its object parked by a recovery, it would not
 *   have been: what held the first copy held the later one), and since then
 * - that sheep has run for `exclusionMs`. It is asked for a sign of life again and again, each time
 *   on a connection begun after the loss; when two answers are further apart than `exclusionGapMs`
 *   it may have been stopped in between, with what it has, and the time is counted anew. Or
 * - it refused a connection (so it is gone and with it what it had), or is no longer a member (so the
 *   others refuse what it still sends), and `exclusionMs` have passed.
 * A sheep that is merely silent excludes nothing, however long it is: its writes stay unacknowledged
 * and, at their deadline, in doubt.
 *
 * Not covered: a running sheep that needs longer than `exclusionMs` for a write of which another was
 * told later and which that one has carried out, as when it alone cannot reach a third. No client
 * can see that. And one that was cut off from everybody, left, and joins again without having ended,
 * as with the cluster driver for ZooKeeper, repeats at the new epoch what the others had refused. To
 * wait for that would hold the writes that a machine had when it died for ever.
 */
export class Exclusion {
  readonly #ports: ExclusionPorts;
  readonly #vigils = new Map<string, Vigil>();

  constructor(ports: ExclusionPorts) {
    this.#ports = ports;
  }

  /** From now on this sheep may do what is not to be done any more. */
  suspect(address: Address): Suspect {
    const title = formatAddress(address);
    let vigil = this.#vigils.get(title);
    if (vigil === undefined) {
      vigil = { address, searches: new Set(), begunAtMs: 0, probe: null, timer: null };
      this.#vigils.set(title, vigil);
    }
    for (const search of vigil.searches) if (!search.asked) return search;
    const search: Search = { wanted: 0, goneAtMs: null, ran: null, asked: false };
    vigil.searches.add(search);
    if (vigil.probe === null && vigil.timer === null) this.#askAfter(vigil, 0);
    return search;
  }

  /** Sheep that somebody waits to hear of. */
  addresses(): Address[] {
    const isWanted = ({ searches }: Vigil): boolean => [...searches].some((one) => one.wanted > 0);
    return [...this.#vigils.values()].filter(isWanted).map(({ address }) => address);
  }

  destroy(): void {
    for (const { timer, probe } of this.#vigils.values()) {
      timer?.cancel();
      probe?.destroy();
    }
    this.#vigils.clear();
  }

  #askAfter(vigil: Vigil, delayMs: number): void {
    vigil.timer = this.#ports.clock.after(delayMs, () => this.#ask(vigil));
  }

  #ask(vigil: Vigil): void {
    const { address, searches } = vigil;
    vigil.timer = null;
    for (const search of searches) if (search.asked && search.wanted === 0) searches.delete(search);
    if (searches.size === 0) {
      this.#vigils.delete(formatAddress(address));
      return;
    }
    for (const search of searches) search.asked = true;
    vigil.begunAtMs = this.#ports.clock.nowMs();
    vigil.probe = new Probe(this.#ports, address, (outcome) => {
      vigil.probe = null;
      if (outcome.is === "dead" && outcome.refused) this.#gone(vigil);
      else if (outcome.is === "alive" || outcome.decided) this.#runs(vigil);
      else void this.#askOthers(vigil);
    });
  }

  async #askOthers(vigil: Vigil): Promise<void> {
    const { address } = vigil;
    const left = await this.#ports.left(address).catch(() => false);
    if (this.#vigils.get(formatAddress(address)) !== vigil) return;
    if (left) this.#gone(vigil);
    else this.#askAfter(vigil, limits.exclusionProbeMs);
  }

  #runs(vigil: Vigil): void {
    const nowMs = this.#ports.clock.nowMs();
    for (const search of asked(vigil)) {
      const { ran } = search;
      const unbroken = ran !== null && nowMs - ran.toMs <= limits.exclusionGapMs;
      // It ran when it answered: not before the question was begun, and not later than now.
      search.ran = { fromMs: unbroken ? ran.fromMs : nowMs, toMs: vigil.begunAtMs };
    }
    this.#askAfter(vigil, limits.exclusionSignMs);
  }

  #gone(vigil: Vigil): void {
    for (const search of asked(vigil)) {
      search.goneAtMs = this.#ports.clock.nowMs();
      vigil.searches.delete(search);
    }
    const { log } = this.#ports;
    if (log.debugging) log.debug(`what ${formatAddress(vigil.address)} had is excluded soon`);
    this.#askAfter(vigil, 0);
  }
}

/** Those that a question was about. */
function asked({ searches }: Vigil): Search[] {
  return [...searches].filter((search) => search.asked);
}

/** Whether what these sheep had can no longer be done, as they have all run `forMs` since, or are gone. */
export function isOver(
  suspects: readonly Suspect[],
  since: { readonly atMs: number; readonly forMs: number },
  nowMs: number,
): boolean {
  const { atMs, forMs } = since;
  if (nowMs < atMs + forMs) return false;
  return suspects.every(({ goneAtMs, ran }) => {
    if (goneAtMs !== null) return nowMs >= goneAtMs + Math.min(forMs, limits.exclusionMs);
    return ran !== null && ran.toMs - Math.max(ran.fromMs, atMs) >= forMs;
  });
}
