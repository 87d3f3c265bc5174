import type { Address } from "../../base/address.ts";
import { type FormatWish, formatCluster, isFormatted } from "../../cluster/format.ts";
import { clusterInfo } from "../../cluster/info.ts";
import { listHeaders } from "../../cluster/vdis.ts";
import { realClock } from "../../sys/clock.ts";
import { withCluster } from "./cluster.ts";
import { copiesAndPolicy, type Redundancy } from "./redundancy.ts";

export interface FormatOrder extends Omit<FormatWish, "copyPolicy" | "copies" | "blockSizeShift"> {
  readonly redundancy: Redundancy;
  readonly objectBytes: number;
}

/** What a format would destroy. */
export async function formatVictims(
  gateways: readonly Address[],
): Promise<{ readonly formatted: boolean; readonly vdis: number; readonly snapshots: number }> {
  return await withCluster(gateways, async (caller, scope) => {
    const info = await clusterInfo(caller, scope);
    if (!isFormatted(info)) return { formatted: false, vdis: 0, snapshots: 0 };
    // One that waits for nodes does not list what it has.
    if (info.status !== "running")
      return { formatted: true, vdis: Number.NaN, snapshots: Number.NaN };
    const { headers } = await listHeaders(caller, scope);
    const snapshots = headers.filter(({ isSnapshot }) => isSnapshot).length;
    return { formatted: true, vdis: headers.length - snapshots, snapshots };
  });
}

export async function format(
  gateways: readonly Address[],
  { redundancy, objectBytes, ...order }: FormatOrder,
): Promise<{ readonly epoch: number; readonly createdAt: string }> {
  const { copies, copyPolicy } = copiesAndPolicy(redundancy);
  const wish: FormatWish = {
    ...order,
    copies,
    copyPolicy,
    blockSizeShift: Math.log2(objectBytes),
  };
  return await withCluster(gateways, async (caller, scope) => {
    const made = await formatCluster({ caller, clock: realClock }, wish, scope);
    const createdAt = new Date((made.createdSeconds ?? 0) * 1000).toISOString();
    return { epoch: made.epochs[0]?.epoch ?? 0, createdAt };
  });
}
