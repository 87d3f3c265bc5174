import { SheepfsError } from "../../base/errors.ts";
import type { VdiNameLike } from "../../cluster/name.ts";
import { escapeName, unescapeBytes, utf8Text } from "../names.ts";

const at = 0x40;
const nameBytesMax = 255;

/**
 * What a name can mean, the likeliest first; never none: a VDI of that whole name, or NAME@ID and
 * NAME@TAG for a snapshot.
 * @param written raw or escaped, as vdi/list shows it
 * @throws invalid | name_too_long
 */
export function vdiMeanings(written: Uint8Array): readonly VdiNameLike[] {
  const whole = { name: unescapeBytes(written), snapshot: null };
  const split = written.lastIndexOf(at);
  if (split <= 0 || split === written.length - 1) return [checked(whole)];
  const name = unescapeBytes(written.subarray(0, split));
  const tag = unescapeBytes(written.subarray(split + 1));
  const id = snapshotId(tag);
  const tagged = [
    ...(id === null ? [] : [{ name, snapshot: { id } }]),
    ...(tag.length > nameBytesMax ? [] : [{ name, snapshot: { tag } }]),
  ];
  // Each part of it may be as long as a whole name.
  const isSnapshot = whole.name.length > nameBytesMax && tagged.length > 0;
  return isSnapshot ? tagged.map(checked) : [checked(whole), ...tagged];
}

/** As with dog, a number means the snapshot's id before it means a tag. */
function snapshotId(tag: Uint8Array): number | null {
  const text = utf8Text(tag);
  return text !== null && /^[1-9][0-9]{0,8}$/.test(text) ? Number(text) : null;
}

function checked<T extends VdiNameLike>(meaning: T): T {
  const { name } = meaning;
  if (name.length > nameBytesMax) {
    throw new SheepfsError(
      "name_too_long",
      `a VDI's name has at most ${nameBytesMax} bytes, this one has ${name.length}`,
    );
  }
  if (name.includes(0)) {
    throw new SheepfsError("invalid", `a VDI's name has no NUL byte: '${escapeName(name)}'`);
  }
  return meaning;
}
