import type { Random } from "../../src/base/random.ts";
import { CancelScope } from "../../src/base/scope.ts";
import { whileHeld } from "../../src/volume/held.ts";
import type { VdiName } from "../../src/volume/ports.ts";
import type { SimulatedClock } from "./clock.ts";
import type { Content } from "./content.ts";
import type { VolumeUser } from "./user.ts";

export interface PhotographerOptions {
  readonly clock: SimulatedClock;
  readonly random: Random;
  readonly content: Content;
  readonly user: VolumeUser;
  readonly name: VdiName;
  /** Longest pause between two steps of a snapshot. */
  readonly stepMs: number;
  readonly trace: (line: string) => void;
}

/** A snapshot, and what it may hold. */
interface Taken {
  readonly snapId: number;
  /** Nothing older than what was acknowledged when it began. */
  readonly floors: Uint32Array;
  /** Nothing that was asked for after it was made. */
  readonly order: number;
  /**
   * Blocks that were discarded while it was made: a sheep puts back the slots of when it began and
   * drops the objects all the same, so that it may name what is gone.
   */
  readonly unknown: ReadonlySet<number>;
}

const snapshotsMax = 5;

/** How long a client that holds back writes waits for the cluster. */
const heldMs = 60_000;

/** Another client, which makes snapshots of a volume that is in use here; or ours does. */
export class Photographer {
  readonly taken: Taken[] = [];
  idle = true;
  readonly #options: PhotographerOptions;

  constructor(options: PhotographerOptions) {
    this.#options = options;
  }

  take(): void {
    const { clock, content, name, user } = this.#options;
    if (!this.idle || content.find(name) === null || this.taken.length === snapshotsMax) return;
    this.idle = false;
    const over = (): void => {
      this.idle = true;
    };
    // Not drawn: whoever adds to the draws changes all seeds.
    if (Math.floor(clock.nowMs()) % 3 !== 1) void this.#make().then(over);
    else {
      const scope = new CancelScope(clock.nowMs() + heldMs);
      // When writes cannot be held back there is no snapshot.
      whileHeld([user.volume], () => this.#make(), clock, scope).then(over, over);
    }
  }

  async #make(): Promise<void> {
    const { clock, content, name, user, trace } = this.#options;
    const beganMs = clock.nowMs();
    const header = content.find(name);
    if (header === null) return;
    const { model, volume } = user;
    // While the volume still is an earlier VDI, what it acknowledged may be there alone.
    const { floors } =
      volume.header.vid === header.vid
        ? model.view(0, model.sectors)
        : { floors: this.taken.at(-1)?.floors ?? new Uint32Array(model.sectors) };
    const next = await this.#stepped(content.snapshot(header.vid));
    trace(`a snapshot of vid ${header.vid} is made, vid ${next} goes on`);
    const unknown = this.#unknown(beganMs);
    this.taken.push({ snapId: header.snapId, floors, order: model.order, unknown });
  }

  /** A slot that names what is gone is inherited, until the volume follows. */
  #unknown(beganMs: number): ReadonlySet<number> {
    const before = this.taken.at(-1)?.unknown ?? new Set<number>();
    return before.union(this.#options.user.discardedSince(beganMs));
  }

  #stepped(steps: Generator<void, number>): Promise<number> {
    const { clock, random, stepMs } = this.#options;
    return new Promise((made) => {
      const next = (): void => {
        const step = steps.next();
        if (step.done === true) made(step.value);
        else clock.after(random.below(stepMs), next);
      };
      next();
    });
  }
}
