import type { Clock } from "../base/clock.ts";
import { SheepfsError } from "../base/errors.ts";
import { limits } from "../base/limits.ts";
import type { EventHub, NodeIds } from "./events.ts";
import type {
  Attr,
  DirEntry,
  DirNode,
  FileNode,
  FileTraits,
  FileVersion,
  Node,
  NodeId,
  OpenFile,
} from "./node.ts";
import { readBytes } from "./text.ts";

export interface ScratchOptions {
  readonly ids: NodeIds;
  readonly clock: Clock;
  readonly events: EventHub;
}

/** What all files and directories of one scratch collection take together. */
class ScratchSpace {
  readonly ids: NodeIds;
  readonly clock: Clock;
  readonly events: EventHub;
  #nodes = 0;
  #bytes = 0;

  constructor({ ids, clock, events }: ScratchOptions) {
    this.ids = ids;
    this.clock = clock;
    this.events = events;
  }

  /** @throws no_space */
  takeNode(): void {
    if (this.#nodes >= limits.scratchNodesMax) {
      throw new SheepfsError("no_space", `scratch holds ${limits.scratchNodesMax} files at most`);
    }
    this.#nodes += 1;
  }

  /** @throws no_space */
  takeBytes(bytes: number): void {
    if (this.#bytes + bytes > limits.scratchBytesMax) {
      throw new SheepfsError("no_space", `scratch holds ${limits.scratchBytesMax} bytes at most`);
    }
    this.#bytes += bytes;
  }

  giveBack({ nodes, bytes }: { readonly nodes: number; readonly bytes: number }): void {
    this.#nodes -= nodes;
    this.#bytes -= bytes;
  }
}

/** A collection in memory, in which everything can be made, for trying out clients. */
export function scratchDir(options: ScratchOptions): DirNode {
  return new ScratchDir(new ScratchSpace(options));
}

class ScratchDir implements DirNode {
  readonly kind = "dir";
  readonly id: NodeId;
  readonly #space: ScratchSpace;
  readonly #children = new Map<string, ScratchDir | ScratchFile>();
  readonly #bornMs: number;
  #changedMs: number;
  /** Null for the collection itself, and for what was removed. */
  #parent: ScratchDir | null = null;

  constructor(space: ScratchSpace) {
    this.id = space.ids.next();
    this.#space = space;
    this.#bornMs = space.clock.wallMs();
    this.#changedMs = this.#bornMs;
  }

