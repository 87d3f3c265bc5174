import { sameBytes } from "../base/bytes.ts";
import type { Clock } from "../base/clock.ts";
import { asSheepfsError, SheepfsError } from "../base/errors.ts";
import { limits } from "../base/limits.ts";
import type { Scope } from "../base/scope.ts";
import type { SheepCaller } from "../client/caller.ts";
import { type InodeHeader, InodeHeaderStruct } from "../wire/inode.ts";
import { vidMax } from "../wire/oid.ts";
import { hasVid, nameField } from "../wire/vdi.ts";
import { attachedElsewhere, findRecord } from "./attach-record.ts";
import { deriveVdi, refuseHypervolume } from "./derive-vdi.ts";
import { inHeadTurn, type TurnPorts } from "./head-turn.ts";
import { headerIfThere, hexVid, readHeader, writeInodePart } from "./inode.ts";
import { checkName, nameText, vdiText } from "./name.ts";
import { findVdi, resolveVdi } from "./resolve.ts";
import { readBitmap } from "./vdis.ts";

interface VerbPorts {
  readonly caller: SheepCaller;
  readonly clock: Clock;
}

export interface SnapshotWish {
  readonly name: Uint8Array;
  /** 1 to 255 bytes that no other snapshot of the VDI has. */
  readonly tag: Uint8Array;
}

/** What there is after a snapshot: the vid that was written until then, and the one from then on. */
export interface SnapshotMade {
  readonly snapshot: InodeHeader;
  readonly working: InodeHeader;
  /** False when the answer was lost: somebody else may have made it in the same moment. */
  readonly isOurs: boolean;
}

/**
 * Makes a snapshot of a VDI as it is now. Writers go on, on the new working VDI; what they were
 * acknowledged before is in the snapshot.
 * @throws not_found | exists | invalid | name_too_long | not_supported | busy when somebody else made
 *   one in the same moment | no_space | …, inDoubt when it may have been made
 * Source: protocol §7.2, capture vdi-snapshot
 */
export async function snapshotVdi(
  ports: TurnPorts,
  wish: SnapshotWish,
  scope: Scope,
): Promise<SnapshotMade> {
  checkTag(wish.tag);
  return await inHeadTurn(ports, [wish.name], scope, async () => {
    return await snapshotFound(ports, await snapshottable(ports.caller, wish, scope), scope);
  });
}

/** A VDI of which a snapshot can be made. */
export interface Snapshottable {
  readonly base: InodeHeader;
  readonly tag: Uint8Array;
}

/**
 * The first part: looks whether a snapshot can be made, and changes nothing.
 * @throws not_found | exists | invalid | name_too_long | not_supported | busy when locked by hand | …
 */
export async function snapshottable(
  caller: SheepCaller,
  { name, tag }: SnapshotWish,
  scope: Scope,
): Promise<Snapshottable> {
  checkTag(tag);
  const base = await resolveVdi(caller, { name, snapshot: null }, scope);
  refuseHypervolume(base, "make a snapshot of");
  await refuseTag(caller, { name, tag }, scope);
  // Nobody is there to take its lock along to the new working VDI.
  const left = await findRecord(caller, name, scope);
  if (left?.record?.holder.byHand !== undefined) throw attachedElsewhere(name, left);
  return { base, tag };
}

/**
 * The second part: makes it, in the time that the cluster takes; both in one turn (`inHeadTurn`).
 * @throws busy when it was snapshotted or deleted since | no_space | …, inDoubt when it may have been made
 */
export async function snapshotFound(
  ports: VerbPorts,
  { base, tag }: Snapshottable,
  scope: Scope,
): Promise<SnapshotMade> {
  const { caller } = ports;
  // A tag would land on somebody else's snapshot, and a new head roll the VDI back to it.
  await refuseSnapshotted(caller, base, scope);
  await writeTag(caller, base, tag, scope);
  const now = await refuseSnapshotted(caller, base, scope);
  const { working, isOurs } = await newHead(ports, now, scope);
  return { snapshot: await withTag(caller, { base, tag, isOurs }, scope), working, isOurs };
}

