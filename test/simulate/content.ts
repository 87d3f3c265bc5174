import type { ErrorCode } from "../../src/base/errors.ts";
import type { VdiName } from "../../src/volume/ports.ts";
import { grefsAt, type InodeHeader, slotsAt } from "../../src/wire/inode.ts";
import { type ObjectKind, writeOid } from "../../src/wire/oid.ts";
import { type Gref, MemoryInode } from "./inode.ts";

export interface VdiSpec {
  readonly name: string;
  readonly sizeBytes: number;
  readonly objectShift: number;
  readonly storePolicy: 0 | 1;
}

/** As much of an index node as small trees use. */
const nodeBytes = 2 ** 18;
/** Of objects of a VDI that nobody made, for tests that need none. */
const looseObjectBytes = 2 ** 20;

/** What a gateway reads before it writes slots. Source: protocol §8.5 */
interface OldSlots {
  readonly first: number;
  readonly values: readonly number[];
  readonly refs: readonly Gref[];
}

/** One change of an object, as a gateway carries it out. */
export interface Change {
  readonly kind: ObjectKind;
  readonly vid: number;
  readonly index: number;
  readonly how: "write" | "create" | "cow";
  readonly cowVid: number;
  readonly offset: number;
  readonly data: Uint8Array;
}

/** A change that has begun: what it had to look at is looked at. */
export interface Begun {
  readonly change: Change;
  readonly old: OldSlots | null;
  readonly base: Uint8Array | null;
}

/** A reference that a slot write has dropped; the object goes some time later. */
export type Drop = () => void;

/**
 * What a cluster stores, with the odd sides of sheep 1.0: a create replaces, an index write is
 * never refused, an object goes some time after the slot that named it, a snapshot is made in steps
 * and puts back the index of when it began. It knows neither time nor chance.
 */
export class Content {
  /** All but inodes. */
  readonly objects = new Map<string, Uint8Array>();
  readonly #inodes = new Map<number, MemoryInode>();
  readonly #objectBytes = new Map<number, number>();
  readonly #ledgers = new Map<string, Map<number, number>>();
  /** What the daemons hold for snapshots. */
  readonly #readOnly = new Set<number>();
  #nextVid = 0x100;
  /** An inode was rewritten by the sheep themselves. */
  rewritten: (key: string) => void = () => {};

  createVdi(spec: VdiSpec): number {
    const vid = this.#takeVid();
    const header: InodeHeader = {
      name: new TextEncoder().encode(spec.name),
      tag: new Uint8Array(),
      createTime: { seconds: vid, nanoseconds: 0 },
      snapTime: { seconds: 0, nanoseconds: 0 },
      vmClockNsec: 0,
      vdiSize: spec.sizeBytes,
      vmStateSize: 0,
      copyPolicy: 0,
      storePolicy: spec.storePolicy,
      copies: 1,
      blockSizeShift: spec.objectShift,
      snapId: 1,
      vid,
      parentVid: 0,
      btreeCounter: 0,
      isSnapshot: false,
    };
    this.#inodes.set(vid, MemoryInode.make(header));
    this.#objectBytes.set(vid, 2 ** spec.objectShift);
    return vid;
  }

  /** Makes a snapshot as a sheep does; whatever happens between two steps happens. */
  *snapshot(vid: number): Generator<void, number> {
    const base = this.inode(vid).copy();
    yield;
    base.header = { ...base.header, snapTime: { seconds: 1, nanoseconds: 0 } };
    referAgain(base);
    this.#rewrite(vid, base.copy());
    yield;
    const next = this.#derive(base, { name: base.header.name, snapId: base.header.snapId + 1 });
    yield;
    this.#readOnly.add(vid);
    return next;
  }

  /** A VDI made from a snapshot, under a name of its own. */
  clone(vid: number, name: string): number {
    const base = this.inode(vid);
    referAgain(base);
    return this.#derive(base, { name: new TextEncoder().encode(name), snapId: 1 });
  }

