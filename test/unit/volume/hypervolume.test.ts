import { describe, expect, test } from "bun:test";
import { seededRandom } from "../../../src/base/random.ts";
import { BtreeIndex } from "../../../src/volume/btree-index.ts";
import { cut, emptyLeaf, type Leaf, merge } from "../../../src/volume/btree-node.ts";
import { BtreeHeader, BtreeLeafEntry, BtreeRootEntry } from "../../../src/wire/btree.ts";
import { slotsAt } from "../../../src/wire/inode.ts";
import { codeOf, seedOf, vdiNamed, World } from "./world.ts";

const block = 4096;

function world(nodeEntriesMax = 4): World {
  return new World({
    seed: 1,
    objectShift: 12,
    sizeBytes: 2 ** 31,
    storePolicy: 1,
    nodeEntriesMax,
  });
}

function entries(
  depth: number,
  list: ReadonlyArray<readonly [number, number]>,
  claimed = list.length,
): Uint8Array {
  const size = depth === 1 ? BtreeLeafEntry.size : BtreeRootEntry.size;
  const bytes = new Uint8Array(BtreeHeader.size + list.length * size);
  const view = new DataView(bytes.buffer);
  BtreeHeader.write(view, 0, { magic: 0x6274, depth, entries: claimed });
  for (const [at, [index, value]] of list.entries()) {
    const offset = BtreeHeader.size + at * size;
    if (depth === 1) BtreeLeafEntry.write(view, offset, { index, vid: value });
    else {
      BtreeRootEntry.write(view, offset, {
        highestIndex: index,
        oidLow: value,
        oidHigh: 0x1000_0101,
      });
    }
  }
  return bytes;
}

describe("a hypervolume", () => {
  test("has what is written after its root could not be, although a recovery puts that back", () => {
    for (const before of [5, 15, 25, 35, 45]) {
      const given = world(4);
      const { cluster, vid } = given;
      const inode = cluster.inode(vid);
      const put = (at: number): void => given.write(at * block, new Uint8Array(block).fill(at));
      const blocks: number[] = [];
      const root = new Uint8Array(256);
      let last = 0;
      let code = "none";
      while (code === "none") {
        if (last > 0) blocks.push(last);
        last += 10;
        inode.read(slotsAt, root);
        // The object, a new leaf and the number of the next: then the root, which is written.
        if (last > 80) cluster.forced.splice(0, 4, "done", "done", "done", "lost");
        code = codeOf(() => put(last));
      }
      expect(code).toBe("unavailable");
      cluster.forced.length = 0;
      given.read(last * block, 1);
      inode.write(slotsAt, root);
      blocks.push(last - before);
      put(last - before);
      const reader = given.open(vdiNamed("test"));
      for (const at of blocks) {
        expect([before, at, given.read(at * block, 1, reader)[0]]).toEqual([before, at, at]);
      }
      given.expectLawful();
    }
  });

  test("keeps its index in the inode, then in nodes of their own", () => {
    const given = world(4);
    const blocks = [5, 100_000, 7, 500_000, 6, 99_999, 4, 8, 300_000, 400_000];
    for (const at of blocks) given.write(at * block, new Uint8Array(block).fill(at & 0xff));
    const inode = given.cluster.inode(given.vid);
    const head = new Uint8Array(BtreeHeader.size);
    inode.read(slotsAt, head);
    expect(BtreeHeader.read(new DataView(head.buffer), 0).depth).toBe(2);
    expect(inode.header.btreeCounter).toBeGreaterThan(2);
    const reader = given.open(vdiNamed("test"));
    for (const at of blocks) expect(given.read(at * block, 1, reader)[0]).toBe(at & 0xff);
    expect(given.read(9 * block, 1, reader)[0]).toBe(0);
    const { sim } = given;
    expect(sim.run(reader.seek(9 * block, "data", sim.scope()))).toBe(99_999 * block);
    expect(sim.run(reader.allocatedBytes(sim.scope()))).toBe(blocks.length * block);
    given.expectLawful();
  });

  test("keeps the header that another client changed", () => {
    const given = world(4);
    const inode = given.cluster.inode(given.vid);
    inode.header = { ...inode.header, vdiSize: 2 ** 32, vmStateSize: 77 };
    for (let at = 0; at < 20; at += 1) given.write(at * block, new Uint8Array(1));
    const { vdiSize, vmStateSize } = inode.header;
    expect({ vdiSize, vmStateSize }).toEqual({ vdiSize: 2 ** 32, vmStateSize: 77 });
  });

  test("gives a discarded block's space back without losing sight of its object", () => {
    const given = world(4);
    const { sim, cluster, volume } = given;
    given.write(3 * block, new Uint8Array(block).fill(1));
    sim.run(volume.discard({ offset: 0, length: 10 * block }, sim.scope()));
    expect(given.read(3 * block, block)).toEqual(new Uint8Array(block));
    expect(cluster.object(given.vid, 3)).toEqual(new Uint8Array(block));
    expect(cluster.counts.create).toBe(2);
  });

  test("whose index contradicts itself is refused, and says where", () => {
    const refused = (bytes: Uint8Array): string => {
      const given = world();
      given.cluster.inode(given.vid).write(slotsAt, bytes);
      return codeOf(() => given.open(vdiNamed("test")));
    };
    expect(refused(new Uint8Array(8))).toBe("none");
    expect(refused(entries(1, [[1, 5]]))).toBe("none");
    expect(refused(Uint8Array.of(1, 2, 1, 0, 0, 0, 0, 0))).toBe("corrupt");
    expect(refused(entries(3, []))).toBe("corrupt");
    expect(
      refused(
        entries(1, [
          [2, 5],
          [1, 5],
        ]),
      ),
    ).toBe("corrupt");
    expect(
      refused(
        entries(1, [
          [1, 5],
          [1, 5],
        ]),
      ),
    ).toBe("corrupt");
    expect(refused(entries(1, [[1, 0x100_0000]]))).toBe("corrupt");
    expect(refused(entries(1, [], 524_288))).toBe("corrupt");
    expect(refused(entries(2, [], 262_144))).toBe("corrupt");
    expect(refused(entries(2, []))).toBe("corrupt");
    expect(
      refused(
        entries(2, [
          [9, 0],
          [8, 1],
        ]),
      ),
    ).toBe("corrupt");
    expect(refused(entries(2, [[9, 0]]))).toBe("none");
  });

  test("of which a node is missing or reaches beyond its range is not read as zeros", () => {
    const given = world();
    const { sim, cluster } = given;
    const scope = sim.scope();
    const root = entries(2, [
      [9, 0],
      [20, 1],
    ]);
    cluster.inode(given.vid).write(slotsAt, root);
    const volume = given.open(vdiNamed("test"));
    expect(codeOf(() => given.read(3 * block, 1, volume))).toBe("stale");
    const node = { vid: given.vid, number: 0, offset: 0, create: true };
    const misplaced = entries(1, [
      [3, given.vid],
      [12, given.vid],
    ]);
    sim.run(cluster.writeIndexNode(node, misplaced, scope));
    expect(codeOf(() => given.read(3 * block, 1, volume))).toBe("corrupt");
    expect(given.read(30 * block, 1, volume)[0]).toBe(0);
  });

  test("fails writes of its index that would pass one in doubt", () => {
    const given = world();
    const { sim, cluster } = given;
    given.write(0, new Uint8Array(1));
    cluster.doubtMs = 2 ** 40;
    cluster.forced.push("done", "doubt");
    expect(codeOf(() => given.write(block, new Uint8Array(1)))).toBe("unavailable");
    expect(codeOf(() => given.write(2 * block, new Uint8Array(1)))).toBe("timed_out");
    const scope = sim.scope();
    expect(sim.run(given.volume.read(new Uint8Array(1), 0, scope))).toBe(1);
  });
});

