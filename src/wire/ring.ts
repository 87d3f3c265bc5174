import { ringHash, ringStep } from "./hash.ts";
import { parseIp, type SheepNode } from "./node.ts";
import { type Oid, writeOid } from "./oid.ts";

interface VirtualNode {
  readonly position: bigint;
  readonly node: SheepNode;
}

/**
 * Where a cluster of these nodes keeps its objects. For what shows or checks placement: gateways
 * find objects themselves. Source: protocol §11.2
 */
export class Ring {
  readonly #points: readonly VirtualNode[];
  readonly #zones: number;

  constructor(nodes: readonly SheepNode[]) {
    const points = nodes.flatMap((node) => pointsOf(node));
    this.#points = points.sort((a, b) => (a.position < b.position ? -1 : 1));
    this.#zones = new Set(points.map(({ node }) => node.zone)).size;
  }

  /** The nodes that hold an object, the first copy first; each is in another zone. */
  place(oid: Oid, copies: number): SheepNode[] {
    const name = new Uint8Array(8);
    writeOid(new DataView(name.buffer), 0, oid.kind, oid.vid, oid.index);
    const position = ringHash(name);
    const after = this.#points.findIndex((point) => point.position >= position);
    const first = Math.max(after, 0);
    const wanted = Math.min(copies, this.#zones);
    const chosen: SheepNode[] = [];
    for (let step = 0; chosen.length < wanted; step += 1) {
      const point = this.#points[(first + step) % this.#points.length];
      if (point === undefined) break;
      if (chosen.every(({ zone }) => zone !== point.node.zone)) chosen.push(point.node);
    }
    return chosen;
  }
}

function pointsOf(node: SheepNode): VirtualNode[] {
  const name = new Uint8Array(18);
  name.set(parseIp(node.host) ?? []);
  new DataView(name.buffer).setUint16(16, node.port, true);
  const points: VirtualNode[] = [];
  let position = ringHash(name);
  for (let count = 0; count < node.vnodes; count += 1) {
    position = ringStep(position);
    points.push({ position, node });
  }
  return points;
}
