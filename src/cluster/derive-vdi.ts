import { asSheepfsError, SheepfsError } from "../base/errors.ts";
import type { Scope } from "../base/scope.ts";
import type { SheepCaller } from "../client/caller.ts";
import { decodeCopyPolicy } from "../wire/ec.ts";
import { VdiReplyHeader, vdiRequest } from "../wire/header.ts";
import type { InodeHeader } from "../wire/inode.ts";
import { results } from "../wire/result.ts";
import { nameField } from "../wire/vdi.ts";
import { isHypervolume } from "./blocks.ts";
import { hexVid, readHeader } from "./inode.ts";
import { nameText } from "./name.ts";

/** Asks for a VDI that begins with everything that another one has. */
export interface Derivation {
  readonly base: InodeHeader;
  readonly name: Uint8Array;
  /**
   * `head`: it becomes the working VDI of the name, and the one that was becomes a snapshot. `clone`:
   * there must be no working VDI of the name.
   */
  readonly as: "head" | "clone";
}

/**
 * Makes a VDI from another. It is never sent twice: a second `head` from the same base would roll
 * the VDI back to it.
 * @throws exists | no_space | …, inDoubt when it may have been made
 * Source: protocol §7.2 to §7.4
 */
export async function deriveVdi(
  caller: SheepCaller,
  { base, name, as }: Derivation,
  scope: Scope,
): Promise<InodeHeader> {
  const { vdiSize, copies, copyPolicy, storePolicy, blockSizeShift } = base;
  const policy = { copies, copyPolicy, storePolicy, blockSizeShift };
  const fields = { ...policy, vdiSize, baseVid: base.vid, snapId: as === "head" ? 1 : 0 };
  const request = vdiRequest("newVdi", fields, { data: nameField(name) });
  const { header, result } = await caller.call(request, scope, [results.vdiExists.code]);
  if (result === results.vdiExists.code) {
    throw new SheepfsError("exists", `VDI '${nameText(name)}' exists already; choose another name`);
  }
  try {
    return await readHeader(caller, VdiReplyHeader.read(header, 0).vid, scope);
  } catch (thrown) {
    // It was made: whoever takes this for a refusal would undo what belongs to it, or ask again.
    const { code, message } = asSheepfsError(thrown);
    throw new SheepfsError(code, message, { cause: thrown, inDoubt: true });
  }
}

/**
 * @throws not_supported for a hypervolume: a sheep copies the first node of its index alone and counts
 *   none of its blocks, so that both VDIs would write the same objects (dog refuses it too)
 */
export function refuseHypervolume(header: InodeHeader, what: string): void {
  if (!isHypervolume(header)) return;
  throw new SheepfsError(
    "not_supported",
    `VDI '${nameText(header.name)}' (vid ${hexVid(header.vid)}) is a hypervolume, and a sheep cannot ` +
      `${what} one; copy its data instead`,
  );
}

/**
 * A sheep 1.0 that makes a VDI takes the newest one of its name, from then on, for one that is kept in
 * the same way: it looks for strips where there are copies, and finds none of its data until it is
 * started anew.
 * @param before the newest VDI or snapshot of the name
 * @throws not_supported when it is kept in another way
 */
export function refuseOtherPolicy(before: InodeHeader | null, copyPolicy: number): void {
  if (before === null || before.copyPolicy === copyPolicy) return;
  const { name, snapId, isSnapshot } = before;
  const title = `${isSnapshot ? `snapshot ${snapId} of ` : ""}VDI '${nameText(name)}'`;
  throw new SheepfsError(
    "not_supported",
    `${title} is kept with ${redundancyText(before.copyPolicy)}, this one would be with ` +
      `${redundancyText(copyPolicy)}, and a sheep would lose sight of what the other has; choose another name`,
  );
}

function redundancyText(copyPolicy: number): string {
  const code = decodeCopyPolicy(copyPolicy);
  return code === null ? "plain copies" : `erasure code ${code.dataStrips}:${code.parityStrips}`;
}
