import type { Unsubscribe } from "../base/scope.ts";
import type { NodeId, TreeEvent, TreeEvents } from "./node.ts";

/** Numbers of nodes: each is used once in the life of a tree. */
export class NodeIds {
  #last = 0;

  next(): NodeId {
    this.#last += 1;
    return this.#last;
  }
}

/** Where nodes tell what changed, and frontends hear it. */
export class EventHub implements TreeEvents {
  readonly #listeners = new Set<(event: TreeEvent) => void>();

  on(fn: (event: TreeEvent) => void): Unsubscribe {
    this.#listeners.add(fn);
    return () => this.#listeners.delete(fn);
  }

  emit(event: TreeEvent): void {
    for (const fn of this.#listeners) fn(event);
  }
}
