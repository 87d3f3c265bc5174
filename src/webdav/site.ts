import type { Clock } from "../base/clock.ts";
import type { Logger } from "../base/log.ts";
import type { Scope } from "../base/scope.ts";
import type { RequestBody, RequestHeaders } from "../http/exchange.ts";
import type { Tree } from "../tree/node.ts";
import type { FileReads } from "./content/send-file.ts";
import type { FileWrites } from "./content/write-file.ts";
import type { Departures } from "./locks/departures.ts";
import type { LockTable } from "./locks/locks.ts";
import type { DeadProperties } from "./properties/dead-properties.ts";
import type { AnswerMemory } from "./properties/multistatus.ts";

/** What every method works with: one per server. */
export interface Site {
  readonly tree: Tree;
  readonly clock: Clock;
  readonly log: Logger;
  readonly readOnly: boolean;
  /** Where the tree's root is, encoded, without a slash at the end: "" or "/x". */
  readonly basePath: string;
  readonly locks: LockTable;
  readonly properties: DeadProperties;
  readonly departures: Departures;
  readonly answers: AnswerMemory;
  /** Memory and bounds of bodies on their way out and in. */
  readonly reads: FileReads;
  readonly writes: FileWrites;
  /** Wall clock, ms since 1970: what dates are made of. */
  wallMs(): number;
}

/** A request whose path is understood. */
export interface DavRequest {
  readonly method: string;
  /** Decoded names from the tree's root; [] is the root itself. */
  readonly path: readonly string[];
  /** The path as it was asked for ended with a slash. */
  readonly slash: boolean;
  readonly query: string;
  readonly headers: RequestHeaders;
  readonly body: RequestBody;
  readonly secure: boolean;
  /** Null where nobody logs in. */
  readonly user: string | null;
  /** `scheme://host[:port]` that the client used, to take `Destination` and `If` apart. */
  readonly origin: string;
  readonly scope: Scope;
}
