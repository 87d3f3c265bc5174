import type { Address } from "../../base/address.ts";
import { listHeaders } from "../../cluster/vdis.ts";
import { type VdiJson, vdiJson } from "../../tree/entries/vdi-json.ts";
import type { InodeHeader } from "../../wire/inode.ts";
import { titleOf } from "./check.ts";
import { withCluster } from "./cluster.ts";

/** A VDI or snapshot among its relatives. */
export interface RelativeJson extends VdiJson {
  /** How many are above it that were made one from the other. */
  readonly depth: number;
}

/** Every VDI behind what it was made from, as data and as branches to print. */
export async function vdiTree(
  gateways: readonly Address[],
): Promise<{ readonly vdis: readonly RelativeJson[]; readonly text: string }> {
  const { headers } = await withCluster(gateways, listHeaders);
  const relatives = inOrder(headers);
  const vdis = relatives.map(({ header, depth }) => ({ ...vdiJson(header), depth }));
  return { vdis, text: relatives.map(line).join("") };
}

interface Relative {
  readonly header: InodeHeader;
  readonly depth: number;
  /** A chain stays where it is; only where it parts does it move to the right. */
  readonly indent: number;
}

/** A VDI whose parent was deleted begins a family of its own. */
export function inOrder(headers: readonly InodeHeader[]): readonly Relative[] {
  const vids = new Set(headers.map(({ vid }) => vid));
  const children = Map.groupBy(headers, ({ parentVid }) => (vids.has(parentVid) ? parentVid : 0));
  const ordered: Relative[] = [];
  const open: Relative[] = [];
  const add = (vid: number, depth: number, indent: number): void => {
    const made = children.get(vid) ?? [];
    const own = made.length > 1 && vid !== 0 ? indent + 1 : indent;
    for (const header of made.toReversed()) open.push({ header, depth, indent: own });
  };
  add(0, 0, 0);
  for (let next = open.pop(); next !== undefined; next = open.pop()) {
    ordered.push(next);
    add(next.header.vid, next.depth + 1, next.indent);
  }
  return ordered;
}

function line({ header, indent }: Relative): string {
  const title = header.isSnapshot ? titleOf(header) : `${titleOf(header)} (working)`;
  return `${"  ".repeat(indent)}${title}\n`;
}
