import type { Address } from "../../base/address.ts";
import { SheepfsError } from "../../base/errors.ts";
import type { Progress } from "../../base/progress.ts";
import { createVdi, type VdiLayout } from "../../cluster/create-vdi.ts";
import { deleteVdi } from "../../cluster/delete-vdi.ts";
import { isHalfImport } from "../../cluster/vdi-mark.ts";
import { listVdis, vdiFacts } from "../../cluster/vdis.ts";
import { realClock } from "../../sys/clock.ts";
import { renderVdiList } from "../../tree/entries/render-vdi-list.ts";
import {
  type ListedVdiJson,
  listedJson,
  type VdiJson,
  vdiJson,
} from "../../tree/entries/vdi-json.ts";
import { unescapeName } from "../../tree/names.ts";
import { isGone } from "../self.ts";
import { withCluster } from "./cluster.ts";
import { namedVdi } from "./named.ts";

/** Every VDI and snapshot, as data and as `dog vdi list` prints them. */
export async function listAllVdis(
  gateways: readonly Address[],
): Promise<{ readonly vdis: readonly ListedVdiJson[]; readonly text: string }> {
  return await withCluster(gateways, async (caller, scope) => {
    const facts = await listVdis(caller, scope);
    return { vdis: facts.map(listedJson), text: renderVdiList(facts) };
  });
}

export interface VdiWish extends VdiLayout {
  /** Escaped as in the tree. */
  readonly name: string;
  readonly sizeBytes: number;
}

export async function makeVdi(gateways: readonly Address[], wish: VdiWish): Promise<VdiJson> {
  const name = unescapeName(wish.name);
  return await withCluster(gateways, async (caller, scope) =>
    vdiJson(await createVdi(caller, { ...wish, name }, scope)),
  );
}

/** @param written NAME, or NAME@TAG or NAME@ID for a snapshot */
export async function deleteOneVdi(
  gateways: readonly Address[],
  written: string,
  progress: (progress: Progress) => void,
): Promise<{ readonly deleted: string }> {
  await withCluster(gateways, async (caller, scope) => {
    const { name } = await namedVdi(caller, written, scope);
    await deleteVdi({ caller, clock: realClock, isGone }, name, scope, progress);
  });
  return { deleted: written };
}

export interface ShownVdiJson extends ListedVdiJson {
  /** Only where it is so: it has a part of an image alone. */
  readonly unfinishedImport?: true;
}

/** All that is known of one VDI or snapshot; `written` as above. */
export async function showVdi(
  gateways: readonly Address[],
  written: string,
): Promise<ShownVdiJson> {
  return await withCluster(gateways, async (caller, scope) => {
    const { header } = await namedVdi(caller, written, scope);
    const facts = await vdiFacts(caller, header.vid, scope);
    const half = facts !== null && (await isHalfImport(caller, header, scope));
    if (facts !== null) return { ...listedJson(facts), ...(half && { unfinishedImport: true }) };
    throw new SheepfsError("not_found", `'${written}' was deleted just now`);
  });
}
