import type { Clock } from "../base/clock.ts";
import { SheepfsError } from "../base/errors.ts";
import { limits } from "../base/limits.ts";
import type { Logger } from "../base/log.ts";
import { deadlineScope, type Scope } from "../base/scope.ts";
import { decodeInodeHeader, type InodeHeader, inodeHeaderBytes } from "../wire/inode.ts";
import { BtreeIndex } from "./btree-index.ts";
import { type Geometry, geometryOf } from "./geometry.ts";
import { IndexMap } from "./index-map.ts";
import { unloadedSlot } from "./plan.ts";
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
  readonly cache: SliceCache;
}

/** The state that the parts of one volume share: which VDI it is now, and its index. */
export class VolumeCore {
  readonly ports: VolumePorts;
  readonly name: VdiName;
  /** How messages call it. */
  readonly title: string;
  readonly readOnly: boolean;
  /** What we changed in the index of the present vid. */
  readonly touched = new TouchedSlots();
  header: InodeHeader;
  geometry: Geometry;
  index: VolumeIndex;
  /** Own blocks as far as they were counted; null before the first count. */
  ownBlocks: number | null = null;
  /** Counts changes of `ownBlocks`, so that a count under way notices them. */
  ownBlocksChanges = 0;
  /** Index writes since the vid was last known to be no snapshot. */
  unverified = false;
  /** An own block that can be used to ask. */
  probeIndex: number | null = null;

  private constructor(
    ports: VolumePorts,
    what: { readonly name: VdiName; readonly title: string; readonly readOnly: boolean },
    header: InodeHeader,
    opened: { readonly geometry: Geometry; readonly index: VolumeIndex },
  ) {
    this.ports = ports;
    this.name = what.name;
    this.title = what.title;
    this.readOnly = what.readOnly;
    this.header = header;
    this.geometry = opened.geometry;
    this.index = opened.index;
  }

  /** @throws too_large | not_supported | corrupt | whatever reading the index can throw */
  static async open(
    ports: VolumePorts,
    what: { readonly name: VdiName; readonly title: string; readonly readOnly: boolean },
    header: InodeHeader,
    scope: Scope,
  ): Promise<VolumeCore> {
    const geometry = geometryOf(header, what.title);
    const index = await openIndex(ports, header, { geometry, title: what.title }, scope);
    return new VolumeCore(ports, what, header, { geometry, index });
  }

  get vid(): number {
    return this.header.vid;
  }

  /** For work that belongs to several operations or outlives the one that began it. */
  newScope(): Scope {
    return deadlineScope(this.ports.clock, limits.operationTimeoutMs);
  }

  /** The slot, loaded when it must be. */
  async slot(index: number): Promise<number> {
    for (;;) {
      const slot = this.index.get(index);
      if (slot !== unloadedSlot) return slot;
      await this.index.load(index, this.newScope());
    }
  }

  /**
   * Looks at the truth after an object was missing.
   * @throws stale when the VDI was deleted elsewhere
   */
  async reloadSlot(index: number): Promise<void> {
    const header = await this.readHeader(this.vid, this.newScope());
    if (header.vid !== this.vid || !sameBytes(header.name, this.header.name)) {
      throw new SheepfsError("stale", `${this.title} was deleted elsewhere; detach it`);
    }
    this.index.forget(index);
    await this.index.load(index, this.newScope());
  }

  async readHeader(vid: number, scope: Scope): Promise<InodeHeader> {
    const bytes = new Uint8Array(inodeHeaderBytes);
    await this.ports.store.readInode(vid, 0, bytes, scope);
    return decodeInodeHeader(bytes);
  }

  openIndexOf(header: InodeHeader, geometry: Geometry): Promise<VolumeIndex> {
    return openIndex(this.ports, header, { geometry, title: this.title }, this.newScope());
  }

  /** From now on the volume is this VDI. */
  become(header: InodeHeader, opened: { geometry: Geometry; index: VolumeIndex }): void {
    this.index.close();
    this.header = header;
    this.geometry = opened.geometry;
    this.index = opened.index;
    this.touched.clear();
    this.ownBlocks = null;
    this.ownBlocksChanges += 1;
    this.unverified = false;
    this.probeIndex = null;
  }

  /** A slot of the index was acknowledged to have changed. */
  slotChanged(index: number, from: number, to: number): void {
    this.ownBlocksChanges += 1;
    this.unverified = true;
    if (to === this.vid) {
      this.touched.markCreated(index);
      this.probeIndex = index;
      if (from !== this.vid && this.ownBlocks !== null) this.ownBlocks += 1;
    } else {
      this.touched.markCleared(index);
      if (this.probeIndex === index) this.probeIndex = null;
      if (from === this.vid && this.ownBlocks !== null) this.ownBlocks -= 1;
    }
  }

  /** The error of one piece of I/O, naming the volume and the place. */
  ioError(error: SheepfsError, verb: string, at: { index: number; within: number }): SheepfsError {
    const offset = at.index * this.geometry.objectBytes + at.within;
    const message = `${this.title}: ${verb} at offset ${offset}: ${error.message}`;
    return new SheepfsError(error.code, message, { cause: error, inDoubt: error.inDoubt });
  }
}

async function openIndex(
  ports: VolumePorts,
  header: InodeHeader,
  about: { readonly geometry: Geometry; readonly title: string },
  scope: Scope,
): Promise<VolumeIndex> {
  const { store, cache } = ports;
  if (about.geometry.kind === "array") return new IndexMap(store, cache, header.vid, about.title);
  return BtreeIndex.open({ store, cache, title: about.title }, header, scope);
}

export function sameBytes(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, at) => byte === b[at]);
}
