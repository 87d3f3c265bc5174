import { describe, expect, test } from "bun:test";
import { SheepfsError } from "../../../src/base/errors.ts";
import { limits } from "../../../src/base/limits.ts";
import { seededRandom } from "../../../src/base/random.ts";
import { listHeaders, listVdis } from "../../../src/cluster/vdis.ts";
import {
  BtreeHeader,
  BtreeLeafEntry,
  BtreeRootEntry,
  btreeMagic,
} from "../../../src/wire/btree.ts";
import { encodeInodeHeader, slotsAt } from "../../../src/wire/inode.ts";
import { setVid } from "../../../src/wire/vdi.ts";
import { MemorySheep, never, text } from "./memory-sheep.ts";

const TiB = 2 ** 40;

async function listed(sheep: MemorySheep) {
  const facts = await listVdis(sheep, never);
  return facts.map(({ header, ownBlocks, sharedBlocks }) => ({
    name: new TextDecoder().decode(header.name),
    own: ownBlocks,
    shared: sharedBlocks,
  }));
}

/** A leaf of a B-tree; entries are [index, vid]. */
function leaf(entries: readonly (readonly [number, number])[]): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(BtreeHeader.size + entries.length * BtreeLeafEntry.size);
  const view = new DataView(bytes.buffer);
  BtreeHeader.write(view, 0, { magic: btreeMagic, depth: 1, entries: entries.length });
  for (const [at, [index, vid]] of entries.entries()) {
    BtreeLeafEntry.write(view, BtreeHeader.size + at * BtreeLeafEntry.size, { index, vid });
  }
  return bytes;
}

/** A root of depth 2 over index nodes of those numbers. */
function root(vid: number, nodes: readonly number[]): Uint8Array {
  const bytes = new Uint8Array(BtreeHeader.size + nodes.length * BtreeRootEntry.size);
  const view = new DataView(bytes.buffer);
  BtreeHeader.write(view, 0, { magic: btreeMagic, depth: 2, entries: nodes.length });
  for (const [at, oidLow] of nodes.entries()) {
    const entry = { highestIndex: at, oidLow, oidHigh: 0x1000_0000 | vid };
    BtreeRootEntry.write(view, BtreeHeader.size + at * BtreeRootEntry.size, entry);
  }
  return bytes;
}

