import { asSheepfsError, SheepfsError } from "../base/errors.ts";
import { limits } from "../base/limits.ts";
import type { Scope } from "../base/scope.ts";
import type { SheepCaller } from "../client/caller.ts";
import type { InodeHeader } from "../wire/inode.ts";
import { deriveVdi, refuseHypervolume, refuseOtherPolicy } from "./derive-vdi.ts";
import { checkName, nameText, type VdiNameLike, vdiText } from "./name.ts";
import { findVdi, newestOf, resolveVdi } from "./resolve.ts";

/**
 * Makes a VDI that begins with what a snapshot has, and shares it until it is written.
 * @throws not_found | exists | invalid for one that is no snapshot | not_supported | no_space | …
 * Source: protocol §7.3, captures vdi-clone, clone-of-working
 */
export async function cloneVdi(
  caller: SheepCaller,
  source: VdiNameLike,
  name: Uint8Array,
  scope: Scope,
): Promise<InodeHeader> {
  checkName(name, "VDI");
  if (source.snapshot === null) {
    // A sheep does not refuse it: from then on it refuses the writes of the first one.
    const text = `${vdiText(source)} is no snapshot; make one and clone that`;
    throw new SheepfsError("invalid", text);
  }
  const base = await resolveVdi(caller, source, scope);
  refuseHypervolume(base, "clone");
  for (let look = 1; ; look += 1) {
    const made = await findVdi(caller, { name, snapshot: null }, scope);
    if (made !== null && look > 1 && made.parentVid === base.vid) return made;
    if (made !== null) {
      const text = `VDI '${nameText(name)}' exists already; choose another name or delete it`;
      throw new SheepfsError("exists", text);
    }
    refuseOtherPolicy(await newestOf(caller, name, scope), base.copyPolicy);
    try {
      return await deriveVdi(caller, { base, name, as: "clone" }, scope);
    } catch (thrown) {
      const error = asSheepfsError(thrown);
      // A copy that is still under way makes the next one fail as existing, and is found then.
      const again = error.inDoubt || (error.code === "exists" && look > 1);
      if (!again || look >= limits.vdiLooksMax) throw error;
    }
  }
}
