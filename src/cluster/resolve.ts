import { sameBytes } from "../base/bytes.ts";
import { asSheepfsError, SheepfsError } from "../base/errors.ts";
import { limits } from "../base/limits.ts";
import type { Scope } from "../base/scope.ts";
import type { SheepCaller } from "../client/caller.ts";
import { vidOfName } from "../wire/hash.ts";
import { VdiReplyHeader, vdiRequest } from "../wire/header.ts";
import type { InodeHeader } from "../wire/inode.ts";
import { vidMax } from "../wire/oid.ts";
import { results } from "../wire/result.ts";
import { hasVid, nameAndTag } from "../wire/vdi.ts";
import { isOfOneObject } from "./blocks.ts";
import { headerIfThere, hexVid, readHeader } from "./inode.ts";
import { checkVdiName, nameText, type VdiNameLike, vdiText } from "./name.ts";
import { readBitmap } from "./vdis.ts";

const noTag = new Uint8Array(0);

/**
 * The VDI that a name means now: the working one, whatever snapshots it has, or with a tag or id
 * that snapshot. What the cluster says is believed only when the inode agrees.
 * @throws not_found naming what there is instead | stale when it is not the vid wanted | invalid | name_too_long | corrupt | …
 * Source: protocol §6.3, captures vdi-lookup, recreate-after-delete-with-snapshots
 */
export async function resolveVdi(
  caller: SheepCaller,
  name: VdiNameLike,
  scope: Scope,
): Promise<InodeHeader> {
  if (name.vid !== undefined) return await stillThat(caller, name, name.vid, scope);
  const found = await findVdi(caller, name, scope);
  if (found !== null) return found;
  throw await notFound(caller, name, scope);
}

/** No look-up, which costs a sheep a read for each snapshot that is newer. @throws stale */
async function stillThat(
  caller: SheepCaller,
  name: VdiNameLike,
  vid: number,
  scope: Scope,
): Promise<InodeHeader> {
  checkVdiName(name);
  const header = await headerIfThere(caller, vid, scope);
  if (header !== null && isThat(header, name)) {
    const { tag = header.tag } = name;
    if (sameBytes(header.tag, tag)) return header;
    const text = `${vdiText(name)} has another tag now: '${nameText(header.tag)}'; look again`;
    throw new SheepfsError("stale", text);
  }
  throw new SheepfsError(
    "stale",
    `${vdiText(name)} is not vid ${hexVid(vid)} any more; look again`,
  );
}

/** The same; null when there is none. */
export async function findVdi(
  caller: SheepCaller,
  name: VdiNameLike,
  scope: Scope,
): Promise<InodeHeader | null> {
  checkVdiName(name);
  let vid: number | null = null;
  for (let look = 0; look < limits.vdiLooksMax; look += 1) {
    vid = await lookUp(caller, name, scope);
    if (vid === null) return null;
    const header = await headerIfThere(caller, vid, scope);
    // Else it was snapshotted or deleted between the two requests.
    if (header !== null && isThat(header, name)) return header;
  }
  throw new SheepfsError(
    "corrupt",
    `${vdiText(name)}: the cluster names vid ${hexVid(vid ?? 0)}, whose inode is another's`,
  );
}

/** Name, and tag or id, as look-ups carry them. */
export function nameFields({ name, snapshot }: VdiNameLike): {
  readonly snapId: number;
  readonly data: Uint8Array;
} {
  const tag = snapshot !== null && "tag" in snapshot ? snapshot.tag : noTag;
  const snapId = snapshot !== null && "id" in snapshot ? snapshot.id : 0;
  return { snapId, data: nameAndTag(name, tag) };
}