describe("leaves", () => {
  const seed = seedOf(3);

  test("hold the last of what was put into them, sorted, however they are cut", () => {
    const random = seededRandom(seed);
    let leaf: Leaf = emptyLeaf;
    const model = new Map<number, number>();
    for (let round = 0; round < 200; round += 1) {
      const changed = new Map<number, number>();
      for (let n = random.below(9); n >= 0; n -= 1)
        changed.set(random.below(500), random.below(99));
      const updates = [...changed].map(([index, value]) => ({ index, value }));
      leaf = merge(
        leaf,
        updates.sort((a, b) => a.index - b.index),
      );
      for (const { index, value } of updates) model.set(index, value);
      const parts = cut(leaf, 1 + random.below(40));
      const pairs = parts.flatMap(({ indexes, vids }) =>
        Array.from(indexes, (index, at): [number, number] => [index, vids[at] ?? 0]),
      );
      expect(pairs).toEqual([...model].sort(([a], [b]) => a - b));
    }
  });

  test("are cut into parts that fit and are half full at least", () => {
    for (const max of [1, 2, 3, 7, 64]) {
      for (let count = max + 1; count < 6 * max; count += 1) {
        const indexes = Uint32Array.from({ length: count }, (_, at) => at);
        const lengths = cut({ indexes, vids: indexes }, max).map((part) => part.indexes.length);
        expect(Math.max(...lengths)).toBeLessThanOrEqual(max);
        expect(Math.min(...lengths)).toBeGreaterThanOrEqual(Math.floor(max / 2));
      }
    }
  });
});

test("a B-tree of millions of blocks is held within the cache", () => {
  const given = world(65_536);
  const { sim, ports } = given;
  const header = given.cluster.inode(given.vid).header;
  const scope = sim.scope();
  const index = sim.run(
    BtreeIndex.open({ ...ports, nodeEntriesMax: 65_536 }, { header, title: "test" }, scope),
  );
  for (let from = 0; from < 300_000; from += 4_096) {
    const updates = Array.from({ length: 4_096 }, (_, at) => ({ index: from + at, value: 0x101 }));
    sim.run(index.write(updates, scope, () => {}));
  }
  expect(ports.cache.bytes).toBeLessThanOrEqual(2 ** 20);
  sim.run(index.load(299_000, scope));
  expect(index.get(299_000)).toBe(0x101);
  let count = 0;
  const visit = (): boolean => {
    count += 1;
    return true;
  };
  sim.run(index.scan({ from: 10, end: 299_999 }, visit, scope));
  expect(count).toBe(299_989);
  index.close();
  expect(ports.cache.bytes).toBe(0);
});
