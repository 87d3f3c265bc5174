import type { Address } from "../../base/address.ts";
import { sameBytes } from "../../base/bytes.ts";
import { SheepfsError } from "../../base/errors.ts";
import { checkTag } from "../../cluster/snapshot-vdi.ts";
import { isMarked, readMark, type VdiMark } from "../../cluster/vdi-mark.ts";
import { listHeaders, vdiFacts } from "../../cluster/vdis.ts";
import { escapeTag, unescapeName } from "../../tree/names.ts";
import type { InodeHeader } from "../../wire/inode.ts";
import { withCluster } from "../verbs/cluster.ts";
import { type CopyNote, copyNoteOf, keyOf } from "./copy-note.ts";
import { sumHex } from "./digest.ts";
import { stateIdOf, stateKey } from "./state-id.ts";

/** One state of a VDI that is copied, the oldest first. */
export interface CopyState {
  readonly header: InodeHeader;
  /** Of the snapshot that is made of it, escaped; null for the last, which is what the VDI is. */
  readonly tag: string | null;
}

/** A VDI with its snapshots. */
export interface Family {
  readonly working: InodeHeader | null;
  /** The oldest first. */
  readonly snapshots: readonly InodeHeader[];
  readonly mark: VdiMark | null;
  /** It never had any data, nor a snapshot. */
  readonly untouched: boolean;
}

export async function familyOf(gateways: readonly Address[], written: string): Promise<Family> {
  const name = unescapeName(written);
  return await withCluster(gateways, async (caller, scope) => {
    const { headers } = await listHeaders(caller, scope);
    const family = headers.filter((header) => sameBytes(header.name, name));
    const snapshots = family.filter(({ isSnapshot }) => isSnapshot);
    const working = family.find(({ isSnapshot }) => !isSnapshot) ?? null;
    const alone = working !== null && snapshots.length === 0;
    const facts = alone ? await vdiFacts(caller, working.vid, scope) : null;
    return {
      working,
      snapshots: snapshots.sort((a, b) => a.snapId - b.snapId),
      mark: await readMark(caller, { name, kind: "copy" }, scope),
      untouched: facts !== null && facts.ownBlocks + facts.sharedBlocks === 0,
    };
  });
}

/**
 * What is copied of a VDI.
 * @throws not_found | invalid for tags that cannot be made there | not_supported when it became smaller
 */
export function statesOf(
  { working, snapshots }: Family,
  { name, snapshotsOnly }: { readonly name: string; readonly snapshotsOnly: boolean },
): readonly CopyState[] {
  const states: CopyState[] = snapshots.map((header) => ({ header, tag: tagOf(header) }));
  if (!snapshotsOnly) {
    if (working === null) {
      const text = `there is no working VDI '${name}'`;
      throw new SheepfsError(
        "not_found",
        `${text}; '--snapshots' copies the snapshots that it left`,
      );
    }
    states.push({ header: working, tag: null });
  }
  if (states.length === 0) throw new SheepfsError("not_found", `'${name}' has no snapshots`);
  refuseSameTags(states);
  for (const [at, { header, tag }] of states.entries()) {
    const before = states[at - 1]?.header.vdiSize ?? 0;
    if (header.vdiSize >= before) continue;
    const what = tag === null ? `'${name}'` : `'${name}@${tag}'`;
    const text = `${what} is smaller than the snapshot before it, and a copy cannot become smaller`;
    throw new SheepfsError("not_supported", `${text}; export the states that you need`);
  }
  return states;
}

/** A snapshot of dog may have no tag, or one that only says what looks like an id. */
function tagOf({ tag, snapId }: InodeHeader): string {
  if (tag.length === 0) return `id-${snapId}`;
  try {
    checkTag(tag);
  } catch {
    return `id-${snapId}`;
  }
  return escapeTag(tag);
}

function refuseSameTags(states: readonly CopyState[]): void {
  const seen = new Set<string>();
  for (const { tag } of states) {
    if (tag !== null && seen.has(tag)) {
      const text = `two snapshots have the tag '${tag}', and no copy of both can be made`;
      throw new SheepfsError("invalid", `${text}; delete one of them`);
    }
    if (tag !== null) seen.add(tag);
  }
}

/** Where a copy goes on. */
export interface CopyBegun {
  /** How many of the states it has already. */
  readonly done: number;
  /** Null when nothing was noted at it. */
  readonly note: CopyNote | null;
}

/**
 * How far the target is; null when there is no target.
 * @throws exists when it is not to be gone on with | invalid when it is no copy of these
 */
export function begunAt(
  target: Family,
  states: readonly CopyState[],
  { as, resume }: { readonly as: string; readonly resume: boolean },
): CopyBegun | null {
  const { working, snapshots } = target;
  if (working === null && snapshots.length === 0) return null;
  const note = noteOf(target);
  // It may have been made, and its maker killed before it was marked.
  const size = states[0]?.header.vdiSize;
  if (resume && note === null && target.untouched && working?.vdiSize === size) {
    return { done: 0, note: null };
  }
  if (!resume || working === null || note === null) throw existsThere(as, note !== null);
  const begun = goneOn(target, states, note);
  if (begun !== null) return begun;
  const text =
    note.last === null && snapshots.length === 0
      ? `VDI '${as}' there is no copy of this VDI, or its first snapshot is gone here`
      : `the last snapshot of '${as}' is none that was copied there, or that one is gone here`;
  throw new SheepfsError("invalid", `${text}; choose another name with '--as'`);
}

/** What was noted, when it was at what is there now. */
function noteOf({ working, snapshots, mark }: Family): CopyNote | null {
  const note = copyNoteOf(mark);
  if (note === null || mark === null) return null;
  const all = working === null ? snapshots : [...snapshots, working];
  const isIts = all.some((one) => isMarked(mark, one) || keyOf(one) === note.last?.snapshot);
  return isIts ? note : null;
}

function existsThere(as: string, isCopy: boolean): SheepfsError {
  const advice = isCopy
    ? "go on with '--resume', or choose another name with '--as'"
    : "choose another name with '--as'";
  const text = `VDI '${as}' exists there${isCopy ? " as a copy" : ""}; ${advice}`;
  return new SheepfsError("exists", text);
}

function goneOn(
  { snapshots, mark }: Family,
  states: readonly CopyState[],
  note: CopyNote,
): CopyBegun | null {
  const { first, last, making } = note;
  const newest = snapshots.at(-1);
  if (newest === undefined) {
    const [origin] = states;
    const isSame = origin !== undefined && keyOf(origin.header) === first;
    return last === null && isSame ? { done: 0, note } : null;
  }
  const tag = escapeTag(newest.tag);
  const doneWith = ({ state }: { readonly state: string }): number =>
    1 + states.findIndex((one) => stateKey(stateIdOf(one.header)) === state && one.tag === tag);
  // It was made, and the copy ended before that was noted.
  if (making !== null && mark !== null && isMarked(mark, newest)) {
    const made = { ...making, snapshot: keyOf(newest) };
    const done = doneWith(made);
    return done === 0 ? null : { done, note: { first, last: made, making: null, sum: sumHex(0n) } };
  }
  const noted = last !== null && keyOf(newest) === last.snapshot ? doneWith(last) : 0;
  return noted === 0 ? null : { done: noted, note };
}
