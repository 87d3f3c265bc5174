import type { Clock } from "../../base/clock.ts";
import type { AttachedVolume } from "../../volume/attached.ts";
import type { FileVersion } from "../node.ts";

/**
 * What caches may go by. A snapshot never changes. A volume that is locked for us changes only by
 * our writes, which are counted from attaching on, so that no later one repeats a tag; while some
 * are under way two readers may see different bytes. Of what others may write nothing is known.
 */
export class VolumeVersions {
  readonly #attached: AttachedVolume;
  readonly #clock: Clock;
  /** Of this attaching: no other one, of whatever process, has the same. */
  readonly #epoch: string;
  #changes = -1;
  #sizeBytes = -1;
  #strong = false;
  #last: FileVersion | null = null;

  constructor(attached: AttachedVolume, clock: Clock) {
    this.#attached = attached;
    this.#clock = clock;
    this.#epoch = `${whole(clock.wallMs())}.${whole(clock.nowMs() * 1000)}`;
  }

  now(): FileVersion {
    const { volume, readOnly, lockedVid, name } = this.#attached;
    if (name.snapshot !== null) return this.#ofSnapshot();
    if (readOnly) return this.#unknown();
    const { changes, sizeBytes } = volume;
    const strong = lockedVid === volume.header.vid && volume.quiet;
    const same =
      changes === this.#changes && sizeBytes === this.#sizeBytes && strong === this.#strong;
    if (same && this.#last !== null) return this.#last;
    this.#changes = changes;
    this.#sizeBytes = sizeBytes;
    this.#strong = strong;
    const tag = `${this.#vid()}-${this.#epoch}-${changes}-${sizeBytes}`;
    this.#last = { tag, strong, modifiedMs: this.#attached.mtimeMs };
    return this.#last;
  }

  #ofSnapshot(): FileVersion {
    if (this.#last !== null) return this.#last;
    // The time too: the vid of a snapshot that was deleted may be another's one day.
    const { seconds, nanoseconds } = this.#attached.volume.header.snapTime;
    const tag = `${this.#vid()}-${seconds}.${nanoseconds}`;
    this.#last = { tag, strong: true, modifiedMs: this.#attached.mtimeMs };
    return this.#last;
  }

  /** A tag that nobody has been given before, and a time at which it may have changed. */
  #unknown(): FileVersion {
    const nowMs = this.#clock.wallMs();
    const tag = `${this.#vid()}-${whole(nowMs)}.${whole(this.#clock.nowMs() * 1000)}`;
    return { tag, strong: false, modifiedMs: nowMs };
  }

  #vid(): string {
    return this.#attached.volume.header.vid.toString(16);
  }
}

function whole(value: number): string {
  return Math.floor(value).toString(36);
}
