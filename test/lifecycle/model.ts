import { cellBytes } from "./cells.ts";

/** How the blocks of a VDI are stored; a clone has that of what it was made from. */
export interface Kind {
  readonly objectBytes: number;
  /** Objects of it on a cluster that has room for all: copies, or strips. */
  readonly copies: number;
  readonly copyPolicy: number;
  readonly hyper: boolean;
}

/** How often an object is named, in the way of sheep 1.0. Source: protocol §8.5 */
interface Reference {
  generation: number;
  count: number;
}

/** One vid: a working VDI or a snapshot, or what of it is left since it owns objects of others. */
export interface Inode {
  readonly name: string;
  readonly vid: number;
  readonly snapId: number;
  readonly parent: Inode | null;
  readonly kind: Kind;
  tag: string;
  sizeBytes: number;
  isSnapshot: boolean;
  isDeleted: boolean;
  /** Whose object has the data of a block; none for what was never written. */
  readonly slots: Map<number, Inode>;
  readonly references: Map<number, Reference>;
  /** What each cell was written with; none reads as zeros. */
  readonly cells: Map<number, number>;
  /** Of its own objects that others came to refer to; one that is not here counts [1]. */
  readonly ledgers: Map<number, Map<number, number>>;
  /** Blocks whose object of its own is there. */
  readonly objects: Set<number>;
}

export interface Family {
  readonly name: string;
  working: Inode | null;
  /** The oldest first. */
  readonly snapshots: Inode[];
}

/** Cells [from, end). */
export interface CellRange {
  readonly from: number;
  readonly end: number;
}

/** What the cluster has to have, by what was asked of it and answered. */
export class Model {
  readonly families = new Map<string, Family>();
  /** Every vid that was ever used, as its inode stays. */
  readonly inodes: Inode[] = [];

  /** Those that are there, by ascending vid. */
  get live(): Inode[] {
    return this.inodes.filter(({ isDeleted }) => !isDeleted).sort((a, b) => a.vid - b.vid);
  }

  family(name: string): Family {
    const known = this.families.get(name);
    if (known !== undefined) return known;
    const made = { name, working: null, snapshots: [] };
    this.families.set(name, made);
    return made;
  }

  create(name: string, wish: { vid: number; sizeBytes: number; kind: Kind }): Inode {
    return this.#add({ ...wish, name, parent: null });
  }

  /** The working VDI becomes a snapshot, and a new one goes on. */
  snapshot(name: string, tag: string, vid: number): Inode {
    const base = this.#retire(name, tag);
    return this.#derive(base, { ...base, vid });
  }

  clone(source: Inode, name: string, vid: number): Inode {
    return this.#derive(source, { ...source, name, vid });
  }

  /** What there was is kept as a snapshot with that tag. */
  rollback(to: Inode, keepTag: string, vid: number): Inode {
    if (this.family(to.name).working !== null) this.#retire(to.name, keepTag);
    return this.#derive(to, { ...to, vid });
  }

  delete(inode: Inode): void {
    inode.isDeleted = true;
    const family = this.family(inode.name);
    if (family.working === inode) family.working = null;
    else family.snapshots.splice(family.snapshots.indexOf(inode), 1);
    for (const block of [...inode.slots.keys()]) this.#setSlot(inode, block, null);
    inode.cells.clear();
    // The sheep removes all that hypervolumes have.
    if (inode.kind.hyper) inode.objects.clear();
    if (family.working === null && family.snapshots.length === 0) this.families.delete(inode.name);
  }

  /** Writes a stamp into each cell, and makes the objects that are needed for it. */
  write(inode: Inode, { from, end }: CellRange, stamp: (cell: number) => number): void {
    for (let cell = from; cell < end; cell += 1) {
      this.#own(inode, blockOf(inode, cell));
      inode.cells.set(cell, stamp(cell));
    }
  }

