import { SheepfsError } from "../base/errors.ts";
import { vidOfName } from "../wire/hash.ts";
import { InodeHeaderStruct, nameFieldBytes, unpadded } from "../wire/inode.ts";
import { vidMax } from "../wire/oid.ts";
import { hasVid, setVid, vidBitmapBytes } from "../wire/vdi.ts";

/** The part of an inode's header that anything is decided by. */
export const factsBytes = 576;

type InodeFacts = ReturnType<typeof InodeHeaderStruct.read>;

/** What is known of one inode without looking on the disk. */
export interface Vdi {
  readonly vid: number;
  /** The first bytes of its inode; `setHead` changes them. */
  readonly head: Uint8Array;
  facts: InodeFacts;
  /** Nobody may write its data any more. Not what its header says, which any client can write. */
  isSnapshot: boolean;
  isDeleted: boolean;
}

/** What a look-up asks for. */
export interface VdiQuery {
  readonly name: Uint8Array;
  readonly tag: Uint8Array;
  readonly snapId: number;
}

export type VdiAnswer =
  | { readonly found: "vdi"; readonly vdi: Vdi }
  /** The VDI exists, the tag or snapshot id does not. */
  | { readonly found: "no_tag" }
  | { readonly found: "nothing"; readonly newestSnapshot: Vdi | null };

/** Every inode's facts, by vid. */
export class Vdis {
  readonly #vdis = new Map<number, Vdi>();
  readonly #used = new Uint8Array(vidBitmapBytes);
  readonly #deleted: Uint8Array;

  /** @param deleted bitmap of the deleted vids, owned from now on */
  constructor(deleted: Uint8Array) {
    this.#deleted = deleted;
  }

  get usedBitmap(): Uint8Array {
    return this.#used;
  }

  get deletedBitmap(): Uint8Array {
    return this.#deleted;
  }

  get(vid: number): Vdi | null {
    return this.#vdis.get(vid) ?? null;
  }

  /** @param head owned from now on */
  add(vid: number, head: Uint8Array): Vdi {
    const facts = factsOf(head);
    const isSnapshot = facts.snapSeconds !== 0 || facts.snapNanoseconds !== 0;
    const vdi = { vid, head, facts, isSnapshot, isDeleted: hasVid(this.#deleted, vid) };
    this.#vdis.set(vid, vdi);
    setVid(this.#used, vid);
    return vdi;
  }

  /** What others have been made from is never written again, whatever its header says. */
  markParents(): void {
    for (const { facts } of this.#vdis.values()) {
      const parent = this.#vdis.get(facts.parentVid);
      if (parent !== undefined) parent.isSnapshot = true;
    }
  }

  markDeleted(vdi: Vdi): void {
    vdi.isDeleted = true;
    setVid(this.#deleted, vdi.vid);
  }

  /** True when any inode, deleted or not, was made from this one. */
  hasChildren(vid: number): boolean {
    for (const { facts } of this.#vdis.values()) if (facts.parentVid === vid) return true;
    return false;
  }

  /** Ascending by vid. */
  all(): Vdi[] {
    return [...this.#vdis.values()].sort((a, b) => a.vid - b.vid);
  }

  /**
   * Looks from the newest to the oldest among the vids that the name's hash may have led to.
   * Source: protocol §6.3
   */
  find({ name, tag, snapId }: VdiQuery): VdiAnswer {
    const wantsSnapshot = tag.length > 0 || snapId !== 0;
    let newestSnapshot: Vdi | null = null;
    let hasWorking = false;
    for (const vdi of this.#namedNewestFirst(name)) {
      if (!wantsSnapshot && !vdi.isSnapshot) return { found: "vdi", vdi };
      if (!wantsSnapshot) return { found: "nothing", newestSnapshot: vdi };
      newestSnapshot ??= vdi.isSnapshot ? vdi : null;
      hasWorking ||= !vdi.isSnapshot;
      if (vdi.isSnapshot && isSnapshotAsked(vdi, tag, snapId)) return { found: "vdi", vdi };
    }
    return hasWorking ? { found: "no_tag" } : { found: "nothing", newestSnapshot };
  }

  /** @throws no_space when no vid is free */
  freeVid(name: Uint8Array): number {
    const first = vidOfName(name);
    for (let vid = first; vid <= vidMax; vid += 1) if (!hasVid(this.#used, vid)) return vid;
    for (let vid = 1; vid < first; vid += 1) if (!hasVid(this.#used, vid)) return vid;
    throw new SheepfsError("no_space", "every vid is in use");
  }

  #namedNewestFirst(name: Uint8Array): Vdi[] {
    // A name without an end is one that no look-up of the daemon's ever matches.
    if (name.length >= nameFieldBytes) return [];
    const named: Vdi[] = [];
    for (let vid = vidOfName(name); vid <= vidMax && hasVid(this.#used, vid); vid += 1) {
      const vdi = this.#vdis.get(vid);
      if (vdi !== undefined && isNamed(vdi, name)) named.push(vdi);
    }
    return named.reverse();
  }
}

/** Takes over what was written into the inode at `offset`. */
export function setHead(vdi: Vdi, offset: number, bytes: Uint8Array): void {
  if (offset >= factsBytes) return;
  vdi.head.set(bytes.subarray(0, factsBytes - offset), offset);
  vdi.facts = factsOf(vdi.head);
}

function factsOf(head: Uint8Array): InodeFacts {
  return InodeHeaderStruct.read(new DataView(paddedHead(head).buffer), 0);
}

function paddedHead(head: Uint8Array): Uint8Array<ArrayBuffer> {
  const padded = new Uint8Array(InodeHeaderStruct.size);
  padded.set(head.subarray(0, factsBytes));
  return padded;
}

function isNamed(vdi: Vdi, name: Uint8Array): boolean {
  const { head } = vdi;
  if (head[name.length] !== 0 || head[0] === 0) return false;
  for (let at = 0; at < name.length; at += 1) if (head[at] !== name[at]) return false;
  return true;
}

function isSnapshotAsked(vdi: Vdi, tag: Uint8Array, snapId: number): boolean {
  if (snapId !== 0 && vdi.facts.snapId === snapId) return true;
  return tag.length > 0 && Buffer.compare(unpadded(vdi.facts.tag), tag) === 0;
}
