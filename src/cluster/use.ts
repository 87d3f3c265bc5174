import type { Scope } from "../base/scope.ts";
import type { SheepCaller } from "../client/caller.ts";
import { decodeCopyPolicy } from "../wire/ec.ts";
import type { InodeHeader } from "../wire/inode.ts";
import { attachedElsewhere, type FoundRecord, findRecord } from "./attach-record.ts";
import type { HoldPorts } from "./holds.ts";
import { clusterHasLocks } from "./info.ts";
import { busy, gatewaysText, lockOwner } from "./locks.ts";
import { listNodes, zonesOf } from "./nodes.ts";
import { vdiFacts } from "./vdis.ts";

/**
 * Refuses to touch a VDI that somebody has attached for writing or locked.
 * @returns the record that a holder has left who is gone
 * @throws busy naming who it is
 */
export async function refuseUsed(
  { caller, isGone }: Pick<HoldPorts, "caller" | "isGone">,
  header: InodeHeader,
  scope: Scope,
): Promise<FoundRecord | null> {
  const { name, vid, isSnapshot } = header;
  const left = isSnapshot ? null : await recordOf(caller, header, scope);
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

async function recordOf(
  caller: SheepCaller,
  header: InodeHeader,
  scope: Scope,
): Promise<FoundRecord | null> {
  try {
    return await findRecord(caller, header.name, scope);
  } catch (thrown) {
    if (await isBeyondUse(caller, header, scope)) return null;
    throw thrown;
  }
}

/**
 * A record is erasure-coded with the VDI, so that a sheep without nodes for the data strips refuses to
 * look for it. Then nobody can write, and one that never was written can be taken away again.
 */
async function isBeyondUse(
  caller: SheepCaller,
  { vid, copyPolicy }: InodeHeader,
  scope: Scope,
): Promise<boolean> {
  const code = decodeCopyPolicy(copyPolicy);
  if (code === null) return false;
  const { nodes } = await listNodes(caller, scope);
  if (zonesOf(nodes) >= code.dataStrips) return false;
  const facts = await vdiFacts(caller, vid, scope);
  return facts !== null && facts.ownBlocks + facts.sharedBlocks === 0;
}
