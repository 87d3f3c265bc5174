import { asSheepfsError, SheepfsError } from "../base/errors.ts";
import { limits } from "../base/limits.ts";
import type { Progress } from "../base/progress.ts";
import { deadlineScope, type Scope } from "../base/scope.ts";
import type { SheepCaller } from "../client/caller.ts";
import { BtreeHeader, btreeMagic } from "../wire/btree.ts";
import { vdiRequest } from "../wire/header.ts";
import { type InodeHeader, slotBytes, slotOffset, slotsAt } from "../wire/inode.ts";
import { results } from "../wire/result.ts";
import { type AttributePlace, removeAttribute } from "./attributes.ts";
import { isHypervolume, objectBytesOf, slotsOf } from "./blocks.ts";
import type { HoldPorts } from "./holds.ts";
import { headerIfThere, hexVid, readInodePart, writeInodePart } from "./inode.ts";
import { type VdiNameLike, vdiText } from "./name.ts";
import { findVdi, nameFields, resolveVdi } from "./resolve.ts";
import { refuseUsed } from "./use.ts";
import { importMarkPlace } from "./vdi-mark.ts";

/** What is needed to delete a VDI. */
export type DeletePorts = Pick<HoldPorts, "caller" | "clock" | "isGone">;

/**
 * Deletes a VDI, or with a tag or id that snapshot; the others of its name stay. What it shares
 * with others stays for them.
 * @throws not_found | busy when it is attached or locked, or written to meanwhile | …
 * @param scope until it begins: half a deletion is the worst there is, so that each step of it has time
 *   of its own
 * Source: protocol §7.5, captures delete, delete-without-reclaim, delete-snapshot
 */
export async function deleteVdi(
  ports: DeletePorts,
  name: VdiNameLike,
  scope: Scope,
  progress: (progress: Progress) => void = () => {},
): Promise<void> {
  const { caller, clock } = ports;
  const header = await resolveVdi(caller, name, scope);
  const left = await refuseUsed(ports, header, scope);
  const newScope = (): Scope => deadlineScope(clock, limits.operationTimeoutMs);
  // Attributes hang on the name: later nobody finds it.
  const mark = header.isSnapshot ? null : await markLeft(caller, header.name, newScope());
  await deleteWhole({ caller, newScope, progress }, name, header);
  for (const place of [left?.place ?? null, mark]) {
    if (place !== null) await removeAttribute(caller, place, newScope());
  }
}

/** Where a sheep cannot look for attributes (see `refuseUsed`) a mark stays, which names what is gone. */
async function markLeft(
  caller: SheepCaller,
  name: Uint8Array,
  scope: Scope,
): Promise<AttributePlace | null> {
  try {
    return await importMarkPlace(caller, name, scope);
  } catch (thrown) {
    if (asSheepfsError(thrown).code === "internal") return null;
    throw thrown;
  }
}

interface Steps {
  readonly caller: SheepCaller;
  readonly newScope: () => Scope;
  readonly progress: (progress: Progress) => void;
}

async function deleteWhole(steps: Steps, name: VdiNameLike, header: InodeHeader): Promise<void> {
  const { caller, newScope } = steps;
  for (let look = 1; look <= limits.vdiLooksMax; look += 1) {
    // The sheep answers with success and deletes nothing as long as a slot is set.
    if (isHypervolume(header)) await beginTree(caller, header, newScope());
    else await clearSlots(steps, header);
    // It goes by the name: a VDI that came to have it meanwhile must not be deleted instead.
    const found = await findVdi(caller, name, newScope());
    if (found?.vid === header.vid) await deleteCleared(caller, header, newScope());
    const left = await headerIfThere(caller, header.vid, newScope());
    if (left === null || left.name.length === 0) return;
    if (left.isSnapshot !== header.isSnapshot) break;
  }
  throw new SheepfsError(
    "busy",
    `${vdiText(name)} (vid ${hexVid(header.vid)}) is written to or snapshotted while it is deleted; ` +
      "end its use and try again",
  );
}

/** Drops every reference that the VDI has to objects. */
async function clearSlots(
  { caller, newScope, progress }: Steps,
  header: InodeHeader,
): Promise<void> {
  const slots = slotsOf(header);
  const step = limits.indexScanBytes / slotBytes;
  const objectBytes = objectBytesOf(header);
  for (let from = 0; from < slots; from += step) {
    const count = Math.min(step, slots - from);
    const part = { vid: header.vid, offset: slotOffset(from), length: count * slotBytes };
    const data = await readInodePart(caller, part, newScope());
    for (const run of setRuns(data)) {
      const zeros = new Uint8Array(run.count * slotBytes);
      const place = { offset: slotOffset(from + run.index), data: zeros };
      await writeInodePart(caller, header, place, newScope());
    }
    progress({ doneBytes: (from + count) * objectBytes, totalBytes: slots * objectBytes });
  }
}

/**
 * A hypervolume that was never written has nothing where its index begins, and a sheep that walks
 * such an index to delete it ends (panic: "not support depth 0"). So it gets an index of no entry.
 */
async function beginTree(caller: SheepCaller, header: InodeHeader, scope: Scope): Promise<void> {
  const part = { vid: header.vid, offset: slotsAt, length: BtreeHeader.size };
  const begun = await readInodePart(caller, part, scope);
  if (begun.some((byte) => byte !== 0)) return;
  const data = BtreeHeader.encode({ magic: btreeMagic, depth: 1, entries: 0 });
  await writeInodePart(caller, header, { offset: slotsAt, data }, scope);
}

interface Run {
  readonly index: number;
  readonly count: number;
}

/** Runs that begin and end with a set slot, cover all of them, and are not too long. */
function* setRuns(data: Uint8Array): Generator<Run> {
  const view = new DataView(data.buffer, data.byteOffset, data.byteLength);
  const slots = data.length / slotBytes;
  let first = -1;
  let last = -1;
  for (let index = 0; index < slots; index += 1) {
    if (view.getUint32(index * slotBytes, true) === 0) continue;
    if (first >= 0 && index - first >= limits.indexRunSlotsMax) {
      yield { index: first, count: last - first + 1 };
      first = -1;
    }
    if (first < 0) first = index;
    last = index;
  }
  if (first >= 0) yield { index: first, count: last - first + 1 };
}

/** A lost answer and a VDI that is gone are for the look afterwards. */
async function deleteCleared(
  caller: SheepCaller,
  header: InodeHeader,
  scope: Scope,
): Promise<void> {
  const { name, snapId, isSnapshot } = header;
  const which = nameFields({ name, snapshot: isSnapshot ? { id: snapId } : null });
  const request = vdiRequest("deleteVdi", { snapId: which.snapId }, { data: which.data });
  const expected = [results.noVdi.code, results.noTag.code];
  try {
    await caller.call(request, scope, expected);
  } catch (thrown) {
    if (!asSheepfsError(thrown).inDoubt) throw thrown;
  }
}