  attr(): Attr {
    const { mtimeMs, birthtimeMs } = { mtimeMs: this.#changedMs, birthtimeMs: this.#bornMs };
    const sizes = { sizeBytes: 0, allocatedBytes: 0 };
    return { kind: "dir", ...sizes, mode: 0o755, mtimeMs, ctimeMs: mtimeMs, birthtimeMs };
  }

  lookup(name: string): Node | null {
    return this.#children.get(name) ?? null;
  }

  async *list(): AsyncGenerator<DirEntry> {
    for (const [name, { id, kind }] of [...this.#children]) yield { name, id, kind };
  }

  makeFile(name: string): FileNode {
    this.#checkFree(name);
    this.#space.takeNode();
    const file = new ScratchFile(this.#space);
    this.#put(name, file);
    return file;
  }

  makeDir(name: string): DirNode {
    this.#checkFree(name);
    this.#checkDepth(1);
    this.#space.takeNode();
    const dir = new ScratchDir(this.#space);
    this.#put(name, dir);
    return dir;
  }

  remove(name: string): void {
    const node = this.#take(name);
    this.#space.giveBack(sizesOf(node));
    end(node);
  }

  move(name: string, into: DirNode, toName: string): void {
    if (!(into instanceof ScratchDir) || into.#space !== this.#space) {
      throw new SheepfsError("not_supported", `'${name}' can be moved within scratch only`);
    }
    const node = this.#children.get(name);
    if (node === undefined) throw notThere(name);
    for (let at: ScratchDir | null = into; at !== null; at = at.#parent) {
      if (at === node) throw new SheepfsError("invalid", `'${name}' cannot be moved into itself`);
    }
    into.#checkFree(toName);
    if (node.kind === "dir") into.#checkDepth(heightOf(node));
    into.#put(toName, this.#take(name));
  }

  /** What is in it. */
  members(): Iterable<ScratchDir | ScratchFile> {
    return this.#children.values();
  }

  /** It was removed: what still holds it finds it empty and puts nothing into it. */
  end(): void {
    this.#children.clear();
    this.#ended = true;
  }

  #ended = false;

  #checkFree(name: string): void {
    if (this.#ended) throw new SheepfsError("stale", "the directory was removed");
    if (this.#children.has(name)) throw new SheepfsError("exists", `'${name}' exists`);
    if (new TextEncoder().encode(name).length > nameBytesMax) {
      throw new SheepfsError("name_too_long", `a name of more than ${nameBytesMax} bytes`);
    }
  }

  #checkDepth(more: number): void {
    let depth = more;
    for (let at = this.#parent; at !== null; at = at.#parent) depth += 1;
    if (depth > limits.scratchDepthMax) {
      throw new SheepfsError("no_space", `more than ${limits.scratchDepthMax} directories deep`);
    }
  }

  #put(name: string, node: ScratchDir | ScratchFile): void {
    this.#children.set(name, node);
    if (node instanceof ScratchDir) node.#parent = this;
    this.#changed(name, node.id);
  }

  #take(name: string): ScratchDir | ScratchFile {
    const node = this.#children.get(name);
    if (node === undefined) throw notThere(name);
    this.#children.delete(name);
    if (node instanceof ScratchDir) node.#parent = null;
    this.#changed(name, node.id);
    return node;
  }

  #changed(name: string, id: NodeId): void {
    this.#changedMs = this.#space.clock.wallMs();
    this.#space.events.emit({ id: this.id, what: "children", child: { name, id } });
  }
}

const nameBytesMax = 255;

const traits: FileTraits = {
  seekable: true,
  immutable: false,
  directIo: true,
  blockBytes: 1,
  writable: true,
  extensible: true,
};

class ScratchFile implements FileNode {
  readonly kind = "file";
  readonly id: NodeId;
  readonly traits = traits;
  readonly #space: ScratchSpace;
  readonly #bornMs: number;
  #storage = new Uint8Array(0);
  #sizeBytes = 0;
  #changedMs: number;
  #changes = 0;
  #ended = false;

  constructor(space: ScratchSpace) {
    this.id = space.ids.next();
    this.#space = space;
    this.#bornMs = space.clock.wallMs();
    this.#changedMs = this.#bornMs;
  }

  get sizeBytes(): number {
    return this.#sizeBytes;
  }

  attr(): Attr {
    const bytes = this.#sizeBytes;
    const sizes = { sizeBytes: bytes, allocatedBytes: bytes };
    const times = { mtimeMs: this.#changedMs, ctimeMs: this.#changedMs };
    return { kind: "file", ...sizes, mode: 0o644, ...times, birthtimeMs: this.#bornMs };
  }

  version(): FileVersion {
    const tag = `s${this.id}-${this.#changes}-${this.#bornMs.toString(36)}`;
    return { tag, strong: true, modifiedMs: this.#changedMs };
  }

  open(): OpenFile {
    return {
      sizeBytes: () => this.#sizeBytes,
      read: (into, offset) => readBytes(this.#storage.subarray(0, this.#sizeBytes), into, offset),
      write: (from, offset) => this.#write(from, offset),
      flush: async () => {},
      sync: async () => {},
      close: async () => {},
    };
  }

  async setSize(bytes: number): Promise<void> {
    this.#resize(bytes);
    this.#changed();
  }

  /** It was removed: its bytes count no longer, so it takes no more. */
  end(): void {
    this.#ended = true;
    this.#storage = new Uint8Array(0);
    this.#sizeBytes = 0;
  }

  #write(from: Uint8Array, offset: number): number {
    if (offset + from.length > this.#sizeBytes) this.#resize(offset + from.length);
    this.#storage.set(from, offset);
    this.#changed();
    return from.length;
  }

  #resize(bytes: number): void {
    if (this.#ended) throw new SheepfsError("stale", "the file was removed");
    const more = bytes - this.#sizeBytes;
    if (more > 0) this.#space.takeBytes(more);
    else this.#space.giveBack({ nodes: 0, bytes: -more });
    if (bytes === 0) this.#storage = new Uint8Array(0);
    else if (bytes > this.#storage.length) {
      const room = Math.min(limits.scratchBytesMax, Math.max(bytes, 2 * this.#storage.length));
      const storage = new Uint8Array(room);
      storage.set(this.#storage.subarray(0, this.#sizeBytes));
      this.#storage = storage;
    } else if (more < 0) this.#storage.fill(0, bytes, this.#sizeBytes);
    this.#sizeBytes = bytes;
  }

  #changed(): void {
    this.#changes += 1;
    this.#changedMs = this.#space.clock.wallMs();
    this.#space.events.emit({ id: this.id, what: "content" });
  }
}

function sizesOf(node: ScratchDir | ScratchFile): { nodes: number; bytes: number } {
  if (node.kind === "file") return { nodes: 1, bytes: node.sizeBytes };
  const sizes = { nodes: 1, bytes: 0 };
  for (const member of node.members()) {
    const { nodes, bytes } = sizesOf(member);
    sizes.nodes += nodes;
    sizes.bytes += bytes;
  }
  return sizes;
}

/** Directories in each other, itself counted. */
function heightOf(dir: ScratchDir): number {
  let height = 0;
  for (const member of dir.members()) {
    if (member.kind === "dir") height = Math.max(height, heightOf(member));
  }
  return height + 1;
}

function end(node: ScratchDir | ScratchFile): void {
  if (node.kind === "dir") for (const member of node.members()) end(member);
  node.end();
}

function notThere(name: string): SheepfsError {
  return new SheepfsError("not_found", `there is no '${name}'`);
}
