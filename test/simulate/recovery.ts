import type { Random } from "../../src/base/random.ts";
import type { SimulatedClock } from "./clock.ts";
import type { Content } from "./content.ts";

export interface RecoveryPorts {
  readonly content: Content;
  readonly clock: SimulatedClock;
  readonly random: Random;
}

/**
 * What a change of members does to objects: each is brought to where it belongs now, for whoever
 * asks first and in its turn, and who asks meanwhile waits. It is made of what was stored when its
 * recovery began, so a write that was already being executed is acknowledged and lost. As with a
 * real sheep several recoveries of one object may be under way together: who waits goes on with
 * the first that ends, and the later ones replace the object once more.
 */
export class SimulatedRecovery {
  readonly #ports: RecoveryPorts;
  readonly #longestMs: number;
  /** Objects that no recovery has brought yet. */
  readonly #due = new Set<string>();
  readonly #waiting = new Map<string, Array<() => void>>();
  /** How often the sheep themselves have written an object. */
  readonly #rewritten = new Map<string, number>();

  constructor(ports: RecoveryPorts, longestMs: number) {
    this.#ports = ports;
    this.#longestMs = longestMs;
  }

  /** What was begun for somebody and not in its turn does not count. */
  get active(): boolean {
    return this.#due.size > 0;
  }

  begin(): void {
    const { content, clock } = this.#ports;
    for (const key of content.keys()) {
      this.#due.add(key);
      clock.after(this.#someMs(), () => {
        if (this.#due.has(key)) this.#recover(key);
      });
    }
  }

  /** The sheep have written it anew: what was to be put back would undo that. */
  forget(key: string): void {
    this.#rewritten.set(key, (this.#rewritten.get(key) ?? 0) + 1);
  }

  whenDone(key: string, fn: () => void): void {
    if (!this.#due.has(key)) {
      fn();
      return;
    }
    const waiting = this.#waiting.get(key);
    if (waiting === undefined) this.#waiting.set(key, [fn]);
    else waiting.push(fn);
    this.#recover(key);
  }

  #recover(key: string): void {
    const { content, clock } = this.#ports;
    const putBack = content.save(key);
    const rewritten = this.#rewritten.get(key);
    clock.after(this.#someMs() / 10, () => {
      this.#due.delete(key);
      if (rewritten === this.#rewritten.get(key)) putBack?.();
      const waiting = this.#waiting.get(key) ?? [];
      this.#waiting.delete(key);
      for (const go of waiting) go();
    });
  }

  #someMs(): number {
    return this.#ports.random.below(this.#longestMs);
  }
}
