import { sameBytes } from "../base/bytes.ts";
import { asSheepfsError, SheepfsError } from "../base/errors.ts";
import { limits } from "../base/limits.ts";
import type { Logger } from "../base/log.ts";
import { deadlineScope, type Scope } from "../base/scope.ts";
import { deleteVdi } from "../cluster/delete-vdi.ts";
import { inHeadTurn, type TurnPorts } from "../cluster/head-turn.ts";
import { nameText, vdiText } from "../cluster/name.ts";
import {
  type SnapshotMade,
  type Snapshottable,
  snapshotFound,
  snapshottable,
} from "../cluster/snapshot-vdi.ts";
import { attachedWorking } from "../tree/entries/attaching.ts";
import type { AttachedVolumes, VdiHolds } from "../volume/attach.ts";
import type { AttachedVolume, VdiHold } from "../volume/attached.ts";
import { whileHeld } from "../volume/held.ts";

export interface SnapshotPorts extends TurnPorts {
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
  checkGroup(names);
  await snapshotKept(ports, { names, tag }, await keep(ports, names, scope), scope);
}

/**
 * The same of a VDI that is attached here, and only as long as it is: what nobody else can have written.
 * @throws stale when it was taken away from here | read_only | …
 */
export async function snapshotAttached(
  ports: SnapshotPorts,
  volume: AttachedVolume,
  tag: Uint8Array,
  scope: Scope,
): Promise<void> {
  if (volume.readOnly) throw new SheepfsError("read_only", `'${volume.title}' is a snapshot`);
  await ports.volumes.refresh(volume, scope);
  // It stays attached meanwhile.
  volume.addUser();
  const keeping = { attached: [volume], held: [] };
  await snapshotKept(ports, { names: [volume.name.name], tag }, keeping, scope);
}

async function snapshotKept(
  ports: SnapshotPorts,
  { names, tag }: SnapshotsWish,
  keeping: Keeping,
  scope: Scope,
): Promise<void> {
  const { caller, clock, log } = ports;
  let ends: readonly Ended[] = [];
  try {
    const volumes = keeping.attached.map(({ volume }) => volume);
    let found: readonly Snapshottable[] = [];
    const make = async (within: Scope): Promise<void> => {
      const startedMs = clock.nowMs();
      checkSame(keeping, found);
      ends = await Promise.allSettled(found.map((one) => snapshotFound(ports, one, within)));
      checkKept(keeping);
      if (ends.some(({ status }) => status === "rejected")) return;
      const tookMs = Math.round(clock.nowMs() - startedMs);
      log.info(`snapshot '${nameText(tag)}' of ${listed(names)}: made in ${tookMs} ms`);
    };
    await inHeadTurn(ports, names, scope, async () => {
      // Whoever had the turn before has made one, perhaps.
      await Promise.all(keeping.attached.map((volume) => ports.volumes.refresh(volume, scope)));
      found = await Promise.all(names.map((name) => snapshottable(caller, { name, tag }, scope)));
      await whileHeld(volumes, make, clock, scope);
    });
    const failed = ends.find((end) => end.status === "rejected");
    if (failed !== undefined) throw failed.reason;
  } catch (thrown) {
    await letGo(ports, keeping);
    throw await undone(ports, { names, tag }, ends, asSheepfsError(thrown));
  }
  await letGo(ports, keeping);
}

type Ended = PromiseSettledResult<SnapshotMade>;

/** @throws busy when what is to be snapshotted is not what is held back */
function checkSame({ attached }: Keeping, found: readonly Snapshottable[]): void {
  for (const { title, name, volume } of attached) {
    const one = found.find(({ base }) => sameBytes(base.name, name.name));
    if (one?.base.vid === volume.header.vid) continue;
    const text = `'${title}' was snapshotted by somebody else in the same moment; try again`;
    throw new SheepfsError("busy", text);
  }
}

/** @throws stale when one was taken away meanwhile, and written by others perhaps */
function checkKept({ attached }: Keeping): void {
  for (const { volume } of attached) if (volume.failure !== null) throw volume.failure;
}

/** @throws invalid */
function checkGroup(names: readonly Uint8Array[]): void {
  const { snapshotGroupMax } = limits;
  if (names.length === 0 || names.length > snapshotGroupMax) {
    const text = `name 1 to ${snapshotGroupMax} VDIs for a snapshot of one moment`;
    throw new SheepfsError("invalid", `${text}, not ${names.length}`);
  }
  const twice = names.find((name, at) =>
    names.slice(0, at).some((before) => sameBytes(before, name)),
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
      if (volume !== null) {
        // It stays attached meanwhile.
        volume.addUser();
        attached.push(volume);
      } else if (names.length > 1) held.push(await ports.holds.hold(name, scope));
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
  const found = attachedWorking(volumes, wanted);
  if (found === null) return null;
  try {
    await volumes.refresh(found, scope);
  } catch (thrown) {
    if (found.volume.failure === null) throw thrown;
    return null;
  }
  return found;
}

/**
 * Takes back what was made of a group, as far as it is surely ours.
 * @returns the error, with what there is left of it and what may still be made
 */
async function undone(
  ports: SnapshotPorts,
  { names, tag }: SnapshotsWish,
  ends: readonly Ended[],
  error: SheepfsError,
): Promise<SheepfsError> {
  const left: string[] = [];
  for (const [at, end] of ends.entries()) {
    const name = names[at];
    if (name === undefined) continue;
    const which = { name, snapshot: { tag } };
    if (end.status === "fulfilled") {
      const why = await takenBack(ports, end.value);
      if (why !== null) left.push(`${vdiText(which)} (${why})`);
    } else if (asSheepfsError(end.reason).inDoubt) {
      left.push(`${vdiText(which)} (it may still be made)`);
    }
  }
  if (left.length === 0 || names.length === 1) return error;
  const text = `${error.message}; what there is left of the group is not of one moment: ${left.join(", ")}`;
  return new SheepfsError(error.code, text, { cause: error, inDoubt: true });
}

/** @returns null, or why it is still there */
async function takenBack(
  ports: SnapshotPorts,
  { snapshot, isOurs }: SnapshotMade,
): Promise<string | null> {
  const { name, snapId: id, vid } = snapshot;
  if (!isOurs) return "the answer was lost, and somebody else may have made it";
  if (ports.volumes.list().some(({ volume }) => volume.header.vid === vid)) return "it is in use";
  const scope = deadlineScope(ports.clock, limits.operationTimeoutMs);
  try {
    await deleteVdi(ports, { name, snapshot: { id }, vid }, scope);
    return null;
  } catch (thrown) {
    return asSheepfsError(thrown).message;
  }
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
  for (const volume of keeping.attached) volume.removeUser();
}

function listed(names: readonly Uint8Array[]): string {
  return names.map((name) => `'${nameText(name)}'`).join(", ");
}
