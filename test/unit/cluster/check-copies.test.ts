import { describe, expect, test } from "bun:test";
import type { Address } from "../../../src/base/address.ts";
import type { Scope } from "../../../src/base/scope.ts";
import type { Damage } from "../../../src/cluster/check-look.ts";
import {
  BtreeHeader,
  BtreeLeafEntry,
  BtreeRootEntry,
  btreeMagic,
} from "../../../src/wire/btree.ts";
import {
  NodeReplyHeader,
  ObjectRequestHeader,
  ReplyHeader,
  type SheepRequest,
} from "../../../src/wire/header.ts";
import { grefOffset, type InodeHeader, slotOffset, slotsAt } from "../../../src/wire/inode.ts";
import { NodeRecord, parseIpv4 } from "../../../src/wire/node.ts";
import { type Oid, oidText, readOid, writeOid } from "../../../src/wire/oid.ts";
import { results } from "../../../src/wire/result.ts";
import { runCheck } from "./check-run.ts";
import { MemorySheep, text } from "./memory-sheep.ts";

const ports = [7000, 7001, 7002];
const noBytes = new Uint8Array(0);

/** What a node makes of the bytes that it reads; null: it has no such object. */
type Spoil = (bytes: Uint8Array, offset: number) => Uint8Array | null;

/** Three nodes in three zones, that have a copy of everything each. */
class ThreeNodes extends MemorySheep {
  /** Objects of data, VM state and ledgers that there are, all zeros. */
  readonly there = new Set<string>();
  /** By port and object. */
  readonly spoilt = new Map<string, Spoil>();
  readonly asked = new Set<string>();

  override async call(request: SheepRequest, scope: Scope, expected: readonly number[] = []) {
    this.asked.add(request.opcode);
    if (request.opcode !== "getNodeList") return await super.call(request, scope, expected);
    const address = parseIpv4("127.0.0.1") ?? noBytes;
    const records = ports.map((port, zone) =>
      NodeRecord.encode({ address, port, vnodes: 128, zone }),
    );
    const header = NodeReplyHeader.encode({ nodesCount: records.length, epoch: 1 });
    const data = new Uint8Array(Buffer.concat(records));
    return { header: new DataView(header.buffer), result: 0, data };
  }

  override async callAt(address: Address, request: SheepRequest) {
    this.asked.add(request.opcode);
    const view = new DataView(request.header.buffer);
    const { offset, dataLength } = ObjectRequestHeader.read(view, 0);
    const oid = readOid(view, ObjectRequestHeader.offsets.oidLow);
    if (oid === null) throw new Error("asked for no object");
    const read = this.#object(oid)?.slice(offset, offset + dataLength);
    const bytes = new Uint8Array(dataLength);
    bytes.set(read ?? noBytes);
    const spoil = this.spoilt.get(`${address.port} ${oidText(oid)}`);
    const data = read === undefined ? null : spoil === undefined ? bytes : spoil(bytes, offset);
    const result = data === null ? results.noObject.code : 0;
    const header = new DataView(ReplyHeader.encode({ result }).buffer);
    return { header, result, data: data ?? noBytes };
  }

  #object(oid: Oid): Uint8Array | undefined {
    if (oid.kind === "inode") return this.inodes.get(oid.vid);
    if (oid.kind === "index") return this.indexNodes.get(`${oid.vid}/${oid.index}`);
    return this.there.has(oidText(oid)) ? noBytes : undefined;
  }
}

/** Flips a bit of the byte at `at`. */
function flip(at: number): Spoil {
  return (bytes, offset) => {
    const here = at - offset;
    if (here >= 0 && here < bytes.length) bytes[here] = (bytes[here] ?? 0) ^ 4;
    return bytes;
  };
}

const gone: Spoil = () => null;

function given(fields: Partial<InodeHeader> = {}) {
  const sheep = new ThreeNodes();
  const header = { name: text("test"), vdiSize: 2 ** 26, copies: 3, ...fields };
  const vid = sheep.add(header, header.storePolicy === 1 ? {} : { 2: "own", 5: 77 });
  const oid = (kind: Oid["kind"], index: number, owner = vid): string =>
    oidText({ kind, vid: owner, index });
  for (const one of [oid("data", 2), oid("data", 5, 77)]) sheep.there.add(one);
  const spoil = (port: number, object: string, how: Spoil): void => {
    sheep.spoilt.set(`${port} ${object}`, how);
  };
  const check = async () => {
    const damages: Damage[] = [];
    const checked = await runCheck({ sheep, damages, header: sheep.headerOf(vid) });
    const told = damages.map((damage) => {
      return `${damage.oid.kind} ${damage.oid.index} ${damage.what} ${damage.node}: ${damage.text}`;
    });
    return { ...checked, told };
  };
  return { sheep, vid, oid, spoil, check };
}