describe("listing", () => {
  test("no VDIs is an empty list", async () => {
    expect(await listed(new MemorySheep())).toEqual([]);
  });

  test("own blocks are those of the VDI's own vid, shared ones those of others", async () => {
    const sheep = new MemorySheep();
    const base = sheep.add({ name: text("a") }, { 0: "own", 3: "own" });
    sheep.add({ name: text("b"), parentVid: base }, { 0: base, 1: "own", 3: base });
    const rows = await listed(sheep);
    expect(rows).toContainEqual({ name: "a", own: 2, shared: 0 });
    expect(rows).toContainEqual({ name: "b", own: 1, shared: 2 });
  });

  test("rows are in the order of vids", async () => {
    const sheep = new MemorySheep();
    for (let n = 0; n < 50; n += 1) sheep.add({ name: text(`v${n}`) });
    const vids = (await listVdis(sheep, never)).map(({ header }) => header.vid);
    expect(vids).toEqual([...vids].sort((a, b) => a - b));
    expect(vids.length).toBe(50);
  });

  test("slots behind the end of the VDI do not count", async () => {
    const sheep = new MemorySheep();
    sheep.add({ vdiSize: 5 * 2 ** 20 }, { 0: "own", 1: "own", 2: "own" });
    expect(await listed(sheep)).toEqual([{ name: "test", own: 2, shared: 0 }]);
  });

  test("a full index is read in bounded parts, and no more of it than the size needs", async () => {
    const seed = Number(process.env["SEED"] ?? 1);
    console.log("seed", seed);
    const random = seededRandom(seed);
    const sheep = new MemorySheep();
    const vid = sheep.add({ vdiSize: 4 * TiB });
    const slots = Uint32Array.from({ length: 2 ** 20 }, () => random.below(3));
    const own = slots.filter((slot) => slot === 1).length;
    const shared = slots.filter((slot) => slot === 2).length;
    sheep.put(vid, slotsAt, new Uint8Array(slots.map((slot) => (slot === 1 ? vid : slot)).buffer));
    expect(await listed(sheep)).toEqual([{ name: "test", own, shared }]);
    const reads = sheep.seen.filter(({ opcode }) => opcode === "readObject");
    expect(Math.max(...reads.map(({ length }) => length))).toBeLessThanOrEqual(256 * 1024);
    const end = slotsAt + 4 * 2 ** 20;
    expect(Math.max(...reads.map(({ offset, length }) => offset + length))).toBe(end);
  });

  test("objects of 1 MiB and of 1 GiB, and a shift of 0, which means 4 MiB", async () => {
    const sheep = new MemorySheep();
    const sized = { vdiSize: 3 * 2 ** 30 };
    const slots = { 0: "own", 2: "own", 3: "own", 767: "own", 3071: "own" } as const;
    sheep.add({ name: text("s20"), blockSizeShift: 20, ...sized }, slots);
    sheep.add({ name: text("s30"), blockSizeShift: 30, ...sized }, slots);
    sheep.add({ name: text("s0"), blockSizeShift: 0, ...sized }, slots);
    const rows = await listed(sheep);
    expect(rows).toContainEqual({ name: "s20", own: 5, shared: 0 });
    expect(rows).toContainEqual({ name: "s30", own: 2, shared: 0 });
    expect(rows).toContainEqual({ name: "s0", own: 4, shared: 0 });
  });

  test("a size beyond what the slots can hold counts all slots and no more", async () => {
    const sheep = new MemorySheep();
    sheep.add({ vdiSize: 2 ** 63 }, { 0: "own", 1048575: "own" });
    expect(await listed(sheep)).toEqual([{ name: "test", own: 2, shared: 0 }]);
    const reads = sheep.seen.map(({ offset, length }) => offset + length);
    expect(Math.max(...reads)).toBeLessThanOrEqual(slotsAt + 4 * 2 ** 20);
  });
});

describe("hypervolumes", () => {
  const tree = { vdiSize: 5 * TiB, storePolicy: 1 };

  test("an empty tree has no blocks", async () => {
    const sheep = new MemorySheep();
    sheep.put(sheep.add(tree), slotsAt, leaf([]));
    expect(await listed(sheep)).toEqual([{ name: "test", own: 0, shared: 0 }]);
  });

  test("entries of a root are counted, however many", async () => {
    const sheep = new MemorySheep();
    const vid = sheep.add(tree);
    const entries = Array.from({ length: 100_000 }, (_, at) => [at * 7, at % 5 ? vid : 9] as const);
    sheep.put(vid, slotsAt, leaf(entries));
    expect(await listed(sheep)).toEqual([{ name: "test", own: 80_000, shared: 20_000 }]);
  });

  test("entries are counted through index nodes; one that is missing counts nothing", async () => {
    const sheep = new MemorySheep();
    const vid = sheep.add(tree);
    sheep.put(vid, slotsAt, root(vid, [1, 2, 3, 4]));
    const node = leaf(Array.from({ length: 5_000 }, (_, at) => [at, vid]));
    sheep.indexNodes.set(`${vid}/1`, node);
    sheep.indexNodes.set(`${vid}/3`, leaf([[7_000, vid]]));
    // A node cannot have nodes.
    sheep.indexNodes.set(`${vid}/4`, new Uint8Array(root(vid, [4])));
    expect(await listed(sheep)).toEqual([{ name: "test", own: 5_001, shared: 0 }]);
  });

  test("an index that is none leaves out the VDI, not the others", async () => {
    const wrong: readonly Partial<Record<"magic" | "depth" | "entries", number>>[] = [
      { magic: 0 },
      { depth: 0 },
      { depth: 3 },
      { entries: 524_288 },
      { depth: 2, entries: 262_144 },
    ];
    for (const fields of wrong) {
      const sheep = new MemorySheep();
      sheep.add({ name: text("other") });
      const header = { magic: btreeMagic, depth: 1, entries: 0, ...fields };
      sheep.put(sheep.add(tree), slotsAt, BtreeHeader.encode(header));
      expect(await listed(sheep)).toEqual([{ name: "other", own: 0, shared: 0 }]);
    }
  });
});