async function lookUp(
  caller: SheepCaller,
  name: VdiNameLike,
  scope: Scope,
): Promise<number | null> {
  const { snapId, data } = nameFields(name);
  const expected = [results.noVdi.code, results.noTag.code];
  const request = vdiRequest("getVdiInfo", { snapId }, { data });
  const { header, result } = await caller.call(request, scope, expected);
  if (result !== results.success.code) return null;
  const { vid } = VdiReplyHeader.read(header, 0);
  if (vid >= 1 && vid <= vidMax) return vid;
  throw new SheepfsError("corrupt", `${vdiText(name)}: the cluster names vid ${vid.toString(16)}`);
}

function isThat(header: InodeHeader, { name, snapshot }: VdiNameLike): boolean {
  if (!sameBytes(header.name, name)) return false;
  if (snapshot === null) return !header.isSnapshot;
  if (!header.isSnapshot) return false;
  return "id" in snapshot ? header.snapId === snapshot.id : sameBytes(header.tag, snapshot.tag);
}

/** The newest VDI or snapshot of a name; null when there is none. */
export async function newestOf(
  caller: SheepCaller,
  name: Uint8Array,
  scope: Scope,
): Promise<InodeHeader | null> {
  const used = await readBitmap(caller, "readVdis", scope);
  const first = vidOfName(name);
  let end = first;
  while (end <= vidMax && hasVid(used, end)) end += 1;
  for (let vid = end - 1; vid >= first; vid -= 1) {
    const header = await headerIfThere(caller, vid, scope);
    if (header !== null && sameBytes(header.name, name)) return header;
  }
  return null;
}

/** The error, with what could have been meant. */
async function notFound(
  caller: SheepCaller,
  wanted: VdiNameLike,
  scope: Scope,
): Promise<SheepfsError> {
  const { name, snapshot } = wanted;
  let working: InodeHeader | null = null;
  let snapshots: readonly InodeHeader[] = [];
  try {
    if (snapshot !== null) working = await findVdi(caller, { name, snapshot: null }, scope);
    snapshots = await snapshotsOf(caller, name, scope);
  } catch (thrown) {
    // That there is none is known; what else there is, is not.
    const { message } = asSheepfsError(thrown);
    return new SheepfsError("not_found", `there is no ${vdiText(wanted)} (${message})`);
  }
  const texts = snapshots.slice(-limits.snapshotsNamedMax).map(snapshotText);
  const named = texts.length === 0 ? null : `its snapshots: ${texts.join(", ")}`;
  if (snapshot !== null) {
    const has = working === null && named === null ? "no such VDI" : (named ?? "it has none");
    return new SheepfsError("not_found", `there is no ${vdiText(wanted)}; ${has}`);
  }
  if (named === null) return new SheepfsError("not_found", `there is no ${vdiText(wanted)}`);
  return new SheepfsError(
    "not_found",
    `there is no working ${vdiText(wanted)}, only ${named}; ` +
      `to write to one, clone it: sheepfs vdi clone '${nameText(name)}@TAG' NEWNAME`,
  );
}

function snapshotText({ snapId, tag }: InodeHeader): string {
  return tag.length === 0 ? `id ${snapId}` : `'${nameText(tag)}' (id ${snapId})`;
}

/**
 * Snapshots of that name, the oldest first, as far as they lie in the run of vids behind its hash.
 * It is for a message: what cannot be read is left out.
 */
async function snapshotsOf(
  caller: SheepCaller,
  name: Uint8Array,
  scope: Scope,
): Promise<InodeHeader[]> {
  const used = await readBitmap(caller, "readVdis", scope);
  const found: InodeHeader[] = [];
  const first = vidOfName(name);
  const end = Math.min(first + limits.snapshotsSoughtMax, vidMax + 1);
  for (let vid = first; vid < end && hasVid(used, vid); vid += 1) {
    try {
      const header = await readHeader(caller, vid, scope);
      if (header.isSnapshot && sameBytes(header.name, name)) found.push(header);
    } catch (thrown) {
      if (!isOfOneObject(thrown)) throw thrown;
    }
  }
  return found;
}
