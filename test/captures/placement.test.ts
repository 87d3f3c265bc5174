import { expect, test } from "bun:test";
import { readOid } from "../../src/wire/oid.ts";
import { Ring } from "../../src/wire/ring.ts";
import { readCaptureFile } from "./load.ts";

interface Placements {
  readonly nodes: readonly {
    readonly address: string;
    readonly port: number;
    readonly vnodes: number;
    readonly zone: number;
  }[];
  readonly placements: readonly { readonly oid: string; readonly on_port: readonly number[] }[];
}

test("objects are placed where a cluster of three nodes was found to keep them", () => {
  const { nodes, placements } = readCaptureFile("three-placement") as Placements;
  const ring = new Ring(nodes.map((node) => ({ ...node, host: node.address, spaceBytes: 0 })));
  expect(placements.length).toBe(39);
  const found = placements.map(({ oid }) => {
    const view = new DataView(new ArrayBuffer(8));
    view.setBigUint64(0, BigInt(`0x${oid}`), true);
    const name = readOid(view, 0);
    const places = name === null ? [] : ring.place(name, 1);
    return { oid, ports: places.map(({ port }) => port) };
  });
  expect(found).toEqual(placements.map(({ oid, on_port }) => ({ oid, ports: [...on_port] })));
});
