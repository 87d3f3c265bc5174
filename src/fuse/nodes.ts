import { assert } from "../base/assert.ts";
import { SheepfsError } from "../base/errors.ts";
import type { Node, NodeId } from "../tree/node.ts";
import { rootNodeId } from "./abi.ts";

interface NodeRecord {
  readonly nodeId: number;
  readonly parentNodeId: number;
  readonly name: string;
  node: Node;
  /** How often the kernel was told of it and has not yet forgotten it. */
  lookups: number;
}

/** What another process needs to go on serving the same mount: nodes are found again by name. */
export interface SavedNode {
  readonly nodeId: number;
  readonly parentNodeId: number;
  readonly name: string;
  readonly lookups: number;
}

/** Which node the kernel means by a nodeid. Numbers are never used twice in the life of a mount. */
export class NodeTable {
  readonly #records = new Map<number, NodeRecord>();
  readonly #nodeIds = new Map<NodeId, number>();
  #nextNodeId = rootNodeId + 1;

  constructor(root: Node) {
    const record = { nodeId: rootNodeId, parentNodeId: 0, name: "", node: root, lookups: 1 };
    this.#records.set(rootNodeId, record);
    this.#nodeIds.set(root.id, rootNodeId);
  }

  get size(): number {
    return this.#records.size;
  }

  /** @throws stale when the kernel names what it was not told of, or has forgotten */
  get(nodeId: number): Node {
    const record = this.#records.get(nodeId);
    if (record === undefined) throw new SheepfsError("stale", `no node ${nodeId}`);
    return record.node;
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
    this.#nextNodeId += 1;
    this.#records.set(nodeId, { nodeId, parentNodeId, name, node, lookups: 1 });
    this.#nodeIds.set(node.id, nodeId);
    return nodeId;
  }

  /** Takes back `lookups`; the node is dropped with the last one. The root stays. */
  forget(nodeId: number, lookups: number): void {
    const record = this.#records.get(nodeId);
    if (record === undefined || nodeId === rootNodeId) return;
    record.lookups -= Math.min(lookups, record.lookups);
    if (record.lookups > 0) return;
    this.#records.delete(nodeId);
    assert(this.#nodeIds.get(record.node.id) === nodeId, "one nodeid for one node");
    this.#nodeIds.delete(record.node.id);
  }

  save(): SavedNode[] {
    return [...this.#records.values()].map(({ nodeId, parentNodeId, name, lookups }) => ({
      nodeId,
      parentNodeId,
      name,
      lookups,
    }));
  }
}
