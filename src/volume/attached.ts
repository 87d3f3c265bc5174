import { assert } from "../base/assert.ts";
import { SheepfsError } from "../base/errors.ts";
import type { Scope, Unsubscribe } from "../base/scope.ts";
import { wireTimeMs } from "../wire/inode.ts";
import type { VdiName } from "./ports.ts";
import type { Volume } from "./volume.ts";

export interface AttachedVolumeOptions {
  readonly title: string;
  readonly name: VdiName;
  readonly readOnly: boolean;
  readonly volume: Volume;
  /** Null for reading only. */
  readonly hold: VdiHold | null;
}

/** A VDI that is ours alone to write. */
export interface VdiHold {
  /** The vid whose lock in the cluster is ours; null in a cluster without locks. */
  readonly lockedVid: number | null;
  /**
   * Looks, when it is time, whether it is still ours; `vid` is what the VDI is now.
   * @returns null, or why it is not: whoever wrote until now must stop
   */
  check(vid: number, scope: Scope): Promise<string | null>;
  /** Gives back what is still ours. */
  release(scope: Scope): Promise<void>;
}

/** One attached volume, who uses it, and when we last wrote to it. */
export class AttachedVolume {
  readonly title: string;
  readonly name: VdiName;
  readonly readOnly: boolean;
  readonly volume: Volume;
  readonly birthtimeMs: number;
  /** Of the last write through us; before the first, when the VDI or the snapshot was made. */
  mtimeMs: number;
  hold: VdiHold | null;
  /** While it is ending it may turn out that it stays. */
  state: "serving" | "ending" | "gone" = "serving";
  #users = 0;
  readonly #unused = new Set<() => void>();
  #sizeSeen: number;
  #failureSeen = false;

  constructor(options: AttachedVolumeOptions) {
    this.title = options.title;
    this.name = options.name;
    this.readOnly = options.readOnly;
    this.volume = options.volume;
    this.hold = options.hold;
    this.#sizeSeen = options.volume.sizeBytes;
    const { createTime, snapTime, isSnapshot } = options.volume.header;
    this.birthtimeMs = wireTimeMs(createTime);
    this.mtimeMs = isSnapshot ? wireTimeMs(snapTime) : this.birthtimeMs;
  }

  /** The vid whose lock in the cluster is ours. */
  get lockedVid(): number | null {
    return this.hold?.lockedVid ?? null;
  }

  /** How many have it open. */
  get users(): number {
    return this.#users;
  }

  /** Whether others changed its size or its being usable since this was asked last. */
  looksChanged(): boolean {
    const { sizeBytes, failure } = this.volume;
    const changed = sizeBytes !== this.#sizeSeen || (failure !== null) !== this.#failureSeen;
    this.#sizeSeen = sizeBytes;
    this.#failureSeen = failure !== null;
    return changed;
  }

  /** @throws stale | busy when it is detached, or about to be */
  addUser(): void {
    if (this.state === "gone") throw new SheepfsError("stale", `'${this.title}' was detached`);
    if (this.state === "ending") {
      throw new SheepfsError("busy", `'${this.title}' is being detached`);
    }
    this.#users += 1;
  }

  removeUser(): void {
    assert(this.#users > 0, "a user leaves once");
    this.#users -= 1;
    if (this.#users === 0) for (const fn of [...this.#unused]) fn();
  }

  onUnused(fn: () => void): Unsubscribe {
    this.#unused.add(fn);
    return () => this.#unused.delete(fn);
  }
}