function tree(depth: number, entries: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  const head = BtreeHeader.encode({ magic: btreeMagic, depth, entries: entries.length });
  return new Uint8Array(Buffer.concat([head, ...entries]));
}

/** A hypervolume whose tree has two nodes, of a block each. */
function givenTree() {
  const world = given({ storePolicy: 1 });
  const { sheep, vid, oid } = world;
  const nodes = [0, 1].map((index) => {
    const entry = BtreeRootEntry.encode({ highestIndex: index });
    const at = BtreeRootEntry.offsets.oidLow;
    writeOid(new DataView(entry.buffer), at, "index", vid, index);
    sheep.indexNodes.set(`${vid}/${index}`, tree(1, [BtreeLeafEntry.encode({ index, vid })]));
    sheep.there.add(oid("data", index));
    return entry;
  });
  sheep.put(vid, slotsAt, tree(2, nodes));
  return world;
}

const other = "differs from the other copies, first at byte";

// [S-128]
describe("damage to one copy", () => {
  const cases: [string, number, string][] = [
    ["the header", 300, "its header"],
    ["a slot in use", slotOffset(2) + 1, "slot of block 2"],
    ["a slot behind the end", slotOffset(900_000), "slot of block 900000"],
    ["a generation reference", grefOffset(5) + 4, "generation reference of block 5"],
  ];
  for (const [what, at, place] of cases) {
    test(`of an inode is named: ${what}`, async () => {
      const { oid, spoil, check } = given();
      spoil(7001, oid("inode", 0), flip(at));
      const { told, kinds } = await check();
      expect(told).toEqual([`inode 0 differs 127.0.0.1:7001: ${other} ${at} (${place})`]);
      expect(kinds.inode).toEqual({ objects: 1, damagedObjects: 1 });
    });
  }

  test("of a ledger is named, and one that is missing, with the block", async () => {
    const { sheep, oid, spoil, check } = given();
    sheep.there.add(oid("ledger", 2));
    sheep.there.add(oid("ledger", 5, 77));
    spoil(7002, oid("ledger", 2), flip(3_000_001));
    spoil(7000, oid("ledger", 5, 77), gone);
    const { told, kinds } = await check();
    expect(told.sort()).toEqual([
      `ledger 2 differs 127.0.0.1:7002: ${other} 3000001 (count of generation 750000)`,
      "ledger 5 missing 127.0.0.1:7000: the copy is missing",
    ]);
    expect(kinds).toMatchObject({
      data: { objects: 2, damagedObjects: 0 },
      ledger: { objects: 2, damagedObjects: 2 },
    });
  });

  test("of a hypervolume's root and index node is named", async () => {
    const { oid, spoil, check } = givenTree();
    spoil(7000, oid("inode", 0), flip(slotsAt + 9));
    spoil(7001, oid("index", 1), flip(12));
    const { told, kinds } = await check();
    expect(told).toEqual([
      `inode 0 differs 127.0.0.1:7000: ${other} ${slotsAt + 9} (root of its tree)`,
      `index 1 differs 127.0.0.1:7001: ${other} 12 (entry 0)`,
    ]);
    expect(kinds).toMatchObject({ data: { objects: 2 }, index: { objects: 2, damagedObjects: 1 } });
  });

  test("of VM state is named, and a part of it that is nowhere", async () => {
    const { sheep, oid, spoil, check } = given({ vmStateSize: 9 * 2 ** 20 });
    for (const index of [0, 2]) sheep.there.add(oid("vmstate", index));
    spoil(7002, oid("vmstate", 2), flip(70));
    const { told, kinds } = await check();
    expect(told[0]).toBe(`vmstate 2 differs 127.0.0.1:7002: ${other} 70`);
    expect(told).toContain("vmstate 1 lost null: the VDI names it, and it is nowhere");
    expect(kinds.vmstate).toEqual({ objects: 3, damagedObjects: 2 });
  });

  test("at other places of each copy is told of the one that is wrong there", async () => {
    const { oid, spoil, check } = given();
    spoil(7000, oid("inode", 0), flip(300));
    spoil(7002, oid("inode", 0), flip(slotOffset(900_000)));
    const { told } = await check();
    expect(told).toEqual([
      `inode 0 differs 127.0.0.1:7000: ${other} 300 (its header)`,
      `inode 0 differs 127.0.0.1:7002: ${other} ${slotOffset(900_000)} (slot of block 900000)`,
    ]);
  });

  test("is not what a cluster has that is well, and nothing is written to it", async () => {
    const { sheep, oid, check } = given({ vmStateSize: 4096 });
    sheep.there.add(oid("ledger", 5, 77));
    sheep.there.add(oid("vmstate", 0));
    const { told, notes, objects, damagedObjects } = await check();
    expect([told, notes, objects, damagedObjects]).toEqual([[], [], 5, 0]);
    expect([...sheep.asked].sort()).toEqual(["getNodeList", "readObject", "readPeer"]);
  });
});