/**
 * @returns what it is now: it may have grown
 * @throws busy when it is no working VDI any more
 */
async function refuseSnapshotted(
  caller: SheepCaller,
  base: InodeHeader,
  scope: Scope,
): Promise<InodeHeader> {
  const now = await headerIfThere(caller, base.vid, scope);
  if (now?.isSnapshot === false && sameBytes(now.name, base.name)) return now;
  throw changedMeanwhile(base);
}

function changedMeanwhile({ name }: InodeHeader): SheepfsError {
  return new SheepfsError(
    "busy",
    `VDI '${nameText(name)}' was snapshotted or deleted by somebody else in the same moment; ` +
      "see vdi/list and try again",
  );
}

/**
 * The snapshot; whoever tried to make one in the same moment may have put theirs in place of its tag.
 * @throws busy, inDoubt, when it has another tag and is somebody else's perhaps
 */
async function withTag(
  caller: SheepCaller,
  { base, tag, isOurs }: Snapshottable & { readonly isOurs: boolean },
  scope: Scope,
): Promise<InodeHeader> {
  const snapshot = await readHeader(caller, base.vid, scope);
  if (sameBytes(snapshot.tag, tag)) return snapshot;
  if (!isOurs) {
    const { code, message } = changedMeanwhile(base);
    throw new SheepfsError(code, message, { inDoubt: true });
  }
  await writeTag(caller, base, tag, scope);
  return await readHeader(caller, base.vid, scope);
}

/** @throws exists */
export async function refuseTag(
  caller: SheepCaller,
  { name, tag }: SnapshotWish,
  scope: Scope,
): Promise<void> {
  const snapshot = { name, snapshot: { tag } };
  if ((await findVdi(caller, snapshot, scope)) === null) return;
  throw new SheepfsError("exists", `${vdiText(snapshot)} exists already; choose another tag`);
}

/** @throws invalid | name_too_long */
export function checkTag(tag: Uint8Array): void {
  checkName(tag, "tag");
  if (tag.every((byte) => byte >= 0x30 && byte <= 0x39)) {
    const text = `tag '${nameText(tag)}' has digits only and would be taken for a snapshot's id`;
    throw new SheepfsError("invalid", `${text}; put a letter into it`);
  }
}

/** On a working VDI a tag means nothing yet. */
export async function writeTag(
  caller: SheepCaller,
  header: InodeHeader,
  tag: Uint8Array,
  scope: Scope,
): Promise<void> {
  const offset = InodeHeaderStruct.offsets.tag;
  await writeInodePart(caller, header, { offset, data: nameField(tag) }, scope);
}

interface MadeHead {
  readonly working: InodeHeader;
  readonly isOurs: boolean;
}

/** The new working VDI, and `base` has become a snapshot; a tag that came to nothing is taken back. */
async function newHead(ports: VerbPorts, base: InodeHeader, scope: Scope): Promise<MadeHead> {
  const made = await madeHead(ports, base, scope);
  // The sheep takes the number after the working VDI's: another one has come between.
  if (made.working.snapId === base.snapId + 1) return made;
  throw await restored(ports.caller, base, made.working, scope);
}

async function madeHead(ports: VerbPorts, base: InodeHeader, scope: Scope): Promise<MadeHead> {
  const { caller } = ports;
  try {
    const working = await deriveVdi(caller, { base, name: base.name, as: "head" }, scope);
    return { working, isOurs: true };
  } catch (thrown) {
    const error = asSheepfsError(thrown);
    if (!error.inDoubt) {
      await clearTag(caller, base, scope);
      throw error;
    }
    const working = await headAfterAll(ports, { base, before: base, error }, scope);
    return { working, isOurs: false };
  }
}

