import type { Address } from "../../base/address.ts";
import { limits } from "../../base/limits.ts";
import type { Scope } from "../../base/scope.ts";
import type { SheepCaller } from "../../client/caller.ts";
import { cloneVdi } from "../../cluster/clone-vdi.ts";
import { growVdi } from "../../cluster/grow-vdi.ts";
import { findVdi } from "../../cluster/resolve.ts";
import { retagSnapshot } from "../../cluster/retag-snapshot.ts";
import { rollbackVdi } from "../../cluster/rollback-vdi.ts";
import { realClock } from "../../sys/clock.ts";
import { type VdiJson, vdiJson } from "../../tree/entries/vdi-json.ts";
import { unescapeName } from "../../tree/names.ts";
import { isGone, newHolder } from "../self.ts";
import { withCluster } from "./cluster.ts";
import { namedSnapshot } from "./named.ts";

/** @param snapshot NAME@TAG or NAME@ID */
export async function changeTag(
  gateways: readonly Address[],
  snapshot: string,
  newTag: string,
): Promise<VdiJson> {
  const tag = unescapeName(newTag);
  return await withCluster(gateways, async (caller, scope) => {
    const { name } = await namedSnapshot(caller, snapshot, scope);
    return vdiJson(await retagSnapshot(caller, name, tag, scope));
  });
}

/** @param source NAME@TAG or NAME@ID */
export async function makeClone(
  gateways: readonly Address[],
  source: string,
  newName: string,
): Promise<VdiJson> {
  const target = unescapeName(newName);
  return await withCluster(gateways, async (caller, scope) => {
    const { name } = await namedSnapshot(caller, source, scope);
    return vdiJson(await cloneVdi(caller, name, target, scope));
  });
}

export interface RolledBackJson {
  readonly working: VdiJson;
  /** What the VDI was before. */
  readonly former: VdiJson | null;
}

/** @param to NAME@TAG or NAME@ID */
export async function rollBack(
  gateways: readonly Address[],
  to: string,
  keepTag: string | null,
): Promise<RolledBackJson> {
  return await withCluster(gateways, async (caller, scope) => {
    const { name } = await namedSnapshot(caller, to, scope);
    const tag = keepTag === null ? await ownTag(caller, name.name, scope) : unescapeName(keepTag);
    const ports = { caller, clock: realClock, isGone, self: newHolder() };
    const { working, former } = await rollbackVdi(ports, name, tag, scope);
    return { working: vdiJson(working), former: former === null ? null : vdiJson(former) };
  });
}

/** One that no snapshot of that name has. @throws exists when so many are made at once */
async function ownTag(caller: SheepCaller, name: Uint8Array, scope: Scope): Promise<Uint8Array> {
  const first = `before-rollback-${stamp(realClock.wallMs())}`;
  let tag = unescapeName(first);
  for (let look = 2; look <= limits.vdiLooksMax; look += 1) {
    if ((await findVdi(caller, { name, snapshot: { tag } }, scope)) === null) break;
    tag = unescapeName(`${first}-${look}`);
  }
  return tag;
}

/** A moment in UTC as a tag: `20260127T081500Z`. */
function stamp(wallMs: number): string {
  return new Date(wallMs).toISOString().replace(/[-:]|\.[0-9]+/g, "");
}

export async function grow(
  gateways: readonly Address[],
  written: string,
  sizeBytes: number,
): Promise<VdiJson> {
  const name = unescapeName(written);
  return await withCluster(gateways, async (caller, scope) =>
    vdiJson(await growVdi(caller, name, sizeBytes, scope)),
  );
}
