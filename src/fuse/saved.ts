import type { ErrorCode } from "../base/errors.ts";
import { limits } from "../base/limits.ts";
import type { OpenMode } from "../tree/node.ts";

/** What was agreed with the kernel; a successor of this process will not see it negotiated again. */
export interface Negotiated {
  readonly minor: number;
  readonly flags: number;
  readonly flags2: number;
}

/** A node that the kernel may name: found again by its name, as its object is this process's own. */
export interface SavedNode {
  readonly nodeId: number;
  readonly parentNodeId: number;
  readonly name: string;
}

export interface SavedHandle {
  readonly low: number;
  readonly high: number;
  readonly nodeId: number;
  readonly kind: "file" | "dir";
  readonly mode: OpenMode;
  /** Of a text: what it was when it was opened, in base64; null when that was too long to be kept. */
  readonly text: string | null;
  /** The beginning of a line was written to it. */
  readonly unfinished: boolean;
}

/** What became of a message that must not be carried out twice. */
export interface SavedAct {
  readonly unique: string;
  /** What it was answered with; null while that is not known. */
  readonly outcome:
    | { readonly bytes: number }
    | { readonly code: ErrorCode; readonly reason: string }
    | null;
}

/**
 * One change of what a successor has to know. Each is noted before the answer that lets the kernel
 * go by it. FORGETs are not noted: a node that is saved needlessly does no harm.
 */
export type SessionChange =
  | { readonly is: "negotiated"; readonly negotiated: Negotiated }
  /** Numbers up to these were used. */
  | { readonly is: "numbers"; readonly nextNodeId: number; readonly handleUses: number }
  | { readonly is: "node"; readonly node: SavedNode }
  | { readonly is: "opened"; readonly handle: SavedHandle }
  | { readonly is: "unfinished"; readonly low: number; readonly unfinished: boolean }
  | { readonly is: "closed"; readonly low: number }
  | { readonly is: "act"; readonly act: SavedAct };

/** Where changes are noted; null where no successor is to come. */
export type Notes = { note(change: SessionChange): void } | null;

/** What the kernel holds of us, as a successor finds it. */
export interface SavedSession {
  readonly negotiated: Negotiated | null;
  readonly nextNodeId: number;
  readonly handleUses: number;
  /** In the order in which they became known: parents first. */
  readonly nodes: readonly SavedNode[];
  readonly handles: readonly SavedHandle[];
  readonly acts: ReadonlyMap<string, SavedAct>;
}

/** Adds the changes up. */
export function savedSession(changes: Iterable<SessionChange>): SavedSession {
  let negotiated: Negotiated | null = null;
  let nextNodeId = 0;
  let handleUses = 0;
  const nodes = new Map<number, SavedNode>();
  const handles = new Map<number, SavedHandle>();
  const acts = new Map<string, SavedAct>();
  for (const change of changes) {
    switch (change.is) {
      case "negotiated":
        negotiated = change.negotiated;
        break;
      case "numbers":
        nextNodeId = Math.max(nextNodeId, change.nextNodeId);
        handleUses = Math.max(handleUses, change.handleUses);
        break;
      case "node":
        nodes.set(change.node.nodeId, change.node);
        nextNodeId = Math.max(nextNodeId, change.node.nodeId + 1);
        break;
      case "opened":
        handles.set(change.handle.low, change.handle);
        handleUses = Math.max(handleUses, change.handle.high);
        break;
      case "unfinished": {
        const handle = handles.get(change.low);
        const { unfinished } = change;
        if (handle !== undefined) handles.set(change.low, { ...handle, unfinished });
        break;
      }
      case "closed":
        handles.delete(change.low);
        break;
      case "act":
        // The latest come last.
        acts.delete(change.act.unique);
        acts.set(change.act.unique, change.act);
        break;
    }
  }
  return {
    ...{ negotiated, nextNodeId, handleUses, acts: unanswered([...acts.values()]) },
    nodes: [...nodes.values()],
    handles: [...handles.values()],
  };
}

/** Those whose answer the kernel may lack: all without one, and the last with one. */
function unanswered(acts: readonly SavedAct[]): ReadonlyMap<string, SavedAct> {
  const known = acts.filter(({ outcome }) => outcome !== null).slice(-limits.messagesInflightMax);
  const unknown = acts.filter(({ outcome }) => outcome === null);
  return new Map([...unknown, ...known].map((act) => [act.unique, act]));
}
