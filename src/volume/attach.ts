import { assert } from "../base/assert.ts";
import { sameBytes } from "../base/bytes.ts";
import { asSheepfsError, SheepfsError } from "../base/errors.ts";
import { limits } from "../base/limits.ts";
import { deadlineScope, type Scope, throwIfEnded, type Unsubscribe } from "../base/scope.ts";
import { AttachedVolume, type VdiHold } from "./attached.ts";
import type { VolumePorts } from "./core.ts";
import type { VdiName } from "./ports.ts";
import { Volume } from "./volume.ts";
import { Watch } from "./watch.ts";

/** What keeps others from writing the VDIs that we write. It outlives us until it is given back. */
export interface VdiHolds {
  /**
   * Makes the working VDI of that name ours alone to write.
   * @throws busy naming the holder | not_found
   */
  hold(name: Uint8Array, scope: Scope): Promise<VdiHold>;
}

export interface AttachRequest {
  readonly name: VdiName;
  /** What it is called here: one title for one VDI or snapshot. */
  readonly title: string;
}

export interface AttachOptions {
  readonly ports: VolumePorts;
  readonly holds: VdiHolds;
  /** Every volume is attached for reading only, and nobody is kept from writing. */
  readonly readOnly: boolean;
  /** Left out where there can be but one. */
  readonly cluster?: AttachCluster;
}

/** To which cluster belongs what is attached. */
export interface AttachCluster {
  /** Before the first of all volumes: it belongs to the cluster that answers now. */
  begin(): Promise<void>;
  /** Another one answers in its place, and is not written to. */
  isAnother(): boolean;
}

export interface AttachChange {
  /** Changed is what others did to it: its size, or that it can no longer be used. */
  readonly what: "attached" | "detached" | "changed";
  readonly volume: AttachedVolume;
}

/** Where one title is on its way; a title that is not here is not attached. */
type Place =
  | { readonly at: "attaching"; readonly promise: Promise<AttachedVolume> }
  | { readonly at: "attached"; readonly volume: AttachedVolume }
  | { readonly at: "detaching"; readonly volume: AttachedVolume };

/** The volumes that are served here. */
export class AttachedVolumes {
  readonly #options: AttachOptions;
  readonly #places = new Map<string, Place>();
  readonly #listeners = new Set<(change: AttachChange) => void>();
  readonly #watch: Watch;
  /** Open for reading. */
  #snapshots = 0;
  /** The first of all waits to know of which cluster it is, and with it who came since. */
  #beginning: Promise<void> | null = null;

