import type { DirNode, NodeId, TreeEvent } from "../../tree/node.ts";
import type { DeadProperties } from "../properties/dead-properties.ts";
import type { LockTable } from "./locks.ts";

/**
 * Ends what clients have locked and noted when what it was about goes by itself, as a volume that is
 * detached: whoever comes under its name next is another (RFC 4918 §6.1). What methods remove and
 * move they look after themselves.
 */
export class Departures {
  readonly #tables: { readonly locks: LockTable; readonly properties: DeadProperties };
  /** Where they are, of directories in which something was locked or noted; few, as they stay. */
  readonly #dirs = new Map<NodeId, readonly string[]>();

  constructor(tables: { readonly locks: LockTable; readonly properties: DeadProperties }) {
    this.#tables = tables;
  }

  /**
   * To be called before something at `path`, which is in `parent`, is locked or noted about. Where
   * names can be moved, they come and go by methods alone, some for a moment only.
   */
  watch(path: readonly string[], parent: DirNode | null): void {
    if (parent === null || parent.move !== undefined) return;
    this.#dirs.set(parent.id, path.slice(0, -1));
  }

  told({ id, what, child }: TreeEvent): void {
    const dir = this.#dirs.get(id);
    if (what !== "children" || child === undefined || dir === undefined) return;
    const path = [...dir, child.name];
    this.#tables.locks.removeBelow(path);
    this.#tables.properties.removeBelow(path);
  }
}
