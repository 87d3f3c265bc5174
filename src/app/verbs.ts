import { type Address, formatAddress } from "../base/address.ts";
import { limits } from "../base/limits.ts";
import { silentLogger } from "../base/log.ts";
import { deadlineScope, type Scope } from "../base/scope.ts";
import type { SheepCaller } from "../client/caller.ts";
import { createVdi } from "../cluster/create-vdi.ts";
import { deleteVdi } from "../cluster/delete-vdi.ts";
import type { HoldPorts } from "../cluster/holds.ts";
import { breakLock, type VdiLockState, vdiLockState } from "../cluster/lock-break.ts";
import { listVdis, type VdiFacts } from "../cluster/vdis.ts";
import { realClock } from "../sys/clock.ts";
import { renderVdiList } from "../tree/entries/render-vdi-list.ts";
import { escapeName, unescapeName } from "../tree/names.ts";
import type { InodeHeader } from "../wire/inode.ts";
import { connect } from "./connect.ts";
import { isGone, newHolder } from "./self.ts";

/** One VDI or snapshot as `--json` prints it: sizes in bytes, names escaped as in the tree. */
export interface VdiJson {
  readonly name: string;
  readonly vid: string;
  readonly snapshot: boolean;
  readonly snapshotId: number;
  readonly tag: string;
  readonly sizeBytes: number;
  readonly objectBytes: number;
  readonly copies: number;
  readonly copyPolicy: number;
  readonly createdAt: string;
  readonly parentVid: string | null;
}

export interface ListedVdiJson extends VdiJson {
  readonly usedBytes: number;
  readonly sharedBytes: number;
}

/** Every VDI and snapshot, as data and as `dog vdi list` prints them. */
export async function listAllVdis(
  gateways: readonly Address[],
): Promise<{ readonly vdis: readonly ListedVdiJson[]; readonly text: string }> {
  return await withCluster(gateways, async (caller, scope) => {
    const facts = await listVdis(caller, scope);
    return { vdis: facts.map(listedJson), text: renderVdiList(facts) };
  });
}

export interface VdiWish {
  /** Escaped as in the tree. */
  readonly name: string;
  readonly sizeBytes: number;
  /** Null for the cluster's default, as with `copies`. */
  readonly objectBytes: number | null;
  readonly copies: number | null;
}

export async function makeVdi(gateways: readonly Address[], wish: VdiWish): Promise<VdiJson> {
  const name = unescapeName(wish.name);
  return await withCluster(gateways, async (caller, scope) =>
    vdiJson(await createVdi(caller, { ...wish, name }, scope)),
  );
}

export async function deleteOneVdi(
  gateways: readonly Address[],
  name: string,
): Promise<{ readonly deleted: string }> {
  await withCluster(gateways, (caller, scope) =>
    deleteVdi({ caller, isGone }, { name: unescapeName(name), snapshot: null }, scope),
  );
  return { deleted: name };
}

/** Who keeps others from writing a VDI, as `--json` prints it. */
export interface LockJson {
  readonly name: string;
  readonly vid: string;
  readonly attachedBy: {
    /** Null when the record cannot be understood. */
    readonly host: string | null;
    readonly pid: number | null;
    readonly since: string | null;
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
    pid: record?.holder.pid ?? null,
    since: record === null ? null : new Date(record.sinceMs).toISOString(),
    gone,
    brokenBy: record?.brokenBy ?? null,
  };
  const held = { held: owner !== null, gateways: owner?.gateways.map(formatAddress) ?? [] };
  return {
    name,
    vid: vid.toString(16).padStart(6, "0"),
    attachedBy: found === null ? null : attachedBy,
    lock: owner === undefined ? null : held,
  };
}

async function withCluster<T>(
  gateways: readonly Address[],
  work: (caller: SheepCaller, scope: Scope) => Promise<T>,
): Promise<T> {
  await using connection = connect({ gateways, objectCache: false, log: silentLogger });
  return await work(connection.client, deadlineScope(realClock, limits.operationTimeoutMs));
}

function vdiJson(header: InodeHeader): VdiJson {
  const hex = (vid: number): string => vid.toString(16).padStart(6, "0");
  const { seconds, nanoseconds } = header.createTime;
  return {
    name: escapeName(header.name),
    vid: hex(header.vid),
    snapshot: header.isSnapshot,
    snapshotId: header.snapId,
    tag: escapeName(header.tag),
    sizeBytes: header.vdiSize,
    objectBytes: 2 ** header.blockSizeShift,
    copies: header.copies,
    copyPolicy: header.copyPolicy,
    createdAt: new Date(seconds * 1000 + Math.floor(nanoseconds / 1e6)).toISOString(),
    parentVid: header.parentVid === 0 ? null : hex(header.parentVid),
  };
}

function listedJson(facts: VdiFacts): ListedVdiJson {
  const { header, ownBlocks, sharedBlocks } = facts;
  const json = vdiJson(header);
  return {
    ...json,
    usedBytes: ownBlocks * json.objectBytes,
    sharedBytes: sharedBlocks * json.objectBytes,
  };
}