  constructor(options: AttachOptions) {
    this.#options = options;
    this.#watch = new Watch({
      clock: options.ports.clock,
      volumes: () => this.list(),
      look: (volume, scope) => this.#look(volume, scope),
    });
  }

  /** What is attached, in the order of attaching. */
  list(): readonly AttachedVolume[] {
    return [...this.#places.values()].flatMap((place) =>
      place.at === "attaching" ? [] : [place.volume],
    );
  }

  /** Nothing is attached or on its way to be, and no snapshot is open. */
  get empty(): boolean {
    if (this.#beginning !== null) return true;
    return this.#places.size === 0 && this.#snapshots === 0;
  }

  get(title: string): AttachedVolume | null {
    const place = this.#places.get(title);
    return place === undefined || place.at === "attaching" ? null : place.volume;
  }

  on(fn: (change: AttachChange) => void): Unsubscribe {
    this.#listeners.add(fn);
    return () => this.#listeners.delete(fn);
  }

  /**
   * Begins to serve a VDI; one that is attached already is left as it is.
   * @throws not_found | busy (locked elsewhere, or being detached) | exists (the title is another's)
   *   | overload | too_large | not_supported | whatever the cluster can throw
   */
  async attach(request: AttachRequest, scope: Scope): Promise<AttachedVolume> {
    for (;;) {
      const place = this.#places.get(request.title);
      if (place === undefined) return await this.#begin(request, scope);
      if (place.at === "attached") {
        if (!(await this.#isStillThere(place.volume, scope))) continue;
        return await this.#sameVdi(place.volume, request, scope);
      }
      if (place.at === "detaching") {
        throw new SheepfsError("busy", `'${request.title}' is being detached; try again`);
      }
      try {
        return await this.#sameVdi(await place.promise, request, scope);
      } catch (thrown) {
        // That whoever began it gave up says nothing about the VDI.
        if (!gaveUp(thrown)) throw thrown;
        throwIfEnded(scope, this.#options.ports.clock, `attach '${request.title}'`);
      }
    }
  }

  /** A snapshot for reading, which is not attached by that; until `closeSnapshot`. */
  async openSnapshot(what: AttachRequest, scope: Scope): Promise<Volume> {
    const begun = this.#begun();
    this.#snapshots += 1;
    try {
      await begun;
      return await Volume.open(this.#options.ports, { ...what, readOnly: true }, scope);
    } catch (thrown) {
      this.#snapshots -= 1;
      throw thrown;
    }
  }

  async closeSnapshot(volume: Volume, scope: Scope): Promise<void> {
    this.#snapshots -= 1;
    await volume.close(scope);
  }

  /**
   * Makes durable what was written to it, when it is still ours, and ends serving it.
   * @throws invalid when it is not attached | busy while it is open | whatever a flush can throw;
   *   it stays attached then
   */
  async detach(title: string, scope: Scope): Promise<void> {
    const volume = this.#attached(title);
    await this.#unused(volume);
    // What waited may have been overtaken.
    if (this.#attached(title) !== volume) throw notAttached(title);
    if (volume.users > 0) {
      const handles = volume.users === 1 ? "once" : `${volume.users} times`;
      throw new SheepfsError(
        "busy",
        `'${title}' is open ${handles}; end what uses it ('fuser -v' on volume/${title} names it)`,
      );
    }
    this.#move(volume, "ending");
    try {
      await volume.volume.flush(scope);
    } catch (thrown) {
      this.#letGo(volume);
      if (volume.volume.failure === null) {
        this.#move(volume, "serving");
        throw thrown;
      }
    }
    await this.#drop(volume, scope);
  }

  /**
   * Looks what others did to the VDI: a new size is taken over, a snapshot followed. One that is not
   * ours any more is detached when it is not open.
   * @throws stale when it is not ours any more | whatever the cluster can throw
   */
  async refresh(volume: AttachedVolume, scope: Scope): Promise<void> {
    try {
      await volume.volume.refresh(scope);
      await this.#checkHold(volume, scope);
    } finally {
      if (volume.looksChanged()) this.#tell({ what: "changed", volume });
      if (volume.volume.failure !== null) await this.#dropFailed(volume, scope);
    }
  }

  /** For the end of the program: everything is made durable and given back. */
  async detachAll(scope: Scope): Promise<void> {
    // What is just being attached may be held already.
    const attaching = [...this.#places.values()].flatMap((place) =>
      place.at === "attaching" ? [place.promise] : [],
    );
    await Promise.allSettled(attaching);
    const volumes = this.list().filter(({ state }) => state === "serving");
    for (const volume of volumes) this.#move(volume, "ending");
    for (const volume of volumes) this.#letGo(volume);
    const ours = volumes.filter(({ volume }) => volume.failure === null);
    const flushes = await Promise.allSettled(ours.map(({ volume }) => volume.flush(scope)));
    for (const volume of volumes) await this.#drop(volume, scope);
    const failed = flushes.find((result) => result.status === "rejected");
    if (failed !== undefined) throw asSheepfsError(failed.reason);
  }

  /** To be called before anything else is: who is the first is known by that nothing is there. */
  #begun(): Promise<void> {
    const { cluster } = this.#options;
    if (this.#beginning === null && cluster !== undefined && this.empty) {
      this.#beginning = cluster.begin().finally(() => {
        this.#beginning = null;
      });
    }
    return this.#beginning ?? Promise.resolve();
  }

  /** What belongs to a cluster in whose place another one answers cannot be made durable any more. */
  #letGo({ title, volume }: AttachedVolume): void {
    if (volume.failure !== null || this.#options.cluster?.isAnother() !== true) return;
    const { message } = volume.fail("belongs to a cluster in whose place another one answers now");
    this.#options.ports.log.error(`'${title}' is detached without its last flush: ${message}`);
  }

  async #begin(request: AttachRequest, scope: Scope): Promise<AttachedVolume> {
    if (this.#places.size >= limits.volumesAttachedMax) {
      throw new SheepfsError(
        "overload",
        `'${request.title}' would be more than ${limits.volumesAttachedMax} volumes; detach one`,
      );
    }
    const promise = this.#open(request, this.#begun(), scope);
    this.#places.set(request.title, { at: "attaching", promise });
    try {
      const volume = await promise;
      this.#places.set(request.title, { at: "attached", volume });
      this.#tell({ what: "attached", volume });
      this.#watch.start();
      return volume;
    } catch (thrown) {
      this.#places.delete(request.title);
      throw thrown;
    }
  }

  async #open(
    { name, title }: AttachRequest,
    begun: Promise<void>,
    scope: Scope,
  ): Promise<AttachedVolume> {
    const { ports, holds } = this.#options;
    const readOnly = this.#options.readOnly || name.snapshot !== null;
    await begun;
    const hold = readOnly ? null : await holds.hold(name.name, scope);
    try {
      const volume = await Volume.open(ports, { name, title, readOnly }, scope);
      return new AttachedVolume({ title, name, readOnly, volume, hold });
    } catch (thrown) {
      if (hold !== null) await this.#release(title, hold);
      throw thrown;
    }
  }

  /** @throws exists when the title belongs to another VDI or snapshot | not_found */
  async #sameVdi(
    volume: AttachedVolume,
    { name, title }: AttachRequest,
    scope: Scope,
  ): Promise<AttachedVolume> {
    const sameKind = (volume.name.snapshot === null) === (name.snapshot === null);
    if (sameKind && sameBytes(volume.name.name, name.name)) return volume;
    // What is not there is not what was meant.
    await this.#options.ports.resolver.resolve(name, scope);
    throw new SheepfsError("exists", `'${title}' is the name of another attached volume`);
  }

  #attached(title: string): AttachedVolume {
    const place = this.#places.get(title);
    if (place === undefined) throw notAttached(title);
    if (place.at === "attached") return place.volume;
    throw new SheepfsError("busy", `'${title}' is ${place.at} already; try again`);
  }

  /**
   * Whether an attached volume is still the VDI of its name, as far as we can know; false when it was
   * deleted and is detached now, so that another one of its name can be attached.
   */
  async #isStillThere(volume: AttachedVolume, scope: Scope): Promise<boolean> {
    try {
      await this.refresh(volume, scope);
    } catch (thrown) {
      if (volume.state === "gone") return false;
      if (volume.volume.failure !== null) throw thrown;
    }
    return true;
  }

  /** Resolves when nobody has it open, or after a moment: programs and loop devices close late. */
  async #unused(volume: AttachedVolume): Promise<void> {
    if (volume.users === 0) return;
    const over = Promise.withResolvers<void>();
    const timer = this.#options.ports.clock.after(limits.detachPatienceMs, () => over.resolve());
    const unsubscribe = volume.onUnused(() => over.resolve());
    await over.promise;
    timer.cancel();
    unsubscribe();
  }

  /** A failure that is of the cluster and not of the VDI is told where it is asked for. */
  async #look(volume: AttachedVolume, scope: Scope): Promise<void> {
    try {
      await this.refresh(volume, scope);
    } catch (thrown) {
      const { message } = asSheepfsError(thrown);
      this.#options.ports.log.debug(`looking at '${volume.title}': ${message}`);
    }
  }

  /** Nothing can be done with it, and whoever attaches it anew gets the VDI of its name. */
  async #dropFailed(volume: AttachedVolume, scope: Scope): Promise<void> {
    const place = this.#places.get(volume.title);
    if (place?.at !== "attached" || place.volume !== volume || volume.users > 0) return;
    this.#options.ports.log.warn(`'${volume.title}' is not open and is detached`);
    this.#move(volume, "ending");
    await this.#drop(volume, scope);
  }

  #move(volume: AttachedVolume, state: "serving" | "ending"): void {
    volume.state = state;
    const at = state === "serving" ? "attached" : "detaching";
    this.#places.set(volume.title, { at, volume });
  }

  async #drop(volume: AttachedVolume, scope: Scope): Promise<void> {
    volume.state = "gone";
    try {
      await volume.volume.close(scope);
    } catch (thrown) {
      // It was flushed as far as it could be, and shall not stay half attached.
      this.#options.ports.log.warn(`closing '${volume.title}': ${asSheepfsError(thrown).message}`);
    }
    await this.#giveBack(volume);
    assert(this.get(volume.title) === volume, "what is dropped was attached");
    this.#places.delete(volume.title);
    if (this.list().length === 0) this.#watch.stop();
    this.#tell({ what: "detached", volume });
  }

  /** Whose VDI is somebody else's to write stops, and only then lets go of what it still has. */
  async #checkHold(volume: AttachedVolume, scope: Scope): Promise<void> {
    const { hold } = volume;
    if (hold === null) return;
    const lost = await hold.check(volume.volume.header.vid, scope);
    if (lost === null) return;
    const failure = volume.volume.fail(lost);
    await volume.volume.settled(scope);
    await this.#giveBack(volume);
    throw failure;
  }

  async #giveBack(volume: AttachedVolume): Promise<void> {
    const { hold } = volume;
    volume.hold = null;
    if (hold !== null) await this.#release(volume.title, hold);
  }

  /** With time of its own: what stays keeps everybody else out. */
  async #release(title: string, hold: VdiHold): Promise<void> {
    const { ports } = this.#options;
    try {
      await hold.release(deadlineScope(ports.clock, limits.requestTimeoutMs));
    } catch (thrown) {
      const { message } = asSheepfsError(thrown);
      ports.log.error(`'${title}' stays locked, as it could not be given back: ${message}`);
    }
  }

  #tell(change: AttachChange): void {
    for (const fn of this.#listeners) fn(change);
  }
}

function notAttached(title: string): SheepfsError {
  return new SheepfsError("invalid", `'${title}' is not attached`);
}

function gaveUp(thrown: unknown): boolean {
  const { code } = asSheepfsError(thrown);
  return code === "cancelled" || code === "timed_out";
}
