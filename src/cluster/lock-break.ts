import { asSheepfsError } from "../base/errors.ts";
import { limits } from "../base/limits.ts";
import { type Scope, throwIfEnded } from "../base/scope.ts";
import {
  type AttachRecord,
  claimKey,
  encodeRecord,
  type FoundRecord,
  findRecord,
  recordAt,
  recordKey,
} from "./attach-record.ts";
import { findAttribute, removeAttribute, writeAttribute } from "./attributes.ts";
import type { HoldPorts } from "./holds.ts";
import { clusterHasLocks } from "./info.ts";
import { type LockOwner, lockOwner, releaseVdi } from "./locks.ts";
import { resolveVdi } from "./resolve.ts";

/** Who keeps others from writing a VDI. */
export interface VdiLockState {
  readonly vid: number;
  readonly found: FoundRecord | null;
  /** Its holder is known to have ended. */
  readonly isGone: boolean;
  /** The lock in the cluster; null when nobody has it, undefined when the cluster has no locks. */
  readonly owner: LockOwner | null | undefined;
}

/** @throws not_found | … */
export async function vdiLockState(
  { caller, isGone }: HoldPorts,
  name: Uint8Array,
  scope: Scope,
): Promise<VdiLockState> {
  const { vid } = await resolveVdi(caller, { name, snapshot: null }, scope);
  const found = await findRecord(caller, name, scope);
  const gone = found !== null && found.record !== null && isGone(found.record.holder);
  const hasLocks = await clusterHasLocks(caller, scope);
  const owner = hasLocks ? await lockOwner(caller, vid, scope) : undefined;
  return { vid, found, isGone: gone, owner };
}

/**
 * Takes a VDI away from whoever has it. One that lives and reaches the cluster is told by its record
 * and has stopped writing when this returns; of any other nothing can be known.
 * @returns what was there
 */
export async function breakLock(
  ports: HoldPorts,
  name: Uint8Array,
  scope: Scope,
): Promise<VdiLockState> {
  const { caller } = ports;
  const state = await vdiLockState(ports, name, scope);
  // Left by one that ended while it took over.
  const claim = await findAttribute(caller, { vdi: name, key: claimKey }, scope);
  if (claim !== null) await removeAttribute(caller, claim, scope);
  if (state.found !== null) await breakRecord(ports, name, state, scope);
  if (state.owner !== null && state.owner !== undefined) {
    await releaseVdi(caller, state.vid, scope);
  }
  return state;
}

async function breakRecord(
  ports: HoldPorts,
  vdi: Uint8Array,
  { found, isGone }: VdiLockState,
  scope: Scope,
): Promise<void> {
  if (found === null) return;
  const { caller, clock, self } = ports;
  const { place, record } = found;
  if (record !== null && !isGone) {
    const brokenBy = `host '${self.host}'`;
    let untilMs = 0;
    for (let now: FoundRecord | null = found; ; now = await recordAt(caller, vdi, place, scope)) {
      if (now?.record?.holder.instance !== record.holder.instance) return;
      if (now.record.brokenBy === null) {
        // Again when the holder, about to write it itself, has written over it.
        await mark(ports, vdi, { found, record: { ...now.record, brokenBy } }, scope);
        untilMs = clock.nowMs() + limits.lockBreakMs;
      }
      if (clock.nowMs() >= untilMs) break;
      await new Promise<void>((resolve) => clock.after(limits.lockBreakPollMs, resolve));
      throwIfEnded(scope, clock, "break the lock");
    }
  }
  await removeAttribute(caller, place, scope);
}

/** One that was given back meanwhile is as good. */
async function mark(
  { caller }: HoldPorts,
  vdi: Uint8Array,
  { found, record }: { readonly found: FoundRecord; readonly record: AttachRecord },
  scope: Scope,
): Promise<void> {
  const name = { vdi, key: recordKey };
  try {
    await writeAttribute(caller, name, found.place, encodeRecord(record), scope);
  } catch (thrown) {
    if (asSheepfsError(thrown).code !== "stale") throw thrown;
  }
}
