import { SheepfsError } from "../../base/errors.ts";
import type { Scope } from "../../base/scope.ts";
import type { SheepCaller } from "../../client/caller.ts";
import type { VdiNameLike } from "../../cluster/name.ts";
import { findVdi, resolveVdi } from "../../cluster/resolve.ts";
import { vdiMeanings } from "../../tree/entries/vdi-names.ts";
import type { InodeHeader } from "../../wire/inode.ts";

/** What a name on a command line means, and the VDI that it is. */
export interface NamedVdi {
  readonly name: VdiNameLike;
  readonly header: InodeHeader;
}

/**
 * The VDI or snapshot that NAME, NAME@TAG or NAME@ID means.
 * @throws not_found naming what there is instead | invalid | name_too_long | …
 */
export async function namedVdi(
  caller: SheepCaller,
  written: string,
  scope: Scope,
): Promise<NamedVdi> {
  const meanings = vdiMeanings(new TextEncoder().encode(written));
  for (const name of meanings) {
    const header = await findVdi(caller, name, scope);
    if (header !== null) return { name, header };
  }
  // The last one tells most: of a snapshot it names the others.
  const name = meanings.at(-1) ?? { name: new Uint8Array(0), snapshot: null };
  return { name, header: await resolveVdi(caller, name, scope) };
}

/** The same for a snapshot. @throws invalid when it is none */
export async function namedSnapshot(
  caller: SheepCaller,
  written: string,
  scope: Scope,
): Promise<NamedVdi> {
  const named = await namedVdi(caller, written, scope);
  if (named.name.snapshot !== null) return named;
  throw new SheepfsError("invalid", `'${written}' is no snapshot; write NAME@TAG or NAME@ID`);
}
