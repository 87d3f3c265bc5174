import type { Clock } from "../base/clock.ts";
import { limits } from "../base/limits.ts";
import type { Logger } from "../base/log.ts";
import { resultRow } from "../wire/result.ts";
import type { Flight } from "./flight.ts";
import type { GatewayPool } from "./pool.ts";

/** Why requests wait that one would expect to be answered by now. */
export interface Wait {
  readonly reason: string;
  readonly requests: number;
  /** When the oldest of them was asked for, on the clock's scale. */
  readonly sinceMs: number;
}

/** What of the client decides why a request waits. */
export interface WaitWorld {
  readonly nowMs: number;
  /** The gateway in use, or the one that is looked for. */
  readonly title: string;
  readonly ready: boolean;
  readonly silent: boolean;
  /** Why no gateway can be used. */
  readonly why: string | null;
  /** Requests on one object have to wait for each other: the cluster recovers. */
  readonly apart: boolean;
}

export function worldOf(pool: GatewayPool, apart: boolean, nowMs: number): WaitWorld {
  const { ready, lastWhy, title, current } = pool;
  const silent = current?.silent ?? false;
  return { nowMs, title, ready, silent, why: lastWhy?.message ?? null, apart };
}

/** @returns null when it does not wait for long, or only for its turn */
function waitReason(flight: Flight, world: WaitWorld): string | null {
  const { title, nowMs } = world;
  if (nowMs - flight.beganMs < limits.waitTellMs) return null;
  const refused =
    flight.result === 0 ? null : `the sheep at ${title}: ${resultRow(flight.result).meaning}`;
  switch (flight.state) {
    case "held":
      return "an earlier copy of what was written may still be with a sheep that is not heard of";
    case "paused":
      return refused;
    case "waiting":
      if (!world.ready) return world.why ?? `no sheep answers at ${title}`;
      return refused ?? (world.apart ? "the cluster recovers" : null);
    case "sent":
      if (world.silent) return `the sheep at ${title} gives no sign of life, and no other answers`;
      if (refused !== null) return refused;
      if (nowMs - flight.beganMs < limits.waitAnswerTellMs) return null;
      return "the sheep that has them is alive and does not answer them";
    case "free":
    case "detached":
      return null;
  }
}

/**
 * Tells the operator what is waited for: once when it begins and once when it is over, however many
 * requests it concerns.
 */
export class Waits {
  readonly #clock: Clock;
  readonly #log: Logger;
  #current: readonly Wait[] = [];
  #vids: ReadonlySet<number> = new Set();
  /** Since when something is waited for without a break; null when nothing is. */
  #sinceMs: number | null = null;
  readonly #told = new Set<string>();
  /** A request succeeded since the last look that found some waiting. */
  #worked = false;

  constructor(clock: Clock, log: Logger) {
    this.#clock = clock;
    this.#log = log;
  }

  /** What was waited for at the last look, the oldest first. */
  get current(): readonly Wait[] {
    return this.#current;
  }

  /** VDIs with requests among them. */
  get vids(): ReadonlySet<number> {
    return this.#vids;
  }

  /** A request succeeded. What ended because nobody waits for it any more proves nothing. */
  worked(): void {
    this.#worked = true;
  }

  /** Looks at all that is under way. */
  look(flights: Iterable<Flight>, world: WaitWorld): void {
    const found = new Map<string, { requests: number; sinceMs: number }>();
    const vids = new Set<number>();
    for (const flight of flights) {
      const reason = waitReason(flight, world);
      if (reason === null) continue;
      if (flight.place >= 0) vids.add(flight.oidHigh & 0xff_ffff);
      const { requests, sinceMs } = found.get(reason) ?? { requests: 0, sinceMs: flight.beganMs };
      const oldestMs = Math.min(sinceMs, flight.beganMs);
      found.set(reason, { requests: requests + 1, sinceMs: oldestMs });
    }
    this.#vids = vids;
    this.#current = [...found]
      .map(([reason, wait]) => ({ reason, ...wait }))
      .sort((a, b) => a.sinceMs - b.sinceMs);
    this.#tell();
  }

  #tell(): void {
    const [oldest] = this.#current;
    if (oldest === undefined) {
      if (this.#sinceMs === null || !this.#worked) return;
      const seconds = ((this.#clock.nowMs() - this.#sinceMs) / 1000).toFixed(1);
      this.#log.info(`requests do not wait any more, after ${seconds} s`);
      this.#sinceMs = null;
      this.#told.clear();
      return;
    }
    this.#worked = false;
    this.#sinceMs ??= oldest.sinceMs;
    for (const { reason } of this.#current) {
      // The reasons of one trouble change: a few are told, and the rest is in cluster/status.
      if (this.#told.size >= limits.waitReasonsToldMax || this.#told.has(reason)) continue;
      this.#told.add(reason);
      this.#log.warn(`requests wait: ${reason}`);
    }
  }
}
