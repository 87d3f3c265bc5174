import type { Clock, Timer } from "../base/clock.ts";
import { limits } from "../base/limits.ts";
import { deadlineScope, type Scope } from "../base/scope.ts";
import type { AttachedVolume } from "./attached.ts";

export interface WatchOptions {
  readonly clock: Clock;
  readonly volumes: () => readonly AttachedVolume[];
  /** Looks at one volume; never throws. */
  readonly look: (volume: AttachedVolume, scope: Scope) => Promise<void>;
}

/**
 * Looks at every attached volume again and again, since nobody tells us what others do to a VDI:
 * often at those that are open, now and then at the others.
 */
export class Watch {
  readonly #options: WatchOptions;
  /** Volumes that are being looked at, or when they were last. */
  readonly #looks = new WeakMap<AttachedVolume, "under way" | number>();
  #underWay = 0;
  #timer: Timer | null = null;

  constructor(options: WatchOptions) {
    this.#options = options;
  }

  /** Goes on until it is stopped. */
  start(): void {
    this.#timer ??= this.#options.clock.after(limits.watchMs, () => this.#tick());
  }

  stop(): void {
    this.#timer?.cancel();
    this.#timer = null;
  }

  #tick(): void {
    this.#timer = null;
    const { clock, volumes } = this.#options;
    const serving = volumes().filter(({ state }) => state !== "gone");
    const nowMs = clock.nowMs();
    for (const volume of serving) {
      if (this.#underWay >= limits.watchLooksMax) break;
      if (this.#isDue(volume, nowMs)) void this.#look(volume);
    }
    this.start();
  }

  #isDue(volume: AttachedVolume, nowMs: number): boolean {
    const last = this.#looks.get(volume);
    if (last === "under way") return false;
    return last === undefined || volume.users > 0 || nowMs - last >= limits.watchUnusedMs;
  }

  async #look(volume: AttachedVolume): Promise<void> {
    const { clock, look } = this.#options;
    this.#looks.set(volume, "under way");
    this.#underWay += 1;
    await look(volume, deadlineScope(clock, limits.requestTimeoutMs));
    this.#underWay -= 1;
    this.#looks.set(volume, clock.nowMs());
  }
}