  /** What somebody does who clones a working VDI: the daemons refuse its writes from then on. */
  markReadOnly(vid: number): void {
    this.#readOnly.add(vid);
  }

  isReadOnly(vid: number): boolean {
    return this.#readOnly.has(vid);
  }

  /** The VDI of that name; null when there is none. Source: protocol §6.3 */
  find({ name, snapshot }: VdiName): InodeHeader | null {
    const headers = [...this.#inodes.values()]
      .map((inode) => inode.header)
      .filter((header) => Buffer.compare(header.name, name) === 0)
      .reverse();
    const isWanted = (header: InodeHeader): boolean =>
      snapshot !== null && "id" in snapshot && header.snapId === snapshot.id;
    const found = snapshot === null ? headers[0] : headers.find(isWanted);
    if (found === undefined || found.isSnapshot === (snapshot === null)) return null;
    return found;
  }

  inode(vid: number): MemoryInode {
    const inode = this.#inodes.get(vid);
    if (inode === undefined) throw new Error(`no inode ${vid}`);
    return inode;
  }

  inodeIfThere(vid: number): MemoryInode | null {
    return this.#inodes.get(vid) ?? null;
  }

  vids(): readonly number[] {
    return [...this.#inodes.keys()];
  }

  object(vid: number, index: number): Uint8Array | null {
    return this.objects.get(objectKey("data", vid, index)) ?? null;
  }

  removeObject(vid: number, index: number): void {
    this.objects.delete(objectKey("data", vid, index));
  }

  objectBytes(vid: number): number {
    return this.#objectBytes.get(vid) ?? looseObjectBytes;
  }

  /** Null when there is no such object. */
  read(
    kind: ObjectKind,
    vid: number,
    index: number,
    range: { readonly offset: number; readonly length: number },
  ): Uint8Array | null {
    const { offset, length } = range;
    const into = new Uint8Array(length);
    const inode = kind === "inode" ? this.#inodes.get(vid) : undefined;
    if (inode !== undefined) {
      inode.read(offset, into);
      return into;
    }
    const object = this.objects.get(objectKey(kind, vid, index));
    if (object === undefined) return null;
    into.set(object.subarray(offset, offset + length));
    return into;
  }

  /** What a gateway does first: refuses, or looks at what it needs. */
  begin(change: Change): Begun | ErrorCode {
    const { kind, vid, index, how, data } = change;
    if (kind === "data" && this.#readOnly.has(vid)) return "read_only";
    if (this.#isInode(change)) return { change, old: this.#oldSlots(change), base: null };
    if (how === "cow" && data.length !== this.objectBytes(vid)) {
      const base = this.objects.get(objectKey(kind, change.cowVid, index));
      return base === undefined ? "stale" : { change, old: null, base: base.slice() };
    }
    return { change, old: null, base: null };
  }

  /** Carries it out. @returns references that are dropped; the code when it cannot be done */
  apply({ change, old, base }: Begun): readonly Drop[] | ErrorCode {
    const { kind, vid, index, how, offset, data } = change;
    if (this.#isInode(change)) return this.#writeInode(vid, offset, data, old);
    const key = objectKey(kind, vid, index);
    let object = this.objects.get(key);
    if (how !== "write") {
      const bytes = kind === "index" ? Math.max(nodeBytes, 2 * data.length) : this.objectBytes(vid);
      object = base?.slice() ?? new Uint8Array(bytes);
    }
    if (object === undefined) return "stale";
    object.set(data, offset);
    this.objects.set(key, object);
    return [];
  }

  /** One of a VDI; what a test laid down as an inode's bytes is an object like others. */
  #isInode({ kind, vid }: Change): boolean {
    return kind === "inode" && this.#inodes.has(vid);
  }

  #writeInode(
    vid: number,
    offset: number,
    bytes: Uint8Array,
    old: OldSlots | null,
  ): readonly Drop[] {
    const inode = this.inode(vid);
    inode.write(offset, bytes);
    if (old === null) return [];
    const drops: Drop[] = [];
    for (const [at, value] of slotsOf(bytes).entries()) {
      const index = old.first + at;
      const before = old.values[at] ?? 0;
      const ref = old.refs[at];
      inode.grefs.delete(index);
      if (before === 0 || before === value || ref === undefined) continue;
      drops.push(() => this.#drop(before, index, ref));
    }
    return drops;
  }

  #oldSlots({ vid, offset, data }: Change): OldSlots | null {
    if (offset < slotsAt || offset + data.length > grefsAt) return null;
    const inode = this.inode(vid);
    const first = Math.floor((offset - slotsAt) / 4);
    const indexes = Array.from({ length: Math.floor(data.length / 4) }, (_, at) => first + at);
    return {
      first,
      values: indexes.map((index) => inode.slot(index)),
      refs: indexes.map((index) => inode.gref(index)),
    };
  }

  /** Source: protocol §8.5 */
  #drop(vid: number, index: number, { generation, count }: Gref): void {
    if (generation === 0 && count === 0) {
      this.removeObject(vid, index);
      return;
    }
    const key = objectKey("ledger", vid, index);
    const ledger = this.#ledgers.get(key) ?? new Map([[0, 1]]);
    ledger.set(generation, (ledger.get(generation) ?? 0) - 1);
    ledger.set(generation + 1, (ledger.get(generation + 1) ?? 0) + count);
    if ([...ledger.values()].every((value) => value === 0)) {
      this.#ledgers.delete(key);
      this.removeObject(vid, index);
    } else {
      this.#ledgers.set(key, ledger);
    }
  }

  #derive(base: MemoryInode, about: { name: Uint8Array; snapId: number }): number {
    const vid = this.#takeVid();
    const next = base.copy();
    const snapTime = { seconds: 0, nanoseconds: 0 };
    next.header = { ...base.header, ...about, vid, snapTime, parentVid: base.header.vid };
    next.grefs = new Map();
    for (let index = 0; index < base.slotCount; index += 1) {
      const { generation } = base.gref(index);
      if (base.slot(index) !== 0) next.grefs.set(index, { generation: generation + 1, count: 0 });
    }
    this.#rewrite(vid, next);
    this.#objectBytes.set(vid, this.objectBytes(base.header.vid));
    return vid;
  }

  #rewrite(vid: number, inode: MemoryInode): void {
    this.#inodes.set(vid, inode);
    this.rewritten(objectKey("inode", vid, 0));
  }

