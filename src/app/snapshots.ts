import { asSheepfsError, SheepfsError } from "../base/errors.ts";
import { limits } from "../base/limits.ts";
import type { Logger } from "../base/log.ts";
import { deadlineScope, type Scope } from "../base/scope.ts";
import { deleteVdi } from "../cluster/delete-vdi.ts";
import type { HoldPorts } from "../cluster/holds.ts";
import { nameText, vdiText } from "../cluster/name.ts";
import { type SnapshotMade, snapshotFound, snapshottable } from "../cluster/snapshot-vdi.ts";
import type { AttachedVolumes, VdiHolds } from "../volume/attach.ts";
import type { AttachedVolume, VdiHold } from "../volume/attached.ts";
import { whileHeld } from "../volume/held.ts";

export interface SnapshotPorts extends Pick<HoldPorts, "caller" | "clock" | "isGone"> {
  readonly log: Logger;
  readonly volumes: Pick<AttachedVolumes, "list" | "refresh">;
  /** Another holder than that of the volumes: what is held for a moment cannot be attached here. */
  readonly holds: VdiHolds;
}

export interface SnapshotsWish {
  /** Of working VDIs, each once. */
  readonly names: readonly Uint8Array[];
  readonly tag: Uint8Array;
}

/** Who keeps the VDIs as they are meanwhile. */
interface Keeping {
  /** Attached here: their writes are held back. */
  readonly attached: readonly AttachedVolume[];
  /** Of the others of a group: nobody can attach them. */
  readonly held: readonly VdiHold[];
}

/**
 * Makes a snapshot of one VDI or of several, all of one moment: whatever was acknowledged of any
 * before is in them, and of what was written after something that one of them lacks there is nothing.
 * All are made, or none.
 * @throws busy when one of several is attached or locked elsewhere | not_found | exists | invalid |
 *   name_too_long | not_supported | timed_out when it takes too long | no_space | …, inDoubt when some may
 *   have been made
 */
export async function snapshotTogether(
  ports: SnapshotPorts,
  { names, tag }: SnapshotsWish,
  scope: Scope,
): Promise<void> {
  const { caller, clock, log } = ports;
  checkGroup(names);
  const keeping = await keep(ports, names, scope);
  let ends: readonly PromiseSettledResult<SnapshotMade>[] = [];
  try {
    const found = await Promise.all(
      names.map((name) => snapshottable(caller, { name, tag }, scope)),
    );
    const volumes = keeping.attached.map(({ volume }) => volume);
    const make = async (within: Scope): Promise<void> => {
      const startedMs = clock.nowMs();
      ends = await Promise.allSettled(found.map((one) => snapshotFound(ports, one, within)));
      const tookMs = Math.round(clock.nowMs() - startedMs);
      log.info(`snapshot '${nameText(tag)}' of ${listed(names)}: made in ${tookMs} ms`);
    };
    await whileHeld(volumes, make, clock, scope);
  } finally {
    await letGo(ports, keeping);
  }
  const failed = ends.find((end) => end.status === "rejected");
  if (failed !== undefined) throw await undone(ports, ends, asSheepfsError(failed.reason));
}

/** @throws invalid */
function checkGroup(names: readonly Uint8Array[]): void {
  const { snapshotGroupMax } = limits;
  if (names.length === 0 || names.length > snapshotGroupMax) {
    const text = `name 1 to ${snapshotGroupMax} VDIs for a snapshot of one moment`;
    throw new SheepfsError("invalid", `${text}, not ${names.length}`);
  }
  const twice = names.find((name, at) =>
    names.slice(0, at).some((before) => Buffer.compare(before, name) === 0),
  );
  if (twice === undefined) return;
  throw new SheepfsError("invalid", `VDI '${nameText(twice)}' is named twice; name it once`);
}

async function keep(
  ports: SnapshotPorts,
  names: readonly Uint8Array[],
  scope: Scope,
): Promise<Keeping> {
  const attached: AttachedVolume[] = [];
  const held: VdiHold[] = [];
  try {
    for (const name of names) {
      const volume = await attachedHere(ports.volumes, name, scope);
      if (volume !== null) attached.push(volume);
      else if (names.length > 1) held.push(await ports.holds.hold(name, scope));
    }
  } catch (thrown) {
    await letGo(ports, { attached, held });
    throw thrown;
  }
  return { attached, held };
}

/** What writes the VDI here; null also when it writes no more, as the VDI was taken away from it. */
async function attachedHere(
  volumes: SnapshotPorts["volumes"],
  wanted: Uint8Array,
  scope: Scope,
): Promise<AttachedVolume | null> {
  const isIt = ({ name: { name, snapshot } }: AttachedVolume): boolean =>
    snapshot === null && Buffer.compare(name, wanted) === 0;
  const found = volumes.list().find(isIt);
  if (found === undefined) return null;
  try {
    await volumes.refresh(found, scope);
  } catch (thrown) {
    if (found.volume.failure === null) throw thrown;
    return null;
  }
  return found;
}

/** Takes back what was made of a group. @returns the error, with what there is left of it */
async function undone(
  ports: SnapshotPorts,
  ends: readonly PromiseSettledResult<SnapshotMade>[],
  error: SheepfsError,
): Promise<SheepfsError> {
  const made = ends.flatMap((end) => (end.status === "fulfilled" ? [end.value] : []));
  const left = await takenBack(ports, made);
  if (left === "") return error;
  const text = `${error.message}; of the group there is left: ${left}`;
  return new SheepfsError(error.code, text, { cause: error, inDoubt: error.inDoubt });
}

/** @returns what could not be deleted again */
async function takenBack(ports: SnapshotPorts, made: readonly SnapshotMade[]): Promise<string> {
  const scope = deadlineScope(ports.clock, limits.operationTimeoutMs);
  const left: string[] = [];
  for (const { snapshot } of made) {
    const { name, snapId: id, vid } = snapshot;
    const which = { name, snapshot: { id }, vid };
    try {
      await deleteVdi(ports, which, scope);
    } catch (thrown) {
      left.push(`${vdiText(which)} (${asSheepfsError(thrown).message})`);
    }
  }
  return left.join(", ");
}

/** What is attached goes on with its new VDI, and its lock with it. */
async function letGo({ clock, log, volumes }: SnapshotPorts, keeping: Keeping): Promise<void> {
  const scope = deadlineScope(clock, limits.requestTimeoutMs);
  const ends = await Promise.allSettled([
    ...keeping.held.map((hold) => hold.release(scope)),
    ...keeping.attached.map((volume) => volumes.refresh(volume, scope)),
  ]);
  for (const end of ends) {
    if (end.status === "rejected") log.warn(asSheepfsError(end.reason).message);
  }
}

function listed(names: readonly Uint8Array[]): string {
  return names.map((name) => `'${nameText(name)}'`).join(", ");
}
