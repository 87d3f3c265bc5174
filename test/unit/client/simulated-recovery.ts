import type { Random } from "../../../src/base/random.ts";
import type { SimulatedClock } from "./simulated-clock.ts";

export interface RecoveryPorts {
  readonly objects: Map<string, Uint8Array>;
  readonly clock: SimulatedClock;
  readonly random: Random;
}

/**
 * What a change of members does to objects: each is brought to where it belongs now, for whoever
 * asks first or in its turn, and who asks meanwhile waits. It is made of what was stored when its
 * recovery began, so a write that was already being executed is acknowledged and lost.
 */
export class SimulatedRecovery {
  readonly #ports: RecoveryPorts;
  readonly #longestMs: number;
  readonly #due = new Set<string>();
  /** Who waits for objects that are being recovered. */
  readonly #waiting = new Map<string, Array<() => void>>();

  constructor(ports: RecoveryPorts, longestMs: number) {
    this.#ports = ports;
    this.#longestMs = longestMs;
  }

  get active(): boolean {
    return this.#due.size > 0 || this.#waiting.size > 0;
  }

  begin(): void {
    const { objects, clock } = this.#ports;
    for (const key of objects.keys()) {
      this.#due.add(key);
      clock.after(this.#someMs(), () => this.whenDone(key, () => {}));
    }
  }

  whenDone(key: string, fn: () => void): void {
    const waiting = this.#waiting.get(key);
    if (waiting !== undefined) waiting.push(fn);
    else if (this.#due.delete(key)) this.#recover(key, fn);
    else fn();
  }

  #recover(key: string, fn: () => void): void {
    const { objects, clock } = this.#ports;
    const waiting = [fn];
    this.#waiting.set(key, waiting);
    const copy = objects.get(key)?.slice();
    clock.after(this.#someMs() / 10, () => {
      this.#waiting.delete(key);
      if (copy !== undefined) objects.set(key, copy);
      for (const go of waiting) go();
    });
  }

  #someMs(): number {
    return this.#ports.random.below(this.#longestMs);
  }
}
