import { SheepfsError } from "../base/errors.ts";
import type { Node, NodeId } from "../tree/node.ts";
import { rootNodeId } from "./abi.ts";
import type { Notes, SavedNode, SessionChange } from "./saved.ts";

interface NodeRecord {
  readonly nodeId: number;
  parentNodeId: number;
  name: string;
  node: Node;
  /** How often the kernel was told of it and has not yet forgotten it. */
  lookups: number;
}

/** Which node the kernel means by a nodeid. Numbers are never used twice in the life of a mount. */
export class NodeTable {
  readonly #records = new Map<number, NodeRecord>();
  readonly #nodeIds = new Map<NodeId, number>();
  readonly #notes: Notes;
  #nextNodeId = rootNodeId + 1;

  constructor(root: Node, notes: Notes) {
    this.#notes = notes;
    const record = { nodeId: rootNodeId, parentNodeId: 0, name: "", node: root, lookups: 1 };
    this.#records.set(rootNodeId, record);
    this.#nodeIds.set(root.id, rootNodeId);
  }

  get size(): number {
    return this.#records.size;
  }

  get nextNodeId(): number {
    return this.#nextNodeId;
  }

  /** @throws stale when the kernel names what it was not told of, or has forgotten */
  get(nodeId: number): Node {
    const node = this.find(nodeId);
    if (node === null) throw new SheepfsError("stale", `no node ${nodeId}`);
    return node;
  }

  /** The same; null when there is none. */
  find(nodeId: number): Node | null {
    return this.#records.get(nodeId)?.node ?? null;
  }

  /** The nodeid of a node that the kernel knows, else null. */
  nodeIdOf(id: NodeId): number | null {
    return this.#nodeIds.get(id) ?? null;
  }

  /** Counts one lookup of `node`, found under `name`. */
  remember(node: Node, parentNodeId: number, name: string): number {
    const known = this.#nodeIds.get(node.id);
    const record = known === undefined ? undefined : this.#records.get(known);
    if (record !== undefined) {
      record.lookups += 1;
      record.node = node;
      return record.nodeId;
    }
    const nodeId = this.#nextNodeId;
    this.#notes?.note({ is: "node", node: { nodeId, parentNodeId, name } });
    this.#nextNodeId += 1;
    this.#put({ nodeId, parentNodeId, name, node, lookups: 1 });
    return nodeId;
  }

  /** A node that the kernel knows is found elsewhere from now on. */
  moved(node: Node, parentNodeId: number, name: string): void {
    const nodeId = this.nodeIdOf(node.id);
    const record = nodeId === null ? undefined : this.#records.get(nodeId);
    if (record === undefined) return;
    this.#notes?.note({ is: "node", node: { nodeId: record.nodeId, parentNodeId, name } });
    record.parentNodeId = parentNodeId;
    record.name = name;
  }

  /** Takes back `lookups`; the node is dropped with the last one. The root stays. */
  forget(nodeId: number, lookups: number): void {
    const record = this.#records.get(nodeId);
    if (record === undefined || nodeId === rootNodeId) return;
    record.lookups -= Math.min(lookups, record.lookups);
    if (record.lookups > 0) return;
    this.#records.delete(nodeId);
    if (this.#nodeIds.get(record.node.id) === nodeId) this.#nodeIds.delete(record.node.id);
  }

  /**
   * Takes over what a predecessor told the kernel of. How often it did is not known, so such a node
   * is never forgotten; there are no more of them than nodes in the tree.
   */
  restore({ nodeId, parentNodeId, name }: SavedNode, node: Node): void {
    this.#put({ nodeId, parentNodeId, name, node, lookups: Number.POSITIVE_INFINITY });
  }

  /** Numbers below this one were given out by a predecessor. */
  beginAt(nextNodeId: number): void {
    this.#nextNodeId = Math.max(this.#nextNodeId, nextNodeId);
  }

  save(): SessionChange[] {
    return [...this.#records.values()]
      .filter(({ nodeId }) => nodeId !== rootNodeId)
      .map(({ nodeId, parentNodeId, name }) => ({
        is: "node",
        node: { nodeId, parentNodeId, name },
      }));
  }

  #put(record: NodeRecord): void {
    this.#records.set(record.nodeId, record);
    // Of two numbers for one node, one of before it was attached anew, the first stands for it.
    if (!this.#nodeIds.has(record.node.id)) this.#nodeIds.set(record.node.id, record.nodeId);
  }
}
