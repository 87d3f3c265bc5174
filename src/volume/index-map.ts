import { assert } from "../base/assert.ts";
import { SheepfsError } from "../base/errors.ts";
import { limits } from "../base/limits.ts";
import type { Scope } from "../base/scope.ts";
import { inodeHeaderBytes, slotBytes, slotOffset } from "../wire/inode.ts";
import { vidMax } from "../wire/oid.ts";
import { unloadedSlot } from "./plan.ts";
import type { ObjectStore } from "./ports.ts";
import type { CachedPart, SliceCache } from "./slice-cache.ts";
import type { SlotUpdate, VolumeIndex } from "./slots.ts";
import type { TouchedSlots } from "./touched.ts";

/** 16 KiB of an inode: loaded in one request, and 256 of them are the whole index. */
const sliceSlots = 4_096;
const sliceShift = 12;

interface Load {
  readonly promise: Promise<void>;
  /** Slots of it that were written while it was being read: what comes may be older. */
  readonly written: SlotUpdate[];
  /** It was to be forgotten while it was being read: it is read again. */
  outdated: boolean;
}

/** The array of slots of one VDI, held by slices as they are needed. */
export class IndexMap implements VolumeIndex {
  readonly writesInflightMax = limits.indexWritesInflightMax;
  readonly #store: ObjectStore;
  readonly #cache: SliceCache;
  readonly #vid: number;
  readonly #title: string;
  readonly #touched: TouchedSlots;
  readonly #slices: Array<Slice | null> = [];
  readonly #loads = new Map<number, Load>();
  #closed = false;

  readonly #checkVdi: (header: Uint8Array) => void;

  /**
   * @param about.touched laid over what is read
   * @param about.checkVdi given the header that was read with slots, or after them: throws when they may
   *   have been cleared, as whoever deletes a VDI clears its slots first
   */
  constructor(
    ports: { readonly store: ObjectStore; readonly cache: SliceCache },
    about: {
      readonly vid: number;
      readonly title: string;
      readonly touched: TouchedSlots;
      readonly checkVdi: (header: Uint8Array) => void;
    },
  ) {
    this.#store = ports.store;
    this.#cache = ports.cache;
    this.#vid = about.vid;
    this.#title = about.title;
    this.#touched = about.touched;
    this.#checkVdi = about.checkVdi;
  }

  get(index: number): number {
    const slice = this.#slices[index >>> sliceShift];
    if (slice === undefined || slice === null) return unloadedSlot;
    slice.used = true;
    return slice.slots[index & (sliceSlots - 1)] ?? unloadedSlot;
  }

  load(index: number, scope: Scope): Promise<void> {
    const number = index >>> sliceShift;
    const running = this.#loads.get(number);
    if (running !== undefined) return running.promise;
    const promise = this.#loadSlice(number, scope);
    const load: Load = { promise, written: [], outdated: false };
    this.#loads.set(number, load);
    return load.promise;
  }

  forget(index: number): void {
    const number = index >>> sliceShift;
    const load = this.#loads.get(number);
    if (load !== undefined) load.outdated = true;
    const slice = this.#slices[number];
    if (slice === undefined || slice === null) return;
    this.#cache.remove(slice);
    slice.drop();
  }

  batch(updates: readonly SlotUpdate[], from: number): number {
    let count = 1;
    while (count < limits.indexRunSlotsMax) {
      const next = updates[from + count];
      const last = updates[from + count - 1];
      // The sheep drops a reference for every slot of the range: a run never bridges a gap.
      if (next === undefined || last === undefined || next.index !== last.index + 1) break;
      count += 1;
    }
    return count;
  }

  async write(
    updates: readonly SlotUpdate[],
    scope: Scope,
    resolved: () => void,
  ): Promise<boolean> {
    const [first] = updates;
    assert(first !== undefined, "a run has slots");
    const values = new Uint32Array(updates.length);
    updates.forEach((update, at) => {
      assert(update.index === first.index + at, "a run is contiguous");
      values[at] = update.value;
    });
    const bytes = new Uint8Array(values.buffer);
    const offset = slotOffset(first.index);
    const once = await this.#store.writeInode(this.#vid, offset, bytes, scope, resolved);
    for (const update of updates) this.#set(update);
    return once;
  }