describe("a listing while the cluster changes", () => {
  test("deleted VDIs are left out, whether or not the bitmap says so", async () => {
    const sheep = new MemorySheep();
    sheep.add({ name: text("stays") });
    const marked = sheep.add({ name: text("marked") });
    setVid(sheep.deleted, marked);
    sheep.put(sheep.add({ name: text("emptied") }), 0, new Uint8Array(256));
    setVid(sheep.used, 5);
    expect((await listed(sheep)).map(({ name }) => name)).toEqual(["stays"]);
  });

  test("an inode that is another's or cannot be read is left out", async () => {
    const sheep = new MemorySheep();
    const vid = sheep.add({ name: text("wrong") });
    sheep.put(vid, 560, new Uint8Array([9, 9, 9, 0]));
    const broken = sheep.add({ name: text("broken") });
    sheep.add({ name: text("fine") });
    sheep.before = (_, asked) => {
      if (asked === broken) throw new SheepfsError("corrupt", "I/O error of the sheep");
    };
    expect((await listed(sheep)).map(({ name }) => name)).toEqual(["fine"]);
  });

  test("trouble that is not one VDI's fails the listing, and what was begun is waited for", async () => {
    const sheep = new MemorySheep();
    for (let n = 0; n < 100; n += 1) sheep.add({ name: text(`v${n}`) });
    let reads = 0;
    sheep.before = ({ opcode }) => {
      if (opcode !== "readObject") return;
      reads += 1;
      if (reads === 40) throw new SheepfsError("unavailable", "no gateway answers");
    };
    await expect(listVdis(sheep, never)).rejects.toMatchObject({ code: "unavailable" });
    expect(sheep.inflight).toBe(0);
  });

  test("many inodes are read at once, but not too many", async () => {
    const sheep = new MemorySheep();
    for (let n = 0; n < 200; n += 1) sheep.add({ name: text(`v${n}`) });
    expect((await listVdis(sheep, never)).length).toBe(200);
    expect(sheep.inflightMost).toBe(limits.inodeReadsInflightMax);
  });

  test("a bitmap of another length is not believed", async () => {
    const reply = { header: new DataView(new ArrayBuffer(48)), result: 0, data: new Uint8Array(9) };
    const caller = { call: async () => reply, callAt: async () => reply };
    await expect(listVdis(caller, never)).rejects.toMatchObject({ code: "corrupt" });
  });
});

describe("headers of a listing", () => {
  const snapTime = { seconds: 1, nanoseconds: 0 };

  async function tagsTwice(change: (sheep: MemorySheep, vid: number) => void): Promise<string[]> {
    const sheep = new MemorySheep();
    const vid = sheep.add({ name: text("a"), tag: text("old"), snapTime });
    const known = await listHeaders(sheep, never);
    change(sheep, vid);
    const { headers } = await listHeaders(sheep, never, known);
    return headers.map(({ tag }) => new TextDecoder().decode(tag));
  }

  function madeAnew(sheep: MemorySheep, vid: number): void {
    sheep.put(vid, 0, encodeInodeHeader({ ...sheep.headerOf(vid), tag: text("new") }));
  }

  test("of snapshots are not read again", async () => {
    expect(await tagsTwice(madeAnew)).toEqual(["old"]);
  });

  test("are read again when the cluster was formatted since", async () => {
    const tags = await tagsTwice((sheep, vid) => {
      sheep.ctimeSeconds += 1;
      madeAnew(sheep, vid);
    });
    expect(tags).toEqual(["new"]);
  });

  test("are read again where a vid may be another VDI's by now", async () => {
    const tags = await tagsTwice((sheep, vid) => {
      sheep.recyclesVids = true;
      madeAnew(sheep, vid);
    });
    expect(tags).toEqual(["new"]);
  });
});
