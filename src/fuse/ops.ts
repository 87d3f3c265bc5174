import type { Clock } from "../base/clock.ts";
import type { Logger } from "../base/log.ts";
import type { Tree } from "../tree/node.ts";
import type { HandleTable } from "./handles.ts";
import type { Message } from "./message.ts";
import type { NodeTable } from "./nodes.ts";
import type { Notes, SavedAct } from "./saved.ts";

/** Who the files seem to belong to, and what is taken off their modes. */
export interface Ownership {
  readonly uid: number;
  readonly gid: number;
  readonly umask: number;
}

/** What a handler works on. */
export interface OpsContext {
  readonly tree: Tree;
  readonly nodes: NodeTable;
  readonly handles: HandleTable;
  readonly ownership: Ownership;
  readonly readOnly: boolean;
  /** For a successor. */
  readonly notes: Notes;
  /** What a predecessor noted of messages that may come again, by their number. */
  readonly acts: Map<string, SavedAct>;
  readonly clock: Clock;
  readonly log: Logger;
}

/**
 * Answers one message, now or when its Promise settles. What it throws becomes the answer, so a
 * handler answers last.
 */
export type Handler = (message: Message, context: OpsContext) => void | Promise<void>;
