import { sameBytes } from "../base/bytes.ts";
import type { Clock } from "../base/clock.ts";
import { asSheepfsError, SheepfsError } from "../base/errors.ts";
import { limits } from "../base/limits.ts";
import type { Logger } from "../base/log.ts";
import { deadlineScope, type Scope } from "../base/scope.ts";
import { waitWithin } from "../base/waiting.ts";
import { decodeInodeHeader, type InodeHeader, inodeHeaderBytes } from "../wire/inode.ts";
import { BtreeIndex } from "./btree-index.ts";
import { type Geometry, geometryOf } from "./geometry.ts";
import { IndexMap } from "./index-map.ts";
import { holeSlot, unloadedSlot } from "./plan.ts";
import type { ObjectStore, VdiName, VdiResolver } from "./ports.ts";
import type { SliceCache } from "./slice-cache.ts";
import type { VolumeIndex } from "./slots.ts";
import { TouchedSlots } from "./touched.ts";

/** What a volume needs of the outside. */
export interface VolumePorts {
  readonly store: ObjectStore;
  readonly resolver: VdiResolver;
  readonly clock: Clock;
  readonly log: Logger;
  /** How long what a volume does by itself waits; else `limits.operationTimeoutMs`. */
  readonly timeoutMs?: number;
  readonly cache: SliceCache;
  /** Entries at which a hypervolume's leaves are split; else `limits.btreeNodeEntriesMax`. */
  readonly btreeNodeEntriesMax?: number;
}

/** What a volume serves at the moment. */
export interface Opened {
  readonly header: InodeHeader;
  readonly geometry: Geometry;
  readonly index: VolumeIndex;
  /** What we changed in that index. */
  readonly touched: TouchedSlots;
  readonly trust: IndexTrust;
}

/** When the index of a VDI that has become a snapshot is read all the same. */
interface IndexTrust {
  /** There is no working VDI that could be read instead. */
  asSnapshot: boolean;
}

/** The state that the parts of one volume share: which VDI it is now, and its index. */
export class VolumeCore {
  readonly ports: VolumePorts;
  readonly name: VdiName;
  readonly title: string;
  readonly readOnly: boolean;
  header: InodeHeader;
  geometry: Geometry;
  index: VolumeIndex;
  touched: TouchedSlots;
  trust: IndexTrust;
  /** Blocks with data, own or inherited, as far as they were counted; null before the first count. */
  setBlocks: number | null = null;
  /** Counts changes of `setBlocks`, so that a count under way notices them. */
  setBlocksChanges = 0;
  /** Slots were changed since the vid was last known to be no snapshot. */
  unverified = false;
  /** When the last one was, on the clock's monotonic scale. */
  indexChangedMs = 0;
  /** The own block that was made a hole last. */
  lastCleared: number | null = null;
  /** When a write of its slot that made an own block a hole ended last, or failed. */
  clearedAtMs = 0;
  /** Looks at the VDI anew, and follows a snapshot; set by the volume. */
  moveOn: () => Promise<void> = async () => {};
  #failure: SheepfsError | null = null;

  private constructor(ports: VolumePorts, what: VolumeTarget, opened: Opened) {
    this.ports = ports;
    this.name = what.name;
    this.title = what.title;
    this.readOnly = what.readOnly;
    this.header = opened.header;
    this.geometry = opened.geometry;
    this.index = opened.index;
    this.touched = opened.touched;
    this.trust = opened.trust;
  }

  /** @throws too_large | not_supported | corrupt | whatever reading the index can throw */
  static async open(
    ports: VolumePorts,
    what: VolumeTarget,
    header: InodeHeader,
    scope: Scope,
  ): Promise<VolumeCore> {
    return new VolumeCore(ports, what, await openVdi(ports, { header, title: what.title }, scope));
  }

  get vid(): number {
    return this.header.vid;
  }

  /** Why nothing is read or written here any more; null as long as the VDI is ours. */
  get failure(): SheepfsError | null {
    return this.#failure;
  }

