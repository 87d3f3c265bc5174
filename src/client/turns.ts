import type { Clock, Timer } from "../base/clock.ts";
import { limits } from "../base/limits.ts";
import type { Flight } from "./flight.ts";

export interface TurnsPorts {
  readonly clock: Clock;
  /** Whether a member of the cluster still has something to recover; rejects when that is unknown. */
  recovering(): Promise<boolean>;
  /** Requests that had to wait may go now. */
  settled(): void;
}

/** Objects that share a place only wait for each other needlessly. */
const places = 4096;
const noPlace = -1;

/**
 * Whether requests on one object may be under way together. In a settled cluster they may. After a
 * change of its members a sheep recovers an object for whoever asks first, from a copy that may
 * lack a write which is just being executed, and then acknowledges that write: on a real cluster
 * writes were lost so with 8 under way and a sheep killed, and not with one at a time for each
 * object. So until every member says that it has recovered, each request has its object for itself; reads
 * too, as they are what begins the recovery of an object.
 *
 * A change is noticed by the epoch in the answers, so what was sent before is too late to hold
 * back: the dispatcher sends a write again when its answer has another epoch than its request.
 */
export class Turns {
  readonly #ports: TurnsPorts;
  /** Requests under way, by place. */
  readonly #counts = new Uint16Array(places);
  #epoch = 0;
  #state: "settled" | "unsettled" = "unsettled";
  #settleNotBeforeMs = Number.NEGATIVE_INFINITY;
  /** A look that is under way or will be. */
  #timer: Timer | null = null;
  /** Counts reasons to be unsettled, so that a look under way does not answer for a later one. */
  #reasons = 0;
  #closed = false;

  constructor(ports: TurnsPorts) {
    this.#ports = ports;
  }

  /** One request at a time for each object. */
  get apart(): boolean {
    return this.#state === "unsettled";
  }

  isFree(flight: Flight): boolean {
    const { place } = flight;
    if (this.#state === "settled" || place === noPlace) return true;
    return this.#counts[place] === 0;
  }

  /** The flight is on a connection now. */
  began(flight: Flight): void {
    const { place } = flight;
    if (place === noPlace) return;
    this.#counts[place] = (this.#counts[place] ?? 0) + 1;
  }

  /** Its answer came, or never will. */
  ended(flight: Flight): void {
    const { place } = flight;
    if (place === noPlace) return;
    this.#counts[place] = (this.#counts[place] ?? 0) - 1;
  }

  /** An answer says that the cluster has this epoch. */
  sawEpoch(epoch: number): void {
    if (epoch <= this.#epoch) return;
    // Of the first one it is not known how old it is: the members are asked at once.
    const changed = this.#epoch !== 0;
    this.#epoch = epoch;
    if (changed) this.#unsettle(this.#ports.clock.nowMs() + limits.recoveryBeginsMs);
  }

  /** Another gateway: where one was lost, the members are about to change. */
  restart(): void {
    const first = this.#epoch === 0;
    this.#epoch = 0;
    this.#unsettle(first ? 0 : this.#ports.clock.nowMs() + limits.recoveryBeginsMs);
  }

  /** Somebody has requests on objects: finds out whether they must take turns. */
  look(): void {
    if (this.#state === "settled" || this.#timer !== null || this.#closed) return;
    const waitMs = Math.max(0, this.#settleNotBeforeMs - this.#ports.clock.nowMs());
    this.#timer = this.#ports.clock.after(waitMs, () => void this.#ask());
  }

  destroy(): void {
    this.#closed = true;
    this.#timer?.cancel();
  }

  #unsettle(settleNotBeforeMs: number): void {
    this.#state = "unsettled";
    this.#reasons += 1;
    this.#settleNotBeforeMs = settleNotBeforeMs;
  }

  async #ask(): Promise<void> {
    const reasons = this.#reasons;
    // Who cannot be asked may be recovering.
    const recovering = await this.#ports.recovering().catch(() => true);
    this.#timer = null;
    if (this.#closed) return;
    if (!recovering && reasons === this.#reasons) {
      this.#state = "settled";
      this.#ports.settled();
      return;
    }
    // Nobody is asked on behalf of nobody: the next request looks again.
    const againMs = this.#ports.clock.nowMs() + limits.recoveryLookMs;
    this.#settleNotBeforeMs = Math.max(this.#settleNotBeforeMs, againMs);
  }
}

/** The place of an object, by its 64-bit name. */
export function placeOf(oidLow: number, oidHigh: number): number {
  return (Math.imul(oidLow ^ Math.imul(oidHigh, 0x9e37_79b1), 0x85eb_ca6b) >>> 20) % places;
}
