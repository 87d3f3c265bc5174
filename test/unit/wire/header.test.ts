import { expect, test } from "bun:test";
import {
  CoherenceRequestHeader,
  ReferenceRequestHeader,
  RepairRequestHeader,
  VdiStateRequestHeader,
} from "../../../src/wire/header.ts";

// No recording has these: they go between daemons. What is expected is written by hand from
// protocol §2.5.
const cases = [
  {
    name: "a reference to drop",
    bytes: ReferenceRequestHeader.encode({ oidLow: 7, oidHigh: 0xed202b, generation: 3, count: 2 }),
    body: "070000002b20ed000300000002000000",
  },
  {
    name: "the state of a VDI",
    bytes: VdiStateRequestHeader.encode({
      ...{ oldVid: 0xed202b, newVid: 0xed202c, copies: 3 },
      ...{ setBitmap: 1, copyPolicy: 0x11, blockSizeShift: 22 },
    }),
    body: "2b20ed002c20ed0003011116",
  },
  {
    name: "the coherence of an inode",
    bytes: CoherenceRequestHeader.encode({ vid: 0xed202b, validate: 1 }),
    body: "2b20ed0001000000",
  },
  {
    name: "a repair",
    bytes: RepairRequestHeader.encode({
      ...{ oidLow: 7, oidHigh: 0xed202b, port: 7000 },
      address: new Uint8Array([0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 127, 0, 0, 1]),
    }),
    body: "070000002b20ed000000000000000000000000007f000001581b",
  },
];

for (const { name, bytes, body } of cases) {
  test(`the request of ${name} has its fields where daemons look for them`, () => {
    expect(bytes.length).toBe(48);
    expect(Buffer.from(bytes.subarray(16)).toString("hex")).toBe(body.padEnd(64, "0"));
  });
}
