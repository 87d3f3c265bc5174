import type { Clock } from "../base/clock.ts";
import { SheepfsError } from "../base/errors.ts";
import { limits } from "../base/limits.ts";
import type { Scope } from "../base/scope.ts";
import type { SheepCaller } from "../client/caller.ts";
import { type InodeHeader, slotBytes, slotOffset } from "../wire/inode.ts";
import { type Oid, vidMax } from "../wire/oid.ts";
import { isHypervolume } from "./blocks.ts";
import type { Looked } from "./check-kept.ts";
import { Copies, type Flaw } from "./copies.ts";
import { headerIfThere, hexVid, readInodePart } from "./inode.ts";
import { nameText } from "./name.ts";
import { listNodes } from "./nodes.ts";

/**
 * `gone`: the VDI has it no more; `nowhere`: it may be, and is; `unsettled`: copies differed at each
 * look, but never in the same way, so it was being written.
 */
export type Outcome = "sound" | "damaged" | "gone" | "nowhere" | "unsettled";

/** What is wrong with one object of a VDI. */
export interface Damage extends Flaw {
  readonly oid: Oid;
}

interface Ports {
  readonly caller: SheepCaller;
  readonly clock: Clock;
  readonly scope: () => Scope;
  readonly wanted: () => void;
}

interface Wanted extends Looked {
  readonly header: InodeHeader;
}

/**
 * What is written while it is looked at seems damaged; only what stays so is.
 * @throws not_found when the VDI is deleted meanwhile | cancelled | …
 */
export async function lookUntilSure(
  { caller, clock, scope, wanted }: Ports,
  copies: Copies,
  looked: Wanted,
): Promise<{ readonly outcome: Outcome; readonly damages: readonly Damage[] }> {
  const { kept, header, mayBeNowhere } = looked;
  const { oid } = kept;
  if (oid.vid > vidMax) {
    const text = `the index names vid ${oid.vid.toString(16)}, which cannot be`;
    const damage = { oid: { ...oid, vid: header.vid }, what: "lost", node: null, text } as const;
    return { outcome: "damaged", damages: [damage] };
  }
  let found = await copies.look(kept, new Map());
  for (let look = 2; look <= limits.checkLooksMax; look += 1) {
    if (found.isNowhere && mayBeNowhere) return { outcome: "nowhere", damages: [] };
    if (found.flaws.length === 0 && found.unlike.size === 0) break;
    await new Promise<void>((resolve) => clock.after(limits.checkPauseMs, resolve));
    wanted();
    if (!(await isStillOf(caller, looked, scope))) return { outcome: "gone", damages: [] };
    // Its members may be others by now.
    const now = new Copies({ caller, scope }, await listNodes(caller, scope()));
    found = await now.look(kept, found.unlike);
  }
  if (found.isNowhere && mayBeNowhere) return { outcome: "nowhere", damages: [] };
  const damages = found.flaws.map((flaw) => ({ ...flaw, oid }));
  if (damages.length > 0) return { outcome: "damaged", damages };
  return { outcome: found.unlike.size > 0 ? "unsettled" : "sound", damages };
}

/** Whether the object is one of the VDI's yet. @throws not_found when the VDI was deleted */
async function isStillOf(
  caller: SheepCaller,
  { kept, header, slot }: Wanted,
  scope: () => Scope,
): Promise<boolean> {
  const { kind } = kept.oid;
  // One that is wrong itself cannot say so.
  if (kind === "inode") return true;
  const { vid } = header;
  const now = await headerIfThere(caller, vid, scope());
  if (now === null || now.name.length === 0) {
    const text = `VDI '${nameText(header.name)}' (vid ${hexVid(vid)}) was deleted meanwhile`;
    throw new SheepfsError("not_found", text);
  }
  if (kind === "vmstate") return now.vmStateSize === header.vmStateSize;
  if (slot === null || isHypervolume(header)) return true;
  const part = { vid, offset: slotOffset(slot.block), length: slotBytes };
  const data = await readInodePart(caller, part, scope());
  return new DataView(data.buffer, data.byteOffset).getUint32(0, true) === slot.owner;
}
