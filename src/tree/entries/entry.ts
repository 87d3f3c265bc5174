import type { Clock } from "../../base/clock.ts";
import type { EventHub, NodeIds } from "../events.ts";

/** What every entry is made with. */
export interface EntryBase {
  readonly ids: NodeIds;
  readonly clock: Clock;
  readonly events: EventHub;
  /** When the tree came to be. */
  readonly bornMs: number;
}