  #takeVid(): number {
    this.#nextVid += 1;
    return this.#nextVid;
  }

  /** Every object, for a recovery. */
  keys(): readonly string[] {
    return [...this.objects.keys(), ...this.vids().map((vid) => objectKey("inode", vid, 0))];
  }

  /** What puts an object back as it is now, unless it is gone by then; null when there is none. */
  save(key: string): (() => void) | null {
    const object = this.objects.get(key)?.slice();
    if (object !== undefined) {
      return () => {
        if (this.objects.has(key)) this.objects.set(key, object);
      };
    }
    const vid = this.vids().find((one) => objectKey("inode", one, 0) === key);
    if (vid === undefined) return null;
    const inode = this.inode(vid).copy();
    return () => this.#inodes.set(vid, inode);
  }
}

const oidView = new DataView(new ArrayBuffer(8));

/** The name of an object: the high half of its oid in hexadecimal, and the low one. */
function objectKey(kind: ObjectKind, vid: number, index: number): string {
  writeOid(oidView, 0, kind, vid, index);
  return `${oidView.getUint32(4, true).toString(16)}/${oidView.getUint32(0, true)}`;
}

export function slotsOf(bytes: Uint8Array): Uint32Array {
  return new Uint32Array(bytes.slice(0, bytes.length - (bytes.length % 4)).buffer);
}

function referAgain(base: MemoryInode): void {
  for (let index = 0; index < base.slotCount; index += 1) {
    if (base.slot(index) === 0) continue;
    const { generation, count } = base.gref(index);
    base.grefs.set(index, { generation, count: count + 1 });
  }
}
