import type { Address } from "../../base/address.ts";
import { listNodes, zonesOf } from "../../cluster/nodes.ts";
import { decodeCopyPolicy, encodeCopyPolicy } from "../../wire/ec.ts";
import { withCluster } from "./cluster.ts";

/** As a person says it. */
export type Redundancy =
  | { readonly copies: number }
  | { readonly dataStrips: number; readonly parityStrips: number };

/** The same as a sheep is told. */
interface CopiesAndPolicy {
  /** Copies, or all strips of the erasure code. */
  readonly copies: number;
  /** 0 for plain copies. */
  readonly copyPolicy: number;
}

export function copiesAndPolicy(redundancy: Redundancy): CopiesAndPolicy {
  if ("copies" in redundancy) return { copies: redundancy.copies, copyPolicy: 0 };
  const { dataStrips, parityStrips } = redundancy;
  return { copies: dataStrips + parityStrips, copyPolicy: encodeCopyPolicy(redundancy) };
}

/**
 * What a VDI lacks that wants more copies than there are zones, of which each keeps one; a sheep makes
 * it all the same. Null when it has all.
 */
export function lackOf({ copies, copyPolicy }: CopiesAndPolicy, zones: number): string | null {
  if (copies <= zones) return null;
  const code = decodeCopyPolicy(copyPolicy);
  const wanted = `${copies} ${code === null ? "copies" : "strips"}`;
  const has = `wants ${wanted}, and there are nodes in ${zones} zones`;
  if (code === null || code.dataStrips <= zones) return has;
  return `${has}; with fewer than ${code.dataStrips} a sheep refuses all writes`;
}

/** The same for one that is to be made. */
export async function lackOfNew(
  gateways: readonly Address[],
  wish: CopiesAndPolicy,
): Promise<string | null> {
  return await withCluster(gateways, async (caller, scope) => {
    return lackOf(wish, zonesOf((await listNodes(caller, scope)).nodes));
  });
}