// [S-129]
describe("an object that is written while it is looked at", () => {
  /** A node that is always behind with the newest write, which goes to another place each time. */
  function behind(): Spoil {
    let writes = 0;
    return (bytes, offset) => {
      writes += 1;
      return flip(slotOffset(3 + (writes % 50)))(bytes, offset);
    };
  }

  test("is not damaged, and it is said that it could not be compared", async () => {
    const { oid, spoil, check } = given();
    spoil(7001, oid("inode", 0), behind());
    const { told, notes, damagedObjects } = await check();
    expect([told, damagedObjects]).toEqual([[], 0]);
    expect(notes).toEqual(["1 objects were being written whenever they were looked at"]);
  });

  test("and is damaged too, is named by what is damaged", async () => {
    const { oid, spoil, check } = given();
    spoil(7001, oid("inode", 0), behind());
    spoil(7002, oid("inode", 0), flip(slotOffset(900_000)));
    const { told, notes } = await check();
    const at = slotOffset(900_000);
    expect(told).toEqual([`inode 0 differs 127.0.0.1:7002: ${other} ${at} (slot of block 900000)`]);
    expect(notes).toEqual([]);
  });

  test("is sound when the copies are the same at a later look", async () => {
    const { sheep, oid, spoil, check } = given();
    sheep.there.add(oid("ledger", 2));
    let looks = 0;
    spoil(7001, oid("ledger", 2), (bytes, offset) => {
      looks += 1;
      return looks > 4 ? bytes : flip(4)(bytes, offset);
    });
    const { told, notes } = await check();
    expect([told, notes]).toEqual([[], []]);
  });
});

// [S-130]
describe("what cannot be known", () => {
  test("is whether there was a ledger that is nowhere: nothing is said", async () => {
    const { told, notes, kinds } = await given().check();
    expect([told, notes, kinds.ledger]).toEqual([[], [], { objects: 0, damagedObjects: 0 }]);
  });

  test("is whether the only copy has the bytes that were written", async () => {
    const { oid, spoil, check } = given({ copies: 1 });
    for (const port of ports) spoil(port, oid("data", 2), flip(9));
    const { told, notes } = await check();
    expect([told, notes]).toEqual([[], []]);
  });

  test("is where VM state is that has no objects: said, and no damage", async () => {
    const { told, notes, damagedObjects } = await given({ vmStateSize: 9000 }).check();
    expect([told, damagedObjects]).toEqual([[], 0]);
    expect(notes).toEqual(["9000 bytes of VM state are in no objects of their own: not looked at"]);
  });

  test("is how much VM state a VDI has that claims more than can be: said, and not looked for", async () => {
    const { notes } = await given({ vmStateSize: 2 ** 52 }).check();
    expect(notes).toEqual([
      `its inode claims ${2 ** 52} bytes of VM state, which were not looked for`,
    ]);
  });

  test("is what an index node names that no node has: the rest is looked at", async () => {
    const { sheep, vid, check } = givenTree();
    sheep.indexNodes.delete(`${vid}/0`);
    const { told, kinds } = await check();
    expect(told[0]).toBe("index 0 lost null: the VDI names it, and it is nowhere");
    expect(told.at(-1)).toStartWith("index 0 corrupt null: what it names is not known");
    expect(kinds).toMatchObject({ data: { objects: 1 }, index: { objects: 2, damagedObjects: 1 } });
  });

  test("is what a root names that is none", async () => {
    const { sheep, vid, check } = givenTree();
    sheep.put(vid, slotsAt, new Uint8Array([1, 2, 3, 4]));
    const { told, kinds } = await check();
    expect(told.length).toBe(1);
    expect(told[0]).toStartWith("inode 0 corrupt null: what it names is not known");
    expect(kinds).toMatchObject({ inode: { objects: 1, damagedObjects: 1 }, data: { objects: 0 } });
  });
});