  /** Whole blocks become holes; of others only what is there is written. */
  discard(inode: Inode, { from, end }: CellRange): void {
    const cells = inode.kind.objectBytes / cellBytes;
    const last = cellsOf(inode);
    for (let block = Math.floor(from / cells); block * cells < end; block += 1) {
      const blockEnd = Math.min(last, (block + 1) * cells);
      const part = { from: Math.max(from, block * cells), end: Math.min(end, blockEnd) };
      for (let cell = part.from; cell < part.end; cell += 1) inode.cells.delete(cell);
      const isWhole = part.from === block * cells && part.end === blockEnd;
      // Of hypervolumes nobody counts references, so an object stays, of zeros.
      if (isWhole && !inode.kind.hyper) this.#setSlot(inode, block, null);
      else if (inode.slots.has(block)) this.#own(inode, block);
    }
  }

  #own(inode: Inode, block: number): void {
    if (inode.slots.get(block) === inode) return;
    inode.objects.add(block);
    this.#setSlot(inode, block, inode);
  }

  #setSlot(inode: Inode, block: number, owner: Inode | null): void {
    const before = inode.slots.get(block);
    if (owner === null) inode.slots.delete(block);
    else inode.slots.set(block, owner);
    const { generation, count } = inode.references.get(block) ?? { generation: 0, count: 0 };
    inode.references.delete(block);
    if (before !== undefined && before !== owner && !inode.kind.hyper) {
      drop(before, block, generation, count);
    } else if (before !== undefined && inode.kind.hyper) before.objects.delete(block);
  }

  #retire(name: string, tag: string): Inode {
    const family = this.family(name);
    const base = family.working;
    if (base === null) throw new Error(`the model has no working '${name}'`);
    base.isSnapshot = true;
    base.tag = tag;
    family.snapshots.push(base);
    family.working = null;
    return base;
  }

  #derive(base: Inode, wish: { name: string; vid: number; sizeBytes: number; kind: Kind }): Inode {
    const made = this.#add({ ...wish, parent: base });
    for (const [cell, stamp] of base.cells) made.cells.set(cell, stamp);
    for (const [block, owner] of base.slots) {
      made.slots.set(block, owner);
      const reference = base.references.get(block) ?? { generation: 0, count: 0 };
      reference.count += 1;
      base.references.set(block, reference);
      made.references.set(block, { generation: reference.generation + 1, count: 0 });
    }
    return made;
  }

  #add(wish: {
    name: string;
    vid: number;
    sizeBytes: number;
    kind: Kind;
    parent: Inode | null;
  }): Inode {
    const { name, vid, sizeBytes, kind, parent } = wish;
    const family = this.family(name);
    const newest = Math.max(0, ...family.snapshots.map(({ snapId }) => snapId));
    const made: Inode = {
      ...{ name, vid, sizeBytes, kind, parent, tag: "", isSnapshot: false, isDeleted: false },
      // The newest by vid decides, which has the highest id.
      snapId: newest + 1,
      slots: new Map(),
      references: new Map(),
      cells: new Map(),
      ledgers: new Map(),
      objects: new Set(),
    };
    this.inodes.push(made);
    family.working = made;
    return made;
  }
}

/** One reference to an object less, and as many more as were made from the one that named it. */
function drop(owner: Inode, block: number, generation: number, count: number): void {
  const ledger = owner.ledgers.get(block) ?? new Map([[0, 1]]);
  ledger.set(generation, (ledger.get(generation) ?? 0) - 1);
  ledger.set(generation + 1, (ledger.get(generation + 1) ?? 0) + count);
  if ([...ledger.values()].some((number) => number !== 0)) owner.ledgers.set(block, ledger);
  else {
    owner.ledgers.delete(block);
    owner.objects.delete(block);
  }
}

export function cellsOf({ sizeBytes }: Inode): number {
  return sizeBytes / cellBytes;
}

function blockOf({ kind }: Inode, cell: number): number {
  return Math.floor((cell * cellBytes) / kind.objectBytes);
}
