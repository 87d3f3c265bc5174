import type { VdiMark } from "../../cluster/vdi-mark.ts";
import type { InodeHeader } from "../../wire/inode.ts";
import { stateIdOf, vdiKey } from "./state-id.ts";

/** A state that a copy has, as keys, since names and tags may be given to others. */
interface NotedState {
  /** The state here. */
  readonly state: string;
  /** What it had when it was copied. See `heldBytes`. */
  readonly heldBytes: number;
}

/** What is noted at a copy, beside which working VDI it was then. */
export interface CopyNote {
  /** The VDI here that it was begun from, at its first state. */
  readonly first: string;
  /** The last state that has a snapshot there, and the VDI that this is. */
  readonly last: (NotedState & { readonly snapshot: string }) | null;
  /** The state that it has as a whole, of which a snapshot is just being made. */
  readonly making: NotedState | null;
  /** What it has beside its last snapshot, as a difference of sums; null while it is written. */
  readonly sum: string | null;
}

/** @returns null for what no copy has noted */
export function copyNoteOf(mark: VdiMark | null): CopyNote | null {
  const note = (mark?.about ?? {}) as Partial<CopyNote>;
  const texts = typeof note.first === "string" && typeof (note.sum ?? "") === "string";
  const last = note.last ?? null;
  const making = note.making ?? null;
  const states = [...(last === null ? [] : [last]), ...(making === null ? [] : [making])];
  const known = states.every(
    ({ state, heldBytes }) => typeof state === "string" && Number.isSafeInteger(heldBytes),
  );
  return texts && known ? (note as CopyNote) : null;
}

export function keyOf(header: InodeHeader): string {
  return vdiKey(stateIdOf(header));
}