  /**
   * The VDI is not ours any more: whatever is asked for from now on fails with it, and what waits is
   * not sent. @returns the reason, which is the first one that was given
   */
  fail(reason: string): SheepfsError {
    if (this.#failure === null) {
      const advice = "nothing is read or written there any more; detach it and attach it again";
      this.#failure = new SheepfsError("stale", `${this.title} ${reason}; ${advice}`);
      this.ports.log.error(this.#failure.message);
    }
    return this.#failure;
  }

  /**
   * For work that belongs to several operations or outlives the one that began it.
   * @throws stale when there is to be none any more
   */
  newScope(): Scope {
    if (this.#failure !== null) throw this.#failure;
    return deadlineScope(this.ports.clock, this.ports.timeoutMs ?? limits.operationTimeoutMs);
  }

  /**
   * Work that several wait for, as long as this one of them still does: whoever is interrupted stops
   * waiting, and the work goes on.
   * @throws cancelled | timed_out | whatever the work throws
   */
  whileWanted<T>(wanted: Scope, work: (scope: Scope) => Promise<T>): Promise<T> {
    const about = { clock: this.ports.clock, what: `volume '${this.title}'` };
    return waitWithin(work(this.newScope()), wanted, about);
  }

  /** The slot, loaded when it must be. */
  async slot(index: number): Promise<number> {
    for (;;) {
      const slot = this.index.get(index);
      if (slot !== unloadedSlot) return slot;
      await this.loadSlot(index, this.newScope());
    }
  }

  /** Loads a slot, or moves the volume to another VDI: it may have to be asked for again. */
  loadSlot(index: number, scope: Scope): Promise<void> {
    return this.whileOurs((opened) => opened.load(index, scope));
  }

  /**
   * Reads of the index; when the VDI turns out to have become a snapshot, the volume moves on first.
   * @throws stale when it was deleted or is not ours | whatever reading throws
   */
  async whileOurs(read: (index: VolumeIndex) => Promise<void>): Promise<void> {
    for (let hop = 0; ; hop += 1) {
      try {
        await read(this.index);
        return;
      } catch (thrown) {
        const { code } = asSheepfsError(thrown);
        const moved = code === "read_only" || code === "stale";
        if (!moved || hop === limits.snapshotRetriesMax || this.#failure !== null) throw thrown;
        await this.moveOn();
      }
    }
  }

  /**
   * Looks at the truth after an object was missing, or moves the volume to another VDI.
   * @throws stale when the VDI was deleted elsewhere
   */
  async reloadSlot(index: number): Promise<void> {
    const { touched } = this;
    await this.moveOn();
    const created = touched.isCreated(index);
    await this.whileOurs(async (opened) => {
      if (touched !== this.touched) return;
      touched.unmark(index);
      opened.forget(index);
      try {
        await opened.load(index, this.newScope());
      } catch (thrown) {
        // A move takes along to the new VDI what is marked, and nothing else.
        if (created) touched.sawCreated(index);
        throw thrown;
      }
    });
    if (touched !== this.touched) return;
    const slot = await this.slot(index);
    if (touched !== this.touched) return;
    if (touched.isLeaving(index)) this.slotPutBack(touched, index);
    else if (created && slot === this.vid) touched.sawCreated(index);
  }

  /**
   * The object of a slot that we tried to clear is gone: it was cleared, whatever the sheep that
   * made a snapshot put back.
   */
  slotPutBack(touched: TouchedSlots, index: number): void {
    touched.sawCleared(index);
    this.index.forget(index);
  }

  /**
   * The header of our vid as the cluster has it now, without a name when it became a snapshot and that
   * was deleted; null when the volume has moved on meanwhile.
   * @throws stale, and fails the volume, when the vid is no longer that of our VDI
   */
  async readOwnHeader(scope: Scope): Promise<InodeHeader | null> {
    const { vid } = this;
    let header: InodeHeader | null = null;
    try {
      header = await this.readHeader(vid, scope);
    } catch (thrown) {
      if (asSheepfsError(thrown).code !== "stale") throw thrown;
    }
    if (vid !== this.vid) return null;
    if (header !== null && isSameVdi(header, this.header)) return header;
    // It became a snapshot and that was deleted: the working VDI may be there all the same.
    if (header !== null && this.#wasSnapshotted(header)) return header;
    throw this.fail("was deleted elsewhere");
  }

  #wasSnapshotted(header: InodeHeader): boolean {
    const { name } = this.header;
    const isSame = header.name.length === 0 && isSameVdi({ ...header, name }, this.header);
    return isSame && header.isSnapshot && !this.header.isSnapshot && this.name.snapshot === null;
  }

  async readHeader(vid: number, scope: Scope): Promise<InodeHeader> {
    const bytes = new Uint8Array(inodeHeaderBytes);
    await this.ports.store.readInode(vid, 0, bytes, scope);
    return decodeInodeHeader(bytes);
  }

  /** Another VDI, opened like ours. */
  openOther(header: InodeHeader): Promise<Opened> {
    return openVdi(this.ports, { header, title: this.title }, this.newScope());
  }

  /** From now on the volume is this VDI. */
  become(opened: Opened): void {
    this.index.close();
    this.header = opened.header;
    this.geometry = opened.geometry;
    this.index = opened.index;
    this.touched = opened.touched;
    this.trust = opened.trust;
    this.lastCleared = null;
    this.setBlocks = null;
    this.setBlocksChanges += 1;
    this.unverified = true;
    this.indexChangedMs = this.ports.clock.nowMs();
  }

  /** A slot of the index was acknowledged to have changed. */
  slotChanged(index: number, from: number, to: number): void {
    this.setBlocksChanges += 1;
    if (this.setBlocks !== null) {
      if (from !== holeSlot) this.setBlocks -= 1;
      if (to !== holeSlot) this.setBlocks += 1;
    }
    this.touched.unmarkOwed(index);
    // There are no snapshots of a hypervolume, and it may have more blocks than bits for them.
    if (this.geometry.kind === "btree") return;
    this.unverified = true;
    this.indexChangedMs = this.ports.clock.nowMs();
    if (to === this.vid) this.touched.markCreated(index);
    else this.touched.markCleared(index);
  }

  /** A change of a slot failed: whether it was made is not known. */
  slotUnsure(index: number, from: number, to: number): void {
    this.touched.markOwed(index);
    // It was only to be written anew.
    if (from === to) return;
    this.setBlocksChanges += 1;
    this.setBlocks = null;
    this.index.forget(index);
    if (this.geometry.kind === "btree") return;
    // It may have been changed, and a snapshot under way have left that out.
    this.unverified = true;
    this.indexChangedMs = this.ports.clock.nowMs();
    this.touched.markUnsure(index);
  }

  /** The error of one piece of I/O, naming the volume and the place. */
  ioError(error: SheepfsError, verb: string, at: { index: number; within: number }): SheepfsError {
    const offset = at.index * this.geometry.objectBytes + at.within;
    const message = `${this.title}: ${verb} at offset ${offset}: ${error.message}`;
    return new SheepfsError(error.code, message, { cause: error, inDoubt: error.inDoubt });
  }
}

/** Which VDI a volume is opened for. */
export interface VolumeTarget {
  readonly name: VdiName;
  /** How messages call it. */
  readonly title: string;
  readonly readOnly: boolean;
}

/** A vid and a name may both be given to another VDI, when its cluster uses vids again. */
function isSameVdi(a: InodeHeader, b: InodeHeader): boolean {
  const sameTime =
    a.createTime.seconds === b.createTime.seconds &&
    a.createTime.nanoseconds === b.createTime.nanoseconds;
  return a.vid === b.vid && sameTime && sameBytes(a.name, b.name);
}

interface VdiAbout {
  readonly header: InodeHeader;
  readonly title: string;
}

/**
 * Throws when the VDI may be one that somebody deletes: as a snapshot, which it was not.
 * @throws stale when it was deleted | read_only when it has become a snapshot
 */
function checkUncleared(
  bytes: Uint8Array,
  { header, title, trust }: VdiAbout & { readonly trust: IndexTrust },
): void {
  const now = decodeInodeHeader(bytes);
  if (!isSameVdi(now, header)) throw new SheepfsError("stale", `${title} was deleted elsewhere`);
  if (now.isSnapshot === header.isSnapshot || trust.asSnapshot) return;
  throw new SheepfsError("read_only", `${title} has become a snapshot`);
}

async function openVdi(ports: VolumePorts, about: VdiAbout, scope: Scope): Promise<Opened> {
  const { header, title } = about;
  const geometry = geometryOf(header, title);
  const touched = new TouchedSlots();
  const trust = { asSnapshot: false };
  const checkVdi = (bytes: Uint8Array): void => checkUncleared(bytes, { ...about, trust });
  const index =
    geometry.kind === "array"
      ? new IndexMap(ports, { vid: header.vid, title, touched, checkVdi })
      : await BtreeIndex.open({ ...ports, nodeEntriesMax: nodeEntriesMax(ports) }, about, scope);
  return { header, geometry, index, touched, trust };
}

function nodeEntriesMax(ports: VolumePorts): number {
  return ports.btreeNodeEntriesMax ?? limits.btreeNodeEntriesMax;
}
