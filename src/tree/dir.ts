import type { Attr, DirEntry, DirNode, Node, NodeId } from "./node.ts";

/** A directory whose entries are ours to name. */
export class TreeDir implements DirNode {
  readonly kind = "dir";
  readonly id: NodeId;
  readonly #children = new Map<string, Node>();
  readonly #bornMs: number;
  #changedMs: number;

  constructor(id: NodeId, bornMs: number, children: Readonly<Record<string, Node>>) {
    this.id = id;
    this.#bornMs = bornMs;
    this.#changedMs = bornMs;
    for (const [name, node] of Object.entries(children)) this.#children.set(name, node);
  }

  attr(): Attr {
    return {
      kind: "dir",
      sizeBytes: 0,
      allocatedBytes: 0,
      mode: 0o755,
      mtimeMs: this.#changedMs,
      ctimeMs: this.#changedMs,
      birthtimeMs: this.#bornMs,
    };
  }

  lookup(name: string): Node | null {
    return this.#children.get(name) ?? null;
  }

  async *list(): AsyncGenerator<DirEntry> {
    for (const [name, node] of [...this.#children]) yield { name, id: node.id, kind: node.kind };
  }

  put(name: string, node: Node, atMs: number): void {
    this.#children.set(name, node);
    this.#changedMs = atMs;
  }

  drop(name: string, atMs: number): void {
    this.#children.delete(name);
    this.#changedMs = atMs;
  }
}

/** One whose entries stay as they are. */
export class FixedDir extends TreeDir {
  readonly keepsNames = true;
}
