import type { Address } from "../../base/address.ts";
import type { Scope } from "../../base/scope.ts";
import type { SheepCaller } from "../../client/caller.ts";
import {
  createAttribute,
  findAttribute,
  readAttribute,
  removeAttribute,
  writeAttribute,
} from "../../cluster/attributes.ts";
import { findVdi } from "../../cluster/resolve.ts";
import { unescapeName } from "../../tree/names.ts";
import type { InodeHeader } from "../../wire/inode.ts";
import { withCluster } from "../verbs/cluster.ts";
import { stateIdOf } from "./state-id.ts";

/**
 * Attributes of a VDI, so that it is known for what it is: one that an import fills, and how far a copy
 * of another cluster's has come.
 */
const keys = { import: "sheepfs.import", copy: "sheepfs.copy" } as const;

export type MarkKind = keyof typeof keys;

/** A VDI that was marked, and what was noted with it. */
export interface VdiMark {
  /** Names are given to others: whoever has the name now may not be the one that was marked. */
  readonly vid: string;
  readonly created: string;
  readonly about: unknown;
}

/** Marks the working VDI of a name, in place of what was noted there before. */
export async function writeMark(
  gateways: readonly Address[],
  place: { readonly name: string; readonly kind: MarkKind },
  about: unknown,
): Promise<void> {
  await withCluster(gateways, async (caller, scope) => {
    const attribute = { vdi: unescapeName(place.name), key: keys[place.kind] };
    const header = await findVdi(caller, { name: attribute.vdi, snapshot: null }, scope);
    if (header === null) return;
    const { vid, created } = stateIdOf(header);
    const mark: VdiMark = { vid, created, about };
    const value = new TextEncoder().encode(JSON.stringify(mark));
    if ((await createAttribute(caller, attribute, value, scope)) !== null) return;
    const found = await findAttribute(caller, attribute, scope);
    if (found !== null) await writeAttribute(caller, attribute, found, value, scope);
  });
}

/** The mark of the VDI that has the name now; null when that has none, or there is no such VDI. */
export async function readMark(
  caller: SheepCaller,
  place: { readonly name: Uint8Array; readonly kind: MarkKind },
  scope: Scope,
): Promise<VdiMark | null> {
  const attribute = { vdi: place.name, key: keys[place.kind] };
  if ((await findVdi(caller, { name: place.name, snapshot: null }, scope)) === null) return null;
  const found = await findAttribute(caller, attribute, scope);
  if (found === null) return null;
  const value = await readAttribute(caller, attribute, found, scope);
  return value === null ? null : markFrom(value);
}

/** Whether it is this VDI or snapshot that was marked. */
export function isMarked(mark: VdiMark, header: InodeHeader): boolean {
  const { vid, created } = stateIdOf(header);
  return mark.vid === vid && mark.created === created;
}

export async function clearMark(
  gateways: readonly Address[],
  { name, kind }: { readonly name: string; readonly kind: MarkKind },
): Promise<void> {
  await withCluster(gateways, async (caller, scope) => {
    const attribute = { vdi: unescapeName(name), key: keys[kind] };
    const place = await findAttribute(caller, attribute, scope);
    if (place !== null) await removeAttribute(caller, place, scope);
  });
}

function markFrom(value: Uint8Array): VdiMark | null {
  try {
    const { vid, created, about } = JSON.parse(new TextDecoder().decode(value)) as VdiMark;
    return { vid, created, about };
  } catch {
    return null;
  }
}
