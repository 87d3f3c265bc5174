import { type Address, formatAddress } from "../../base/address.ts";
import { silentLogger } from "../../base/log.ts";
import type { Scope } from "../../base/scope.ts";
import type { HoldPorts } from "../../cluster/holds.ts";
import { hexVid } from "../../cluster/inode.ts";
import { breakLock, type VdiLockState, vdiLockState } from "../../cluster/lock-break.ts";
import { lockByHand, unlockByHand } from "../../cluster/lock-by-hand.ts";
import { realClock } from "../../sys/clock.ts";
import { unescapeName } from "../../tree/names.ts";
import { isGone, newHolder } from "../self.ts";
import { withCluster } from "./cluster.ts";

/** Who keeps others from writing a VDI, as `--json` prints it. */
export interface LockJson {
  readonly name: string;
  readonly vid: string;
  readonly attachedBy: {
    /** Null when the record cannot be understood. */
    readonly host: string | null;
    readonly pid: number | null;
    readonly since: string | null;
    /** Why, when it is no process but somebody ('sheepfs vdi lock take'). */
    readonly byHand: string | null;
    /** Known to have ended: the next attach on its host takes the VDI over. */
    readonly gone: boolean;
    /** Who is just taking the VDI away from it. */
    readonly brokenBy: string | null;
  } | null;
  /** Null where the cluster has no locks. */
  readonly lock: { readonly held: boolean; readonly gateways: readonly string[] } | null;
}

export async function showVdiLock(gateways: readonly Address[], name: string): Promise<LockJson> {
  return await withLocks(gateways, name, vdiLockState);
}

/** @returns what there was */
export async function breakVdiLock(gateways: readonly Address[], name: string): Promise<LockJson> {
  return await withLocks(gateways, name, breakLock);
}

/** Keeps everybody from attaching it. */
export async function takeVdiLock(
  gateways: readonly Address[],
  name: string,
  why: string,
): Promise<LockJson> {
  return await withLocks(gateways, name, async (ports, bytes, scope) => {
    await lockByHand(ports, { name: bytes, why }, scope);
    return await vdiLockState(ports, bytes, scope);
  });
}

/** Ends that. */
export async function unlockVdi(gateways: readonly Address[], name: string): Promise<LockJson> {
  return await withLocks(gateways, name, async (ports, bytes, scope) => {
    await unlockByHand(ports, bytes, scope);
    return await vdiLockState(ports, bytes, scope);
  });
}

async function withLocks(
  gateways: readonly Address[],
  name: string,
  act: (ports: HoldPorts, name: Uint8Array, scope: Scope) => Promise<VdiLockState>,
): Promise<LockJson> {
  return await withCluster(gateways, async (caller, scope) => {
    const ports = { caller, clock: realClock, log: silentLogger, self: newHolder(), isGone };
    return lockJson(name, await act(ports, unescapeName(name), scope));
  });
}

function lockJson(name: string, { vid, found, isGone: gone, owner }: VdiLockState): LockJson {
  const record = found?.record ?? null;
  const attachedBy = {
    host: record?.holder.host ?? null,
    pid: record === null || record.holder.byHand !== undefined ? null : record.holder.pid,
    since: record === null ? null : new Date(record.sinceMs).toISOString(),
    byHand: record?.holder.byHand ?? null,
    gone,
    brokenBy: record?.brokenBy ?? null,
  };
  const held = { held: owner !== null, gateways: owner?.gateways.map(formatAddress) ?? [] };
  return {
    name,
    vid: hexVid(vid),
    attachedBy: found === null ? null : attachedBy,
    lock: owner === undefined ? null : held,
  };
}
