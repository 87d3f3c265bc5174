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
import { vdiFacts } from "../../cluster/vdis.ts";
import { unescapeName } from "../../tree/names.ts";
import { withCluster } from "../verbs/cluster.ts";
import { stateIdOf } from "./state-id.ts";

/** Attribute of a VDI that is being filled, so that it is known for what it is when that is interrupted. */
const key = "sheepfs.unfinished";

/** What an unfinished VDI is being filled with; whoever goes on must have the same. */
export interface Unfinished {
  readonly what: "import" | "copy";
  /** Of a copy, which VDI it is of. */
  readonly source: string | null;
}

interface Mark extends Unfinished {
  /** The VDI that it means: another one may have the name by now. */
  readonly vid: string;
  readonly created: string;
}

/** Marks the working VDI of a name. */
export async function markUnfinished(
  gateways: readonly Address[],
  name: string,
  about: Unfinished,
): Promise<void> {
  await withCluster(gateways, async (caller, scope) => {
    const vdi = unescapeName(name);
    const header = await findVdi(caller, { name: vdi, snapshot: null }, scope);
    if (header === null) return;
    const { vid, created } = stateIdOf(header);
    const mark: Mark = { ...about, vid, created };
    const value = new TextEncoder().encode(JSON.stringify(mark));
    if ((await createAttribute(caller, { vdi, key }, value, scope)) !== null) return;
    const place = await findAttribute(caller, { vdi, key }, scope);
    if (place !== null) await writeAttribute(caller, { vdi, key }, place, value, scope);
  });
}

/** What the working VDI of a name is being filled with; null when it is whole, or there is none. */
export async function unfinished(
  gateways: readonly Address[],
  name: string,
): Promise<Unfinished | null> {
  return await withCluster(gateways, async (caller, scope) => {
    const vdi = unescapeName(name);
    const header = await findVdi(caller, { name: vdi, snapshot: null }, scope);
    if (header === null) return null;
    const mark = await markOf(caller, vdi, scope);
    const { vid, created } = stateIdOf(header);
    return mark?.vid === vid && mark.created === created ? mark : null;
  });
}

/** Whether there is a working VDI of that name and size that never had any data. */
export async function isUntouched(
  gateways: readonly Address[],
  name: string,
  sizeBytes: number,
): Promise<boolean> {
  return await withCluster(gateways, async (caller, scope) => {
    const header = await findVdi(caller, { name: unescapeName(name), snapshot: null }, scope);
    if (header === null || header.vdiSize !== sizeBytes) return false;
    const facts = await vdiFacts(caller, header.vid, scope);
    return facts !== null && facts.ownBlocks + facts.sharedBlocks === 0;
  });
}

export async function clearMark(gateways: readonly Address[], name: string): Promise<void> {
  await withCluster(gateways, async (caller, scope) => {
    const place = await findAttribute(caller, { vdi: unescapeName(name), key }, scope);
    if (place !== null) await removeAttribute(caller, place, scope);
  });
}

async function markOf(caller: SheepCaller, vdi: Uint8Array, scope: Scope): Promise<Mark | null> {
  const place = await findAttribute(caller, { vdi, key }, scope);
  if (place === null) return null;
  const value = await readAttribute(caller, { vdi, key }, place, scope);
  if (value === null) return null;
  try {
    return JSON.parse(new TextDecoder().decode(value)) as Mark;
  } catch {
    return null;
  }
}
