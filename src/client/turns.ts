import type { Clock, Timer } from "../base/clock.ts";
import { limits } from "../base/limits.ts";
import type { Flight } from "./flight.ts";
import { type Submit, Touches } from "./touches.ts";

export interface TurnsPorts {
  readonly clock: Clock;
  /** Whether a member of the cluster still has something to recover; rejects when that is unknown. */
  recovering(): Promise<boolean>;
  /** Requests that had to wait may be able to go now. */
  changed(): void;
  readonly submit: Submit;
}

/** Objects that share a place only wait for each other needlessly. */
const places = 4096;
const noPlace = -1;

/**
 * Which requests on one object may be under way together. In a settled cluster all may. After a
 * change of its members each sheep recovers its part of an object for whoever asks first, and
 * again when its list comes to it; of two such recoveries at the same time the later one lays what
 * it read over whatever was written and acknowledged in between. So until every member says that
 * it has recovered, an object is written only when it is known that nobody recovers it any more
 * (see Touches). Before that each request has it for itself, since every one that comes meanwhile
 * may begin another recovery.
 *
 * A change is noticed by the epoch in the answers, so what was sent before is too late to hold
 * back: the dispatcher sends it again when its answer has another epoch than its request.
 */
export class Turns {
  readonly #ports: TurnsPorts;
  readonly #touches: Touches;
  /** Requests under way, by place. */
  readonly #counts = new Uint16Array(places);
  #epoch = 0;
  /** `unknown`: the members are asked for the first time. */
  #state: "unknown" | "unsettled" | "settled" = "unknown";
  #settleNotBeforeMs = Number.NEGATIVE_INFINITY;
  /** The members have said once that they have recovered; a recovery may just be ending. */
  #saidSo = false;
  /** A look that is under way or will be. */
  #timer: Timer | null = null;
  /** Counts reasons to be unsettled, so that a look under way does not answer for a later one. */
  #reasons = 0;
  #closed = false;

  constructor(ports: TurnsPorts) {
    this.#ports = ports;
    this.#touches = new Touches(ports);
  }

  /** Of the cluster, as far as it is known; 0: not at all. */
  get epoch(): number {
    return this.#epoch;
  }

  /** Requests on one object may have to wait for each other. */
  get apart(): boolean {
    return this.#state !== "settled";
  }

  isFree(flight: Flight): boolean {
    const { place } = flight;
    if (this.#state === "settled" || place === noPlace) return true;
    if (this.#touches.isSound(flight)) return true;
    if (this.#counts[place] !== 0) return false;
    return !flight.changes;
  }

  /** Somebody waits since this one is not free: finds out what it must wait for. */
  waits(flight: Flight): void {
    this.#look();
    if (this.#state === "unsettled" && flight.changes) this.#touches.touch(flight);
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
    this.#touches.epoch = epoch;
    if (changed) this.#unsettle();
  }

  /**
   * Another gateway is used from now on. Where one was lost the members are about to change, which
   * the answers will tell. One that tells of an older epoch is behind, or of another cluster.
   */
  restart(epoch: number): void {
    if (epoch >= this.#epoch) {
      this.sawEpoch(epoch);
      return;
    }
    this.#epoch = epoch;
    this.#touches.epoch = epoch;
    this.#unsettle();
  }

  destroy(): void {
    this.#closed = true;
    this.#timer?.cancel();
    this.#touches.forget();
  }

  #unsettle(): void {
    this.#state = "unsettled";
    this.#saidSo = false;
    this.#reasons += 1;
    this.#settleNotBeforeMs = this.#ports.clock.nowMs() + limits.recoveryBeginsMs;
    this.#touches.forget();
  }

  #look(): void {
    if (this.#state === "settled" || this.#timer !== null || this.#closed) return;
    const waitMs = Math.max(0, this.#settleNotBeforeMs - this.#ports.clock.nowMs());
    this.#timer = this.#ports.clock.after(waitMs, () => void this.#ask());
  }

  async #ask(): Promise<void> {
    const reasons = this.#reasons;
    // Who cannot be asked may be recovering.
    const recovering = await this.#ports.recovering().catch(() => true);
    this.#timer = null;
    if (this.#closed) return;
    if (reasons === this.#reasons) this.#heard(recovering);
    this.#ports.changed();
  }

  #heard(recovering: boolean): void {
    if (!recovering && (this.#state === "unknown" || this.#saidSo)) {
      this.#state = "settled";
      this.#touches.forget();
      return;
    }
    this.#state = "unsettled";
    this.#saidSo = !recovering;
    this.#settleNotBeforeMs = this.#ports.clock.nowMs() + limits.recoveryLookMs;
  }
}

/** The place of an object, by its 64-bit name. */
export function placeOf(oidLow: number, oidHigh: number): number {
  return (Math.imul(oidLow ^ Math.imul(oidHigh, 0x9e37_79b1), 0x85eb_ca6b) >>> 20) % places;
}
