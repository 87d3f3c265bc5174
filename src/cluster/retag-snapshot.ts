import { SheepfsError } from "../base/errors.ts";
import type { Scope } from "../base/scope.ts";
import type { SheepCaller } from "../client/caller.ts";
import type { InodeHeader } from "../wire/inode.ts";
import { nameText, type VdiNameLike, vdiText } from "./name.ts";
import { findVdi, resolveVdi } from "./resolve.ts";
import { checkTag, refuseTag, writeTag } from "./snapshot-vdi.ts";

/**
 * Gives a snapshot another tag, which none of the VDI has; its bytes, id and times stay.
 * @throws not_found | stale | exists | invalid for what is no snapshot, or a tag of digits |
 *   name_too_long | busy when somebody else takes the tag in the same moment | …
 */
export async function retagSnapshot(
  caller: SheepCaller,
  which: VdiNameLike,
  tag: Uint8Array,
  scope: Scope,
): Promise<InodeHeader> {
  checkTag(tag);
  const before = await resolveVdi(caller, which, scope);
  if (!before.isSnapshot) {
    throw new SheepfsError("invalid", `${vdiText(which)} is no snapshot and has no tag to change`);
  }
  const { name, vid } = before;
  await refuseTag(caller, { name, tag }, scope);
  await writeTag(caller, before, tag, scope);
  const now = await findVdi(caller, { name, snapshot: { tag } }, scope);
  if (now?.vid === vid) return now;
  // The tag is another's too by now, or the snapshot was deleted meanwhile and has none to put back.
  if (now !== null) await writeTag(caller, before, before.tag, scope);
  const why = now === null ? "was deleted" : `was overtaken: '${nameText(tag)}' is another's now`;
  throw new SheepfsError("busy", `${vdiText(which)} ${why}; see vdi/list and try again`);
}
