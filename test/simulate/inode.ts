import { BtreeHeader, btreeMagic } from "../../src/wire/btree.ts";
import {
  decodeInodeHeader,
  encodeInodeHeader,
  grefsAt,
  type InodeHeader,
  inodeHeaderBytes,
  slotsAt,
} from "../../src/wire/inode.ts";

export interface Gref {
  readonly generation: number;
  readonly count: number;
}

const noGref: Gref = { generation: 0, count: 0 };

/** An inode object, as long as what was written to it. */
export class MemoryInode {
  #bytes: Uint8Array;
  grefs = new Map<number, Gref>();

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  static make(header: InodeHeader): MemoryInode {
    const inode = new MemoryInode(encodeInodeHeader(header));
    if (header.storePolicy === 1) {
      inode.write(slotsAt, BtreeHeader.encode({ magic: btreeMagic, depth: 1, entries: 0 }));
    }
    return inode;
  }

  get header(): InodeHeader {
    return decodeInodeHeader(this.#bytes);
  }

  set header(header: InodeHeader) {
    this.write(0, encodeInodeHeader(header));
  }

  get slotCount(): number {
    return Math.ceil((this.#bytes.length - inodeHeaderBytes) / 4);
  }

  copy(): MemoryInode {
    const copy = new MemoryInode(this.#bytes.slice());
    copy.grefs = new Map(this.grefs);
    return copy;
  }

  read(offset: number, into: Uint8Array): void {
    if (offset + into.length > grefsAt) throw new Error("read beyond the slots");
    into.fill(0);
    into.set(this.#bytes.subarray(offset, offset + into.length));
  }

  write(offset: number, bytes: Uint8Array): void {
    if (offset + bytes.length > grefsAt) throw new Error("write beyond the slots");
    if (offset + bytes.length > this.#bytes.length) {
      const longer = new Uint8Array(offset + bytes.length);
      longer.set(this.#bytes);
      this.#bytes = longer;
    }
    this.#bytes.set(bytes, offset);
  }

  slot(index: number): number {
    const bytes = new Uint8Array(4);
    this.read(slotsAt + 4 * index, bytes);
    return new DataView(bytes.buffer).getUint32(0, true);
  }

  gref(index: number): Gref {
    return this.grefs.get(index) ?? noGref;
  }
}
