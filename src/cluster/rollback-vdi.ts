import { sameBytes } from "../base/bytes.ts";
import { asSheepfsError, SheepfsError } from "../base/errors.ts";
import { limits } from "../base/limits.ts";
import type { Scope } from "../base/scope.ts";
import type { SheepCaller } from "../client/caller.ts";
import { type InodeHeader, slotBytes, slotOffset } from "../wire/inode.ts";
import { slotsOf } from "./blocks.ts";
import { deriveVdi, refuseHypervolume, refuseOtherPolicy } from "./derive-vdi.ts";
import { inHeadTurn, type TurnPorts } from "./head-turn.ts";
import { hexVid, readHeader, readInodePart } from "./inode.ts";
import { nameText, type VdiNameLike, vdiText } from "./name.ts";
import { findVdi, newestOf, resolveVdi } from "./resolve.ts";
import { checkTag, clearTag, headAfterAll, refuseTag, writeTag } from "./snapshot-vdi.ts";
import { refuseUsed } from "./use.ts";

export interface RollbackMade {
  /** What the VDI is now: all that the snapshot has. */
  readonly working: InodeHeader;
  /** What it was, as a snapshot; null when there was no working VDI. */
  readonly former: InodeHeader | null;
}

/**
 * Makes a VDI what a snapshot of it is. What it was is kept as a snapshot of its own.
 * @param keepTag of that snapshot
 * @throws not_found | busy when it is attached or locked | exists for the tag | invalid | not_supported |
 *   corrupt when the new head does not read back as the snapshot | …, inDoubt when it may still be made
 * Source: protocol §7.4, capture rollback-qemu-style
 */
export async function rollbackVdi(
  ports: TurnPorts,
  to: VdiNameLike,
  keepTag: Uint8Array,
  scope: Scope,
): Promise<RollbackMade> {
  const { caller } = ports;
  if (to.snapshot === null) {
    throw new SheepfsError("invalid", `${vdiText(to)} is no snapshot; name the one to go back to`);
  }
  checkTag(keepTag);
  const base = await resolveVdi(caller, to, scope);
  refuseHypervolume(base, "roll back");
  const { current, working } = await replaceHead(ports, { base, keepTag }, scope);
  await checkBack(caller, { base, working }, scope);
  const former = current === null ? null : await readHeader(caller, current.vid, scope);
  return { working, former };
}

interface Replaced {
  readonly working: InodeHeader;
  /** What was the working VDI until then. */
  readonly current: InodeHeader | null;
}

async function replaceHead(ports: TurnPorts, wish: Wish, scope: Scope): Promise<Replaced> {
  const { name } = wish.base;
  const current = await findVdi(ports.caller, { name, snapshot: null }, scope);
  // Where there is none, only one of several can make it.
  if (current === null) return await replaceFound(ports, wish, null, scope);
  return await inHeadTurn(ports, [name], scope, async () => {
    const now = await findVdi(ports.caller, { name, snapshot: null }, scope);
    return await replaceFound(ports, wish, now, scope);
  });
}

interface Wish {
  readonly base: InodeHeader;
  readonly keepTag: Uint8Array;
}

async function replaceFound(
  ports: TurnPorts,
  { base, keepTag }: Wish,
  current: InodeHeader | null,
  scope: Scope,
): Promise<Replaced> {
  const { caller } = ports;
  const { name } = base;
  refuseOtherPolicy(current ?? (await newestOf(caller, name, scope)), base.copyPolicy);
  if (current !== null) {
    // As a snapshot it could never be written again.
    refuseHypervolume(current, "roll back");
    await refuseUsed(ports, current, scope);
    await refuseTag(caller, { name, tag: keepTag }, scope);
    await writeTag(caller, current, keepTag, scope);
  }
  return { working: await newHead(ports, { base, current }, scope), current };
}

interface Heads {
  readonly base: InodeHeader;
  readonly current: InodeHeader | null;
}

async function newHead(
  ports: TurnPorts,
  { base, current }: Heads,
  scope: Scope,
): Promise<InodeHeader> {
  const { caller } = ports;
  const as = current === null ? "clone" : "head";
  try {
    return await deriveVdi(caller, { base, name: base.name, as }, scope);
  } catch (thrown) {
    const error = asSheepfsError(thrown);
    if (error.inDoubt) return await headAfterAll(ports, { base, before: current, error }, scope);
    if (current !== null) await clearTag(caller, current, scope);
    throw error;
  }
}

/** @throws corrupt when the new VDI does not name the blocks that the snapshot has */
async function checkBack(
  caller: SheepCaller,
  { base, working }: { readonly base: InodeHeader; readonly working: InodeHeader },
  scope: Scope,
): Promise<void> {
  const title = `VDI '${nameText(base.name)}'`;
  const bad = (text: string): SheepfsError =>
    new SheepfsError("corrupt", `${title}: its vid ${hexVid(working.vid)} ${text}`);
  if (working.parentVid !== base.vid || working.vdiSize !== base.vdiSize) {
    throw bad(`is not made from vid ${hexVid(base.vid)}; what it was is kept as a snapshot`);
  }
  const slots = slotsOf(base);
  const step = limits.indexScanBytes / slotBytes;
  for (let from = 0; from < slots; from += step) {
    const length = Math.min(step, slots - from) * slotBytes;
    const part = { offset: slotOffset(from), length };
    const [was, is] = await Promise.all(
      [base, working].map(({ vid }) => readInodePart(caller, { vid, ...part }, scope)),
    );
    if (was !== undefined && is !== undefined && sameBytes(was, is)) continue;
    throw bad("does not read back as the snapshot; what it was is kept as a snapshot");
  }
}
