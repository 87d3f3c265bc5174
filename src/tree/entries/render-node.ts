import type { NodeSpace } from "../../cluster/nodes.ts";
import { sizeText } from "./render-size.ts";

/** Of a node, what is shown. */
export interface ListedNode {
  /** IPv4 or IPv6 without brackets. */
  readonly host: string;
  readonly port: number;
  readonly vnodes: number;
  readonly zone: number;
}

/** As `dog` writes it: without brackets around IPv6, without a port that is 0. */
export function nodeAddressText({ host, port }: Pick<ListedNode, "host" | "port">): string {
  return port === 0 ? host : `${host}:${port}`;
}

/** What `dog node list` prints. */
export function renderNodeList(nodes: readonly ListedNode[]): string {
  const rows = nodes.map((node, index) => {
    const address = nodeAddressText(node).padEnd(20);
    const vnodes = String(node.vnodes).padStart(2);
    const zone = String(node.zone).padStart(11);
    return `${String(index).padStart(4)}   ${address}\t${vnodes}${zone}\n`;
  });
  return `  Id   Host:Port         V-Nodes       Zone\n${rows.join("")}`;
}

/**
 * What `dog node info` prints: nodes that do not answer have no row, and the others' numbers run on.
 * @param vdiBytes sizes of all working VDIs
 */
export function renderNodeInfo(spaces: readonly NodeSpace[], vdiBytes: number): string {
  const known = spaces.flatMap(({ space }) => (space === null ? [] : [space]));
  const rows = known.map((space, index) => {
    // A node without a store shows 0 there; only the total comes out odd.
    const percent = space.totalBytes === 0 ? 0 : usedPercent(space);
    return spaceRow(String(index).padStart(2), space, percent);
  });
  const total = {
    totalBytes: known.reduce((sum, { totalBytes }) => sum + totalBytes, 0),
    freeBytes: known.reduce((sum, { freeBytes }) => sum + freeBytes, 0),
  };
  return (
    `Id\tSize\tUsed\tAvail\tUse%\n${rows.join("")}` +
    `${spaceRow("Total", total, usedPercent(total))}\n` +
    `Total virtual image size\t${sizeText(vdiBytes)}\n`
  );
}

interface ShownSpace {
  readonly totalBytes: number;
  readonly freeBytes: number;
}

function spaceRow(title: string, { totalBytes, freeBytes }: ShownSpace, percent: number): string {
  const sizes = [totalBytes, totalBytes - freeBytes, freeBytes].map(sizeText).join("\t");
  return `${title}\t${sizes}\t${String(percent).padStart(3)}%\n`;
}

/** What the machine makes of 0/0 as an integer. */
const percentOfNothing = -(2 ** 31);

function usedPercent({ totalBytes, freeBytes }: ShownSpace): number {
  if (totalBytes === 0) return percentOfNothing;
  return Math.trunc(((totalBytes - freeBytes) / totalBytes) * 100);
}
