import { assert } from "../base/assert.ts";
import { SheepfsError } from "../base/errors.ts";
import type { Unsubscribe } from "../base/scope.ts";
import type { WireTime } from "../wire/inode.ts";
import type { VdiName } from "./ports.ts";
import type { Volume } from "./volume.ts";

export interface AttachedVolumeOptions {
  readonly title: string;
  readonly name: VdiName;
  readonly readOnly: boolean;
  readonly volume: Volume;
  /** The vid whose lock we hold. */
  readonly lockedVid: number | null;
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
  lockedVid: number | null;
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
    this.lockedVid = options.lockedVid;
    this.#sizeSeen = options.volume.sizeBytes;
    const { createTime, snapTime, isSnapshot } = options.volume.header;
    this.birthtimeMs = wireTimeMs(createTime);
    this.mtimeMs = isSnapshot ? wireTimeMs(snapTime) : this.birthtimeMs;
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

function wireTimeMs({ seconds, nanoseconds }: WireTime): number {
  return seconds * 1000 + Math.floor(nanoseconds / 1e6);
}
