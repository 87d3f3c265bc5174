import { SheepfsError } from "../../../src/base/errors.ts";
import type { Transfer } from "../../../src/base/transfer.ts";
import type {
  Attr,
  DirNode,
  Extent,
  FileNode,
  FileTraits,
  Node,
  OpenFile,
  Tree,
  TreeEvent,
} from "../../../src/tree/node.ts";

let nextId = 1;

function attrOf(kind: "dir" | "file", sizeBytes: number, allocatedBytes: number): Attr {
  const mode = kind === "dir" ? 0o755 : 0o644;
  const at = 1_700_000_000_500;
  return { kind, sizeBytes, allocatedBytes, mode, mtimeMs: at, ctimeMs: at, birthtimeMs: at };
}

export class MemoryDir implements DirNode {
  readonly kind = "dir";
  readonly id = nextId++;
  readonly children = new Map<string, Node>();

  constructor(children: Record<string, Node>) {
    for (const [name, node] of Object.entries(children)) this.children.set(name, node);
  }

  attr(): Attr {
    return attrOf("dir", 0, 0);
  }

  lookup(name: string): Node | null {
    return this.children.get(name) ?? null;
  }

  async *list() {
    for (const [name, node] of this.children) yield { name, id: node.id, kind: node.kind };
  }
}

const textTraits: FileTraits = {
  seekable: false,
  immutable: false,
  directIo: true,
  blockBytes: 1,
  writable: false,
  extensible: false,
};

export class MemoryText implements FileNode {
  readonly kind = "file";
  readonly id = nextId++;
  readonly traits = textTraits;
  readonly #bytes: Uint8Array;

  constructor(text: string) {
    this.#bytes = new TextEncoder().encode(text);
  }

  attr(): Attr {
    return attrOf("file", this.#bytes.length, 0);
  }

  open(mode: "read" | "write" | "readwrite"): OpenFile {
    if (mode !== "read") throw new SheepfsError("denied", "a text cannot be written");
    const bytes = this.#bytes;
    return plainFile({
      sizeBytes: () => bytes.length,
      read: (into, offset) => {
        const part = bytes.subarray(offset, offset + into.length);
        into.set(part);
        return part.length;
      },
    });
  }
}

/** Takes lines; `act` decides what becomes of each. */
export class MemoryControl implements FileNode {
  readonly kind = "file";
  readonly id = nextId++;
  readonly traits = { ...textTraits, writable: true };
  readonly #act: (line: string) => void | Promise<void>;

  constructor(act: (line: string) => void | Promise<void>) {
    this.#act = act;
  }

  attr(): Attr {
    return attrOf("file", 0, 0);
  }

  open(): OpenFile {
    return plainFile({
      sizeBytes: () => 0,
      read: () => 0,
      write: async (from) => {
        await this.#act(new TextDecoder().decode(from));
        return from.length;
      },
    });
  }
}

function plainFile(part: Partial<OpenFile>): OpenFile {
  return {
    sizeBytes: () => 0,
    read: () => 0,
    write: () => {
      throw new SheepfsError("denied", "not to be written");
    },
    flush: async () => {},
    sync: async () => {},
    close: async () => {},
    ...part,
  };
}

/** A disk in memory. What is submitted is held while `held` is an array. */
export class MemoryVolume implements FileNode {
  readonly kind = "file";
  readonly id = nextId++;
  readonly traits: FileTraits;
  readonly bytes: Uint8Array;
  held: Transfer[] | null = null;
  /** Offers answers from its own memory instead of filling the reader's. */
  lends = true;
  syncs = 0;
  open_ = 0;

  constructor(sizeBytes: number, traits: Partial<FileTraits> = {}) {
    const storage = new ArrayBuffer(sizeBytes);
    this.bytes = new Uint8Array(storage);
    const seekable = { seekable: true, immutable: false, directIo: true };
    this.traits = { ...seekable, blockBytes: 4096, writable: true, extensible: false, ...traits };
  }

  attr(): Attr {
    return attrOf("file", this.bytes.length, this.bytes.length);
  }

  finish(transfer: Transfer, writing: boolean): void {
    const { offset, length, buffer, at } = transfer;
    if (writing) this.bytes.set(buffer.subarray(at, at + length), offset);
    else if (!this.lends || !transfer.lend(this.bytes, offset)) {
      buffer.set(this.bytes.subarray(offset, offset + length), at);
    }
    transfer.done(null);
  }

  open(): OpenFile {
    this.open_ += 1;
    return plainFile({
      sizeBytes: () => this.bytes.length,
      submitRead: (transfer) => {
        if (this.held === null) this.finish(transfer, false);
        else this.held.push(transfer);
      },
      submitWrite: (transfer) => {
        if (this.held === null) this.finish(transfer, true);
        else this.held.push(transfer);
      },
      sync: async () => {
        this.syncs += 1;
      },
      discard: async ({ offset, length }: Extent) => {
        this.bytes.fill(0, offset, offset + length);
      },
      seek: (offset, what) => {
        const hit = (byte: number): boolean => (what === "data" ? byte !== 0 : byte === 0);
        const found = this.bytes.subarray(offset).findIndex(hit);
        return found < 0 ? null : offset + found;
      },
      close: async () => {
        this.open_ -= 1;
      },
    });
  }
}

export class MemoryTree implements Tree {
  readonly root: MemoryDir;
  readonly #listeners = new Set<(event: TreeEvent) => void>();
  readonly events = {
    on: (fn: (event: TreeEvent) => void) => {
      this.#listeners.add(fn);
      return () => this.#listeners.delete(fn);
    },
  };

  constructor(root: MemoryDir) {
    this.root = root;
  }

  emit(event: TreeEvent): void {
    for (const fn of this.#listeners) fn(event);
  }

  async space() {
    return { totalBytes: 1 << 30, freeBytes: 1 << 29 };
  }

  async summary() {
    return [{ label: "Nodes", text: "1" }];
  }
}