/** A head that was asked for, and no answer came. */
interface LostHead {
  readonly base: InodeHeader;
  /** The working VDI then, which may be made from `base` itself; null when there was none. */
  readonly before: InodeHeader | null;
  readonly error: SheepfsError;
}

/**
 * The head of the name when the answer about it was lost: asked again, a second one would roll the VDI
 * back to the first.
 * @throws what was lost, inDoubt
 */
export async function headAfterAll(
  { caller, clock }: VerbPorts,
  { base, before, error }: LostHead,
  scope: Scope,
): Promise<InodeHeader> {
  const untilMs = clock.nowMs() + limits.snapshotWaitMs;
  for (;;) {
    const now = await headNow(caller, base, scope);
    if (now !== null && now.vid !== before?.vid && now.parentVid === base.vid) return now;
    if (scope.cancelled || clock.nowMs() >= Math.min(untilMs, scope.deadlineMs)) break;
    await new Promise<void>((resolve) => clock.after(limits.snapshotPollMs, resolve));
  }
  throw new SheepfsError(
    error.code,
    `${error.message}; '${nameText(base.name)}' may still get a new working VDI: see vdi/list before it ` +
      "is tried again",
    { cause: error, inDoubt: true },
  );
}

/** Null also when it cannot be seen: what was lost says more than that. */
async function headNow(
  caller: SheepCaller,
  { name }: InodeHeader,
  scope: Scope,
): Promise<InodeHeader | null> {
  try {
    return await findVdi(caller, { name, snapshot: null }, scope);
  } catch {
    return null;
  }
}

/** Takes a tag back from a VDI that has not become a snapshot; a failure does no harm. */
export async function clearTag(
  caller: SheepCaller,
  base: InodeHeader,
  scope: Scope,
): Promise<void> {
  try {
    const now = await headerIfThere(caller, base.vid, scope);
    if (now?.isSnapshot === false) await writeTag(caller, base, new Uint8Array(0), scope);
  } catch {
    // It does no harm there, and the failure that led here says more.
  }
}

/**
 * Somebody else made a snapshot between our look and our request, which then has rolled the VDI back
 * to it: the VDI is put back to what the other went on with.
 */
async function restored(
  caller: SheepCaller,
  base: InodeHeader,
  working: InodeHeader,
  scope: Scope,
): Promise<SheepfsError> {
  const title = `VDI '${nameText(base.name)}'`;
  const other = await workingBefore(caller, base, working, scope);
  if (other === null) {
    return new SheepfsError(
      "corrupt",
      `${title}: its vid ${hexVid(working.vid)} is made from vid ${hexVid(base.vid)}, which was not ` +
        "the working one any more; see vdi/list for what it was",
    );
  }
  try {
    await deriveVdi(caller, { base: other, name: base.name, as: "head" }, scope);
  } catch (thrown) {
    const { code, message } = asSheepfsError(thrown);
    const text = `${title}: ${message}; it was rolled back by a race, and what it was is its snapshot ${other.snapId}`;
    return new SheepfsError(
      code,
      `${text}: sheepfs vdi rollback ${nameText(base.name)}@${other.snapId}`,
      {
        cause: thrown,
        inDoubt: true,
      },
    );
  }
  return changedMeanwhile(base);
}

/** What was the working VDI when `working` was made. */
async function workingBefore(
  caller: SheepCaller,
  base: InodeHeader,
  working: InodeHeader,
  scope: Scope,
): Promise<InodeHeader | null> {
  const used = await readBitmap(caller, "readVdis", scope);
  for (let vid = working.vid - 1; vid > 0 && vid <= vidMax && hasVid(used, vid); vid -= 1) {
    const header = await headerIfThere(caller, vid, scope);
    if (header === null || !sameBytes(header.name, base.name)) continue;
    if (header.snapId === working.snapId - 1) return header;
  }
  return null;
}
