import { assert } from "../base/assert.ts";
import type { Clock } from "../base/clock.ts";
import { SheepfsError } from "../base/errors.ts";
import { limits } from "../base/limits.ts";
import type { Scope } from "../base/scope.ts";
import { BtreeHeader, btreeCounterOffset, btreeRootEntriesMax } from "../wire/btree.ts";
import { type InodeHeader, slotsAt } from "../wire/inode.ts";
import {
  cut,
  decodeLeaf,
  decodeRoot,
  encodeLeaf,
  encodeRoot,
  highestOf,
  type Leaf,
  lowerBound,
  merge,
  nodeShape,
  type Root,
  vidIn,
} from "./btree-node.ts";
import { Doubts } from "./doubts.ts";
import { holeSlot, unloadedSlot } from "./plan.ts";
import type { ObjectStore } from "./ports.ts";
import type { CachedPart, SliceCache } from "./slice-cache.ts";
import type { SlotUpdate, VolumeIndex } from "./slots.ts";

export interface BtreePorts {
  readonly store: ObjectStore;
  readonly cache: SliceCache;
  readonly clock: Clock;
  /** Entries at which a leaf is split; see `limits.btreeNodeEntriesMax`. */
  readonly nodeEntriesMax: number;
}

/** What lies in the inode's slot area: the only leaf, or the root of all. */
type Top = { readonly depth: 1; readonly leaf: Leaf } | { readonly depth: 2; readonly root: Root };

/**
 * Bytes in front of the top that are written with it. A write that begins inside the slot area
 * counts as one of slots, and the sheep would drop a reference for each of its words; one that
 * begins before does not. So little of the header is written that no change of it can be undone.
 * Source: protocol §8.5
 */
const leadBytes = 4;
const topAt = slotsAt - leadBytes;

/** Index of a hypervolume: a B-tree of one or two levels. Source: protocol §10.1 */
export class BtreeIndex implements VolumeIndex {
  /** A node is written as a whole, so that two writes of one could undo each other. */
  readonly writesInflightMax = 1;
  readonly #ports: BtreePorts;
  readonly #vid: number;
  readonly #title: string;
  #top: Part<Top> | null = null;
  readonly #leaves = new Map<number, Part<Leaf>>();
  /** Number of the next index node. */
  #counter: number;
  readonly #lead = new Uint8Array(leadBytes);
  readonly #doubts = new Doubts();
  /** Reads and writes of nodes take turns: a read never meets half a change. */
  #turn: Promise<void> = Promise.resolve();
  /**
   * A write of the top failed, and none was acknowledged since: what is read of it may not stay, and
   * a leaf is reached only through it.
   */
  #topOwed = false;
  /** Counts `forget`: what was being read then is not kept. */
  #forgets = 0;
  #closed = false;

  private constructor(ports: BtreePorts, header: InodeHeader, title: string) {
    this.#ports = ports;
    this.#vid = header.vid;
    this.#title = title;
    this.#counter = header.btreeCounter;
  }

  /** @throws corrupt | whatever reading can throw */
  static async open(
    ports: BtreePorts,
    about: { readonly header: InodeHeader; readonly title: string },
    scope: Scope,
  ): Promise<BtreeIndex> {
    const index = new BtreeIndex(ports, about.header, about.title);
    await index.#loadTop(scope);
    return index;
  }

  get(index: number): number {
    const top = this.#top;
    if (top === null) return unloadedSlot;
    top.used = true;
    if (top.value.depth === 1) return vidIn(top.value.leaf, index);
    const { highest, numbers } = top.value.root;
    const at = lowerBound(highest, index);
    if (at === highest.length) return holeSlot;
    const leaf = this.#leaves.get(numbers[at] ?? 0);
    if (leaf === undefined) return unloadedSlot;
    leaf.used = true;
    return vidIn(leaf.value, index);
  }

