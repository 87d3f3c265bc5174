import type { Clock } from "../../base/clock.ts";
import type { Logger } from "../../base/log.ts";
import type { EventHub, NodeIds } from "../events.ts";
import type { Patience } from "../patience.ts";

/** What every entry is made with. */
export interface EntryBase {
  readonly ids: NodeIds;
  readonly clock: Clock;
  readonly log: Logger;
  readonly events: EventHub;
  readonly patience: Patience;
  /** When the tree came to be. */
  readonly bornMs: number;
}
