import type { Clock } from "../base/clock.ts";
import { SheepfsError } from "../base/errors.ts";
import { limits } from "../base/limits.ts";
import type { Scope } from "../base/scope.ts";
import type { SheepCaller } from "../client/caller.ts";
import { decodeCopyPolicy } from "../wire/ec.ts";
import { type InodeHeader, inodeHeaderBytes, slotBytes, slotOffset } from "../wire/inode.ts";
import type { Oid } from "../wire/oid.ts";
import { vidMax } from "../wire/oid.ts";
import { isHypervolume, objectBytesOf, slotsOf } from "./blocks.ts";
import { mapBounded } from "./bounded.ts";
import { Copies, type Flaw, type Kept } from "./copies.ts";
import { headerIfThere, hexVid, readInodePart } from "./inode.ts";
import { nameText } from "./name.ts";
import { listNodes } from "./nodes.ts";
import { type SetSlot, setSlots } from "./slots.ts";

/** What is wrong with one object of a VDI. */
export interface Damage extends Flaw {
  readonly oid: Oid;
}

export interface CheckPorts {
  readonly caller: SheepCaller;
  readonly clock: Clock;
  /** For each request; all together may take as long as they do. */
  readonly scope: () => Scope;
  /** @throws cancelled when nobody wants it any more */
  readonly wanted: () => void;
  /** For an object that was looked at for another VDI. */
  readonly isKnown: (slot: SetSlot) => boolean;
  /** It was looked at to the end; not one that the VDI has no more, as others may have it. */
  readonly looked: (slot: SetSlot, isDamaged: boolean) => void;
  readonly checked: (done: { readonly bytes: number }) => void;
  readonly damaged: (damage: Damage) => void;
}

export interface Checked {
  readonly objects: number;
  readonly damagedObjects: number;
}

/**
 * Compares all copies of all that a VDI has, its inode and every object that its index names, own or
 * shared; of erasure-coded ones whether data and parity fit together. Changes nothing.
 * @throws not_found when it is deleted meanwhile | cancelled | whatever the cluster can throw
 */
export async function checkVdi(ports: CheckPorts, header: InodeHeader): Promise<Checked> {
  const { caller, scope, wanted, checked } = ports;
  const copies = new Copies(ports, await listNodes(caller, scope()));
  const objectBytes = objectBytesOf(header);
  const totals = { objects: 0, damagedObjects: 0 };
  const look = async (what: Looked): Promise<void> => {
    wanted();
    totals.objects += 1;
    const damaged = await isDamaged(ports, copies, header, what);
    if (damaged === true) totals.damagedObjects += 1;
    if (damaged !== null && what.slot !== null) ports.looked(what.slot, damaged);
    checked({ bytes: what.kept.bytes });
  };
  await look(inodeOf(header));
  for await (const slots of setSlots({ caller, header, scope })) {
    const fresh = slots.filter((slot) => !ports.isKnown(slot));
    await mapBounded(fresh, limits.checkObjectsInflightMax, (slot) =>
      look({ kept: objectOf(header, slot, objectBytes), slot }),
    );
  }
  return totals;
}

interface Looked {
  readonly kept: Kept;
  /** Null of the inode. */
  readonly slot: SetSlot | null;
}

/** The part that tells of its blocks; the rest has nothing. */
function inodeOf(header: InodeHeader): Looked {
  const { vid, copies } = header;
  const bytes = isHypervolume(header) ? inodeHeaderBytes : slotOffset(slotsOf(header));
  const oid = { kind: "inode", vid, index: 0 } as const;
  return { kept: { oid, offset: 0, bytes, copies, code: null }, slot: null };
}

function objectOf(header: InodeHeader, { block, owner }: SetSlot, bytes: number): Kept {
  const oid = { kind: "data", vid: owner, index: block } as const;
  const code = decodeCopyPolicy(header.copyPolicy);
  return { oid, offset: 0, bytes, copies: header.copies, code };
}

/** What is written while it is looked at seems damaged; only what stays so is. Null when it is gone. */
async function isDamaged(
  { caller, clock, scope, wanted, damaged }: CheckPorts,
  copies: Copies,
  header: InodeHeader,
  { kept, slot }: Looked,
): Promise<boolean | null> {
  if (kept.oid.vid > vidMax) {
    const text = `the index names vid ${kept.oid.vid.toString(16)}, which cannot be`;
    damaged({ oid: { ...kept.oid, vid: header.vid }, what: "lost", node: null, text });
    return true;
  }
  let flaws = await copies.flaws(kept);
  for (let look = 2; flaws.length > 0 && look <= limits.checkLooksMax; look += 1) {
    await new Promise<void>((resolve) => clock.after(limits.checkPauseMs, resolve));
    wanted();
    if (slot !== null && !(await stillNames(caller, header, slot, scope))) return null;
    // Its members may be others by now.
    flaws = await new Copies({ caller, scope }, await listNodes(caller, scope())).flaws(kept);
  }
  for (const flaw of flaws) damaged({ ...flaw, oid: kept.oid });
  return flaws.length > 0;
}

/** Whether the object is one of the VDI's yet. @throws not_found when the VDI was deleted */
async function stillNames(
  caller: SheepCaller,
  header: InodeHeader,
  { block, owner }: SetSlot,
  scope: () => Scope,
): Promise<boolean> {
  const { vid } = header;
  const now = await headerIfThere(caller, vid, scope());
  if (now === null || now.name.length === 0) {
    const text = `VDI '${nameText(header.name)}' (vid ${hexVid(vid)}) was deleted meanwhile`;
    throw new SheepfsError("not_found", text);
  }
  if (isHypervolume(header)) return true;
  const part = { vid, offset: slotOffset(block), length: slotBytes };
  const data = await readInodePart(caller, part, scope());
  return new DataView(data.buffer, data.byteOffset).getUint32(0, true) === owner;
}