  async scan(
    range: { readonly from: number; readonly end: number },
    visit: (index: number, slot: number) => boolean,
    scope: Scope,
  ): Promise<void> {
    const chunkSlots = limits.indexScanBytes / slotBytes;
    for (let from = range.from; from < range.end; from += chunkSlots) {
      const slots = await this.#read(from, Math.min(chunkSlots, range.end - from), scope);
      this.#touched.overlay(from, slots, this.#vid);
      for (let at = 0; at < slots.length; at += 1) {
        const slot = slots[at] ?? 0;
        if (slot !== 0 && !visit(from + at, slot)) return;
      }
    }
  }

  close(): void {
    this.#closed = true;
    for (const slice of this.#slices)
      if (slice !== undefined && slice !== null) this.#cache.remove(slice);
    this.#slices.length = 0;
  }

  async #loadSlice(number: number, scope: Scope): Promise<void> {
    // The load is registered after this call returns; nothing of it may happen before.
    await Promise.resolve();
    try {
      for (;;) {
        const load = this.#loads.get(number);
        assert(load !== undefined, "a load is registered");
        load.outdated = false;
        load.written.length = 0;
        const slots = await this.#read(number * sliceSlots, sliceSlots, scope);
        if (this.#closed || (this.#slices[number] ?? null) !== null) return;
        if (load.outdated) continue;
        const first = number * sliceSlots;
        this.#touched.settleUnsure(first, slots, this.#vid);
        this.#touched.overlay(first, slots, this.#vid);
        for (const update of load.written) slots[update.index & (sliceSlots - 1)] = update.value;
        this.#put(number, new Slice(this.#slices, number, slots));
        return;
      }
    } finally {
      this.#loads.delete(number);
    }
  }

  #put(number: number, slice: Slice): void {
    while (this.#slices.length <= number) this.#slices.push(null);
    this.#slices[number] = slice;
    this.#cache.add(slice);
  }

  #set(update: SlotUpdate): void {
    const number = update.index >>> sliceShift;
    const load = this.#loads.get(number);
    if (load !== undefined) load.written.push({ index: update.index, value: update.value });
    const slice = this.#slices[number];
    if (slice !== undefined && slice !== null) {
      slice.slots[update.index & (sliceSlots - 1)] = update.value;
    }
  }

  async #read(from: number, count: number, scope: Scope): Promise<Uint32Array> {
    const slots = new Uint32Array(count);
    const bytes = new Uint8Array(slots.buffer);
    const offset = slotOffset(from);
    // One request where that costs no more than two.
    if (offset <= limits.inodeFirstBytes) {
      const whole = new Uint8Array(offset + bytes.length);
      await this.#store.readInode(this.#vid, 0, whole, scope);
      this.#checkVdi(whole.subarray(0, inodeHeaderBytes));
      bytes.set(whole.subarray(offset));
    } else {
      await this.#store.readInode(this.#vid, offset, bytes, scope);
      const header = new Uint8Array(inodeHeaderBytes);
      await this.#store.readInode(this.#vid, 0, header, scope);
      this.#checkVdi(header);
    }
    for (let at = 0; at < count; at += 1) {
      const slot = slots[at] ?? 0;
      if (slot > vidMax) {
        throw new SheepfsError(
          "corrupt",
          `${this.#title}: slot ${from + at} of its index holds ${slot}, which is no VDI number`,
        );
      }
    }
    return slots;
  }
}

class Slice implements CachedPart {
  readonly bytes = sliceSlots * slotBytes;
  readonly slots: Uint32Array;
  used = true;
  place = 0;
  readonly #owner: Array<Slice | null>;
  readonly #number: number;

  constructor(owner: Array<Slice | null>, number: number, slots: Uint32Array) {
    this.#owner = owner;
    this.#number = number;
    this.slots = slots;
  }

  drop(): void {
    this.#owner[this.#number] = null;
  }
}
