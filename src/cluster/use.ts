import type { Scope } from "../base/scope.ts";
import type { SheepCaller } from "../client/caller.ts";
import type { InodeHeader } from "../wire/inode.ts";
import { attachedElsewhere, type FoundRecord, findRecord } from "./attach-record.ts";
import type { HoldPorts } from "./holds.ts";
import { clusterHasLocks } from "./info.ts";
import { busy, gatewaysText, lockOwner } from "./locks.ts";

/**
 * Refuses to touch a VDI that somebody has attached for writing or locked.
 * @returns the record that a holder has left who is gone
 * @throws busy naming who it is
 */
export async function refuseUsed(
  { caller, isGone }: Pick<HoldPorts, "caller" | "isGone">,
  { name, vid, isSnapshot }: InodeHeader,
  scope: Scope,
): Promise<FoundRecord | null> {
  const left = isSnapshot ? null : await findRecord(caller, name, scope);
  if (left !== null && (left.record === null || !isGone(left.record.holder))) {
    throw attachedElsewhere(name, left);
  }
  if (!(await clusterHasLocks(caller, scope))) return left;
  const owner = await lockOwner(caller, vid, scope);
  const lock = left?.record?.lock ?? null;
  const isLeft = lock?.vid === vid && owner !== null && gatewaysText(owner) === lock.gateway;
  if (owner !== null && !isLeft) throw await busy(caller, { name, vid, scope });
  return left;
}

/** For what may be done to a VDI that is attached. @throws busy saying why it is locked */
export async function refuseLockedByHand(
  caller: SheepCaller,
  name: Uint8Array,
  scope: Scope,
): Promise<void> {
  const found = await findRecord(caller, name, scope);
  if (found?.record?.holder.byHand !== undefined) throw attachedElsewhere(name, found);
}
