import { type Address, formatAddress } from "../base/address.ts";
import { limits } from "../base/limits.ts";
import type { ConnectionPorts } from "./connection.ts";
import { Probe, type ProbeOutcome } from "./probe.ts";
import type { ClusterIdentity } from "./sign.ts";

/** What a sheep has to tell of, to be one of the cluster that we use. */
interface ClusterNow {
  readonly identity: ClusterIdentity;
  readonly epoch: number;
}

/**
 * Looks, while another gateway is in use, whether one that was rather meant to be used answers
 * again. It is returned to when it has answered two looks in a row: one that comes and goes would
 * cost a pause each time. One that tells of an older epoch than the gateway in use has not noticed that
 * the others go on without it. When it is lost again soon, the looks become rarer.
 */
export class Homecoming {
  readonly #ports: ConnectionPorts;
  readonly #returnTo: (address: Address) => void;
  #probe: Probe | null = null;
  #pauseMs: number = limits.returnLookMs;
  #lookNotBeforeMs = Number.NEGATIVE_INFINITY;
  #returnedAtMs = Number.NEGATIVE_INFINITY;
  /** Answered the last look. */
  #seen: string | null = null;

  constructor(ports: ConnectionPorts, returnTo: (address: Address) => void) {
    this.#ports = ports;
    this.#returnTo = returnTo;
  }

  /** The gateway in use was lost: others have the time of a look before the first one. */
  lost(): void {
    const nowMs = this.#ports.clock.nowMs();
    const soon = nowMs - this.#returnedAtMs < limits.returnStableMs;
    this.#pauseMs = soon
      ? Math.min(this.#pauseMs * 2, limits.returnLookLongestMs)
      : limits.returnLookMs;
    this.#forget();
    this.#lookNotBeforeMs = nowMs + this.#pauseMs;
  }

  /** Called now and then. @param better in the order in which they are preferred */
  check(nowMs: number, better: readonly Address[], cluster: ClusterNow): void {
    if (this.#probe !== null || nowMs < this.#lookNotBeforeMs) return;
    if (cluster.identity === null) return;
    this.#look(better, cluster);
  }

  destroy(): void {
    this.#forget();
  }

  #forget(): void {
    this.#probe?.destroy();
    this.#probe = null;
    this.#seen = null;
  }

  #look([address, ...others]: readonly Address[], cluster: ClusterNow): void {
    this.#probe = null;
    if (address === undefined) {
      this.#seen = null;
      this.#lookNotBeforeMs = this.#ports.clock.nowMs() + this.#pauseMs;
      return;
    }
    this.#probe = new Probe(this.#ports, address, (outcome) => {
      if (isOf(cluster, outcome)) this.#answered(address);
      else this.#look(others, cluster);
    });
  }

  #answered(address: Address): void {
    const title = formatAddress(address);
    const nowMs = this.#ports.clock.nowMs();
    this.#probe = null;
    this.#lookNotBeforeMs = nowMs + this.#pauseMs;
    if (this.#seen !== title) {
      this.#seen = title;
      return;
    }
    this.#seen = null;
    this.#returnedAtMs = nowMs;
    this.#returnTo(address);
  }
}

function isOf({ identity, epoch }: ClusterNow, outcome: ProbeOutcome): boolean {
  return outcome.is === "alive" && outcome.identity === identity && outcome.epoch >= epoch;
}
