import { SheepfsError } from "../base/errors.ts";
import { nameBytesMax } from "../wire/inode.ts";

/** Raw bytes of a VDI's name and, for a snapshot, its tag or id; volumes name VDIs so too. */
export interface VdiNameLike {
  readonly name: Uint8Array;
  readonly snapshot: { readonly tag: Uint8Array } | { readonly id: number } | null;
  /** Where it has to be this one: names and ids are given to others when a VDI is deleted. */
  readonly vid?: number;
  /** With a vid: the tag that it has to have still, as somebody else may have changed that. */
  readonly tag?: Uint8Array;
}

const decoder = new TextDecoder();

/** A name for a message: one line, whatever bytes it has. */
export function nameText(name: Uint8Array): string {
  return decoder.decode(name).replace(/\p{Cc}/gu, (character) => {
    const hex = (character.codePointAt(0) ?? 0).toString(16).padStart(2, "0");
    return `\\x${hex}`;
  });
}

/** The same with the snapshot. */
export function vdiText({ name, snapshot }: VdiNameLike): string {
  if (snapshot === null) return `VDI '${nameText(name)}'`;
  const which = "id" in snapshot ? `id ${snapshot.id}` : `'${nameText(snapshot.tag)}'`;
  return `snapshot ${which} of VDI '${nameText(name)}'`;
}

/**
 * @param what the name is of, for the message
 * @throws invalid | name_too_long
 */
export function checkName(name: Uint8Array, what: "VDI" | "tag"): void {
  if (name.length === 0) {
    throw new SheepfsError("invalid", `an empty ${what} name; give 1 to ${nameBytesMax} bytes`);
  }
  if (name.length > nameBytesMax) {
    throw new SheepfsError(
      "name_too_long",
      `a ${what} name of ${name.length} bytes; ${nameBytesMax} are the most`,
    );
  }
  if (name.includes(0)) {
    throw new SheepfsError("invalid", `${what} name '${nameText(name)}' has a NUL byte`);
  }
}

/** @throws invalid | name_too_long */
export function checkVdiName({ name, snapshot }: VdiNameLike): void {
  checkName(name, "VDI");
  if (snapshot === null) return;
  if ("tag" in snapshot) checkName(snapshot.tag, "tag");
  else if (!Number.isInteger(snapshot.id) || snapshot.id < 1 || snapshot.id > 0xffff_ffff) {
    throw new SheepfsError("invalid", `snapshot id ${snapshot.id} of VDI '${nameText(name)}'`);
  }
}
