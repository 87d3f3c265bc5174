import type { Address } from "../../base/address.ts";
import { sameBytes } from "../../base/bytes.ts";
import { SheepfsError } from "../../base/errors.ts";
import { checkTag } from "../../cluster/snapshot-vdi.ts";
import { listHeaders, vdiFacts } from "../../cluster/vdis.ts";
import { escapeTag, unescapeName } from "../../tree/names.ts";
import type { InodeHeader } from "../../wire/inode.ts";
import { withCluster } from "../verbs/cluster.ts";
import { type StateId, sameState, stateIdFrom, stateIdOf } from "./state-id.ts";
import { isMarked, readMark, type VdiMark } from "./vdi-mark.ts";

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

/** What is noted at a copy: the state that its last snapshot has. */
export interface CopyNote {
  readonly last: StateId | null;
}

/**
 * How many of the states the target has already; null when there is no target.
 * @throws exists when it is not to be gone on with | invalid when it is no copy of these
 */
export function statesDone(
  target: Family,
  states: readonly CopyState[],
  { as, resume }: { readonly as: string; readonly resume: boolean },
): number | null {
  const { working, snapshots, mark } = target;
  if (working === null && snapshots.length === 0) return null;
  const isCopy =
    mark !== null &&
    [...snapshots, ...(working === null ? [] : [working])].some((one) => isMarked(mark, one));
  // It may have been made, and its maker killed before it was marked.
  const size = states[0]?.header.vdiSize;
  if (resume && !isCopy && target.untouched && working?.vdiSize === size) return 0;
  if (!resume || working === null || !isCopy) {
    const advice = isCopy
      ? "go on with '--resume', or choose another name with '--as'"
      : "choose another name with '--as'";
    throw new SheepfsError(
      "exists",
      `VDI '${as}' exists there${isCopy ? " as a copy" : ""}; ${advice}`,
    );
  }
  const { last } = mark.about as CopyNote;
  const noted = last === null ? -1 : indexOf(states, stateIdFrom(last, as));
  const newest = snapshots.at(-1);
  if (newest === undefined && last === null) return 0;
  const tag = newest === undefined ? null : escapeTag(newest.tag);
  // It was made, and the copy ended before that was noted; or it was noted.
  for (const at of [noted + 1, noted])
    if (at >= 0 && states[at]?.tag === tag && tag !== null) return at + 1;
  const text = `the last snapshot of '${as}' is none that was copied there`;
  throw new SheepfsError(
    "invalid",
    `${text}, or that one is gone here; choose another name with '--as'`,
  );
}

function indexOf(states: readonly CopyState[], last: StateId): number {
  const at = states.findIndex(({ header }) => sameState(stateIdOf(header), last));
  return at < 0 ? Number.NEGATIVE_INFINITY : at;
}