  async load(index: number, scope: Scope): Promise<void> {
    await this.#takingTurns(async () => {
      const top = await this.#loadTop(scope);
      if (top.depth === 1) return;
      const at = lowerBound(top.root.highest, index);
      if (at < top.root.highest.length) await this.#leaf(top.root, at, { keep: true }, scope);
    });
  }

  forget(_index: number): void {
    const { cache } = this.#ports;
    this.#forgets += 1;
    if (this.#top !== null) cache.remove(this.#top);
    for (const leaf of this.#leaves.values()) cache.remove(leaf);
    this.#top = null;
    this.#leaves.clear();
  }

  batch(updates: readonly SlotUpdate[], from: number): number {
    return Math.min(updates.length - from, limits.indexRunSlotsMax);
  }

  async write(
    updates: readonly SlotUpdate[],
    scope: Scope,
    resolved: () => void,
  ): Promise<boolean> {
    // What may still land would put back an older node as a whole.
    await this.#doubts.settled(scope, this.#ports.clock, `${this.#title}: write of the index`);
    await this.#takingTurns(async () => {
      await this.#doubts.watch(async (over) => {
        const top = await this.#loadTop(scope);
        const io = { scope, over };
        if (top.depth === 1) await this.#updateTopLeaf(top.leaf, updates, io);
        else await this.#updateLeaves(top.root, updates, io);
      }, resolved);
    });
    // No sheep removes anything for it, so that it does not matter.
    return true;
  }

  async scan(
    range: { readonly from: number; readonly end: number },
    visit: (index: number, slot: number) => boolean,
    scope: Scope,
  ): Promise<void> {
    let { from } = range;
    while (from < range.end) {
      const { leaf, end } = await this.#takingTurns(() => this.#leafFrom(from, scope));
      for (let at = lowerBound(leaf.indexes, from); at < leaf.indexes.length; at += 1) {
        const index = leaf.indexes[at] ?? 0;
        const vid = leaf.vids[at] ?? 0;
        if (index >= range.end) return;
        if (vid !== holeSlot && !visit(index, vid)) return;
      }
      from = end;
    }
  }

  close(): void {
    this.#closed = true;
    this.forget(0);
  }

  async #updateTopLeaf(leaf: Leaf, updates: readonly SlotUpdate[], io: Io): Promise<void> {
    const merged = merge(leaf, updates);
    const parts = cut(merged, this.#ports.nodeEntriesMax);
    if (parts.length === 1) {
      await this.#writeTop({ depth: 1, leaf: merged }, io);
      return;
    }
    const numbers = await this.#createNodes(parts, io);
    const highest = Uint32Array.from(parts, highestOf);
    await this.#writeTop({ depth: 2, root: { highest, numbers: Uint32Array.from(numbers) } }, io);
  }

  async #updateLeaves(before: Root, updates: readonly SlotUpdate[], io: Io): Promise<void> {
    let root = before;
    if (this.#topOwed) await this.#writeTop({ depth: 2, root }, io);
    for (let from = 0; from < updates.length; ) {
      const at = Math.min(
        lowerBound(root.highest, updates[from]?.index ?? 0),
        root.highest.length - 1,
      );
      const upTo = isLast(root, at) ? Number.POSITIVE_INFINITY : (root.highest[at] ?? 0);
      let end = from + 1;
      while (end < updates.length && (updates[end]?.index ?? 0) <= upTo) end += 1;
      root = await this.#updateLeaf(root, at, updates.slice(from, end), io);
      from = end;
    }
  }

  /**
   * Order matters for whoever reads after a crash: new nodes are there before the root names them,
   * and what moved to them is taken out of the old node last. What is left in it till then lies
   * below its range and is passed over.
   */
  async #updateLeaf(root: Root, at: number, updates: readonly SlotUpdate[], io: Io): Promise<Root> {
    const leaf = await this.#leaf(root, at, { keep: false }, io.scope);
    const parts = cut(merge(leaf, updates), this.#ports.nodeEntriesMax);
    const upper = parts.pop();
    assert(upper !== undefined, "a leaf that was written has entries");
    const number = root.numbers[at] ?? 0;
    if (parts.length === 0) {
      await this.#writeNode(number, upper, { ...io, create: false });
      if (!isLast(root, at) || highestOf(upper) === root.highest[at]) return root;
      const grown = { highest: root.highest.slice(), numbers: root.numbers };
      grown.highest[at] = highestOf(upper);
      await this.#writeTop({ depth: 2, root: grown }, io);
      return grown;
    }
    if (root.numbers.length + parts.length > btreeRootEntriesMax) {
      throw new SheepfsError("no_space", `${this.#title}: its index has no room for another node`);
    }
    const numbers = await this.#createNodes(parts, io);
    const split: Root = {
      highest: spliced(root.highest, at, parts.map(highestOf)),
      numbers: spliced(root.numbers, at, numbers),
    };
    if (isLast(root, at)) split.highest[split.highest.length - 1] = highestOf(upper);
    await this.#writeTop({ depth: 2, root: split }, io);
    await this.#writeNode(number, upper, { ...io, create: false });
    return split;
  }

  /** The counter goes out before a root names the nodes: a number is never given twice. */
  async #createNodes(parts: readonly Leaf[], io: Io): Promise<number[]> {
    const numbers: number[] = [];
    for (const part of parts) {
      const number = this.#counter;
      this.#counter += 1;
      await this.#writeNode(number, part, { ...io, create: true });
      numbers.push(number);
    }
    const counter = Uint32Array.of(this.#counter);
    const bytes = new Uint8Array(counter.buffer);
    await this.#ports.store.writeInode(this.#vid, btreeCounterOffset, bytes, io.scope, io.over);
    return numbers;
  }

  async #writeNode(number: number, leaf: Leaf, io: Io & { create: boolean }): Promise<void> {
    const request = { vid: this.#vid, number, offset: 0, create: io.create };
    await this.#ports.store.writeIndexNode(request, encodeLeaf(leaf, 0), io.scope, io.over);
    this.#keepLeaf(number, leaf);
  }

  async #writeTop(top: Top, io: Io): Promise<void> {
    const bytes =
      top.depth === 1
        ? encodeLeaf(top.leaf, leadBytes)
        : encodeRoot(top.root, this.#vid, leadBytes);
    bytes.set(this.#lead);
    this.#topOwed = true;
    await this.#ports.store.writeInode(this.#vid, topAt, bytes, io.scope, io.over);
    this.#topOwed = false;
    this.#keepTop(top);
  }

  async #loadTop(scope: Scope): Promise<Top> {
    if (this.#top !== null) return this.#top.value;
    const forgets = this.#forgets;
    const where = `${this.#title}: its index`;
    const head = new Uint8Array(leadBytes + BtreeHeader.size);
    await this.#ports.store.readInode(this.#vid, topAt, head, scope);
    this.#lead.set(head.subarray(0, leadBytes));
    const shape = nodeShape(head.subarray(leadBytes), where);
    const entries = new Uint8Array(shape.bytes);
    if (shape.bytes > 0) {
      await this.#ports.store.readInode(this.#vid, slotsAt + BtreeHeader.size, entries, scope);
    }
    const top: Top =
      shape.depth === 1
        ? { depth: 1, leaf: decodeLeaf(entries, shape.entries, where) }
        : { depth: 2, root: decodeRoot(entries, shape.entries, { vid: this.#vid, where }) };
    if (forgets === this.#forgets) this.#keepTop(top);
    return top;
  }

  /** The leaf that holds `index` and the first index behind it. */
  async #leafFrom(index: number, scope: Scope): Promise<{ leaf: Leaf; end: number }> {
    const top = await this.#loadTop(scope);
    if (top.depth === 1) return { leaf: top.leaf, end: Number.POSITIVE_INFINITY };
    const { root } = top;
    const at = Math.min(lowerBound(root.highest, index), root.highest.length - 1);
    const leaf = await this.#leaf(root, at, { keep: false }, scope);
    return { leaf, end: isLast(root, at) ? Number.POSITIVE_INFINITY : (root.highest[at] ?? 0) + 1 };
  }

  async #leaf(root: Root, at: number, how: { keep: boolean }, scope: Scope): Promise<Leaf> {
    const number = root.numbers[at] ?? 0;
    const kept = this.#leaves.get(number);
    if (kept !== undefined) return kept.value;
    const forgets = this.#forgets;
    const leaf = await this.#readLeaf(number, scope);
    const where = `${this.#title}: index node ${number}`;
    // Below its range lies what a split moved and did not come to take out, beyond the range of the
    // last what the root did not come to take in: neither was acknowledged there.
    const highest = root.highest[at] ?? 0;
    if (!isLast(root, at) && highestOf(leaf) > highest) {
      throw new SheepfsError("corrupt", `${where} has block ${highestOf(leaf)} beyond its range`);
    }
    const first = at === 0 ? 0 : lowerBound(leaf.indexes, (root.highest[at - 1] ?? 0) + 1);
    const end = lowerBound(leaf.indexes, highest + 1);
    const own = { indexes: leaf.indexes.slice(first, end), vids: leaf.vids.slice(first, end) };
    if (how.keep && forgets === this.#forgets) this.#keepLeaf(number, own);
    return own;
  }

  async #readLeaf(number: number, scope: Scope): Promise<Leaf> {
    const { store } = this.#ports;
    const where = `${this.#title}: index node ${number}`;
    let bytes = new Uint8Array(limits.pieceBytesMax);
    await store.readIndexNode(this.#vid, number, bytes, scope);
    const shape = nodeShape(bytes, where);
    if (shape.depth !== 1) throw new SheepfsError("corrupt", `${where} has depth ${shape.depth}`);
    const end = BtreeHeader.size + shape.bytes;
    if (end > bytes.length) {
      bytes = new Uint8Array(end);
      await store.readIndexNode(this.#vid, number, bytes, scope);
    }
    const entries = bytes.subarray(BtreeHeader.size, end);
    return decodeLeaf(entries, shape.entries, where);
  }

  #keepTop(top: Top): void {
    if (this.#closed) return;
    if (this.#top !== null) this.#ports.cache.remove(this.#top);
    const bytes = 8 * (top.depth === 1 ? top.leaf.indexes.length : top.root.highest.length);
    this.#top = new Part(top, bytes, () => {
      this.#top = null;
    });
    this.#ports.cache.add(this.#top);
  }

  #keepLeaf(number: number, leaf: Leaf): void {
    if (this.#closed) return;
    const old = this.#leaves.get(number);
    if (old !== undefined) this.#ports.cache.remove(old);
    const part = new Part(leaf, 8 * leaf.indexes.length, () => {
      this.#leaves.delete(number);
    });
    this.#leaves.set(number, part);
    this.#ports.cache.add(part);
  }

  async #takingTurns<T>(work: () => Promise<T>): Promise<T> {
    const before = this.#turn;
    let end = (): void => {};
    this.#turn = new Promise<void>((resolve) => {
      end = resolve;
    });
    await before;
    try {
      return await work();
    } finally {
      end();
    }
  }
}

/** What the writes of one update share. */
interface Io {
  readonly scope: Scope;
  readonly over: () => void;
}

class Part<T> implements CachedPart {
  readonly value: T;
  readonly bytes: number;
  readonly drop: () => void;
  used = true;
  place = 0;

  constructor(value: T, bytes: number, drop: () => void) {
    this.value = value;
    this.bytes = bytes;
    this.drop = drop;
  }
}

function isLast(root: Root, at: number): boolean {
  return at === root.highest.length - 1;
}

function spliced(values: Uint32Array, at: number, inserted: readonly number[]): Uint32Array {
  const result = new Uint32Array(values.length + inserted.length);
  result.set(values.subarray(0, at));
  result.set(inserted, at);
  result.set(values.subarray(at), at + inserted.length);
  return result;
}
