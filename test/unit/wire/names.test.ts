import { describe, expect, test } from "bun:test";
import { seededRandom } from "../../../src/base/random.ts";
import { decodeCopyPolicy, encodeCopyPolicy } from "../../../src/wire/ec.ts";
import { fnv1a64, ringHash, ringStep, vidOfName } from "../../../src/wire/hash.ts";
import { indexMax, type ObjectKind, readOid, vidMax, writeOid } from "../../../src/wire/oid.ts";
import {
  hasVid,
  nameAndTag,
  nameField,
  setVid,
  vidBitmapBytes,
  vidsOf,
} from "../../../src/wire/vdi.ts";
import { readCaptureFile } from "../../captures/load.ts";

const bytesOf = (text: string): Uint8Array => new TextEncoder().encode(text);
const seed = Number(process.env["SEED"] ?? 1);
console.log("seed", seed);

describe("the vid of a name", () => {
  // Source: protocol §6.1, seen on the wire
  const vids = {
    alpha: 0xed202b,
    beta: 0x4620a7,
    "small-blocks": 0x46940d,
    "large-blocks": 0x50c525,
    "three-copies": 0x9e97cf,
    hyper: 0x5b5b59,
    doomed2: 0xe81925,
  };
  for (const [name, vid] of Object.entries(vids)) {
    test(`'${name}' is ${vid.toString(16)}`, () => expect(vidOfName(bytesOf(name))).toBe(vid));
  }

  test("is FNV-1a of 64 bits", () => {
    expect(fnv1a64(new Uint8Array(0))).toBe(0xcbf29ce484222325n);
    expect(fnv1a64(bytesOf("a"))).toBe(0xaf63dc4c8601ec8cn);
    expect(fnv1a64(bytesOf("foobar"))).toBe(0x85944171f73967e8n);
  });
});

describe("the ring", () => {
  interface Placements {
    readonly nodes: readonly { port: number; nr_vnodes: number; zone: number; ip?: string }[];
    readonly placements: readonly { oid: string; port: number }[];
  }
  const u64 = (value: bigint): Uint8Array => new Uint8Array(new BigUint64Array([value]).buffer);

  test("puts recorded objects where the real cluster had put them", () => {
    const { nodes, placements } = readCaptureFile("three-placement") as Placements;
    const ring: { at: bigint; port: number }[] = [];
    for (const node of nodes) {
      const id = new Uint8Array(18);
      id.set([127, 0, 0, 1], 12);
      new DataView(id.buffer).setUint16(16, node.port, true);
      let at = ringHash(id);
      for (let vnode = 0; vnode < node.nr_vnodes; vnode += 1) {
        at = ringStep(at);
        ring.push({ at, port: node.port });
      }
    }
    ring.sort((a, b) => (a.at < b.at ? -1 : 1));
    const wrong = placements.filter(({ oid, port }) => {
      const at = ringHash(u64(BigInt(`0x${oid.replace(/^0x/, "")}`)));
      return (ring.find((vnode) => vnode.at >= at) ?? ring[0])?.port !== port;
    });
    expect(placements.length).toBeGreaterThan(30);
    expect(wrong).toEqual([]);
  });
});

describe("object ids", () => {
  const kinds: readonly ObjectKind[] = ["data", "inode", "vmstate", "attr", "index", "ledger"];

  test("go through the wire unchanged", () => {
    const random = seededRandom(seed);
    const view = new DataView(new ArrayBuffer(16));
    const edges = [
      { vid: 0, index: 0 },
      { vid: vidMax, index: indexMax },
    ];
    const drawn = Array.from({ length: 200 }, () => ({
      vid: random.below(vidMax + 1),
      index: random.u32(),
    }));
    for (const kind of kinds) {
      for (const { vid, index } of [...edges, ...drawn]) {
        writeOid(view, 5, kind, vid, index);
        expect(readOid(view, 5)).toEqual({ kind, vid, index });
      }
    }
  });

  test("lie as the protocol says", () => {
    const view = new DataView(new ArrayBuffer(8));
    const oid = (kind: ObjectKind, vid: number, index: number): string => {
      writeOid(view, 0, kind, vid, index);
      return view.getBigUint64(0, true).toString(16).padStart(16, "0");
    };
    expect(oid("data", 0xed202b, 3)).toBe("00ed202b00000003");
    expect(oid("inode", 0xed202b, 0)).toBe("80ed202b00000000");
    expect(oid("vmstate", 1, 2)).toBe("4000000100000002");
    expect(oid("attr", 1, 2)).toBe("2000000100000002");
    expect(oid("index", 1, 2)).toBe("1000000100000002");
    expect(oid("ledger", 1, 2)).toBe("0800000100000002");
  });

  test("with bits of no kind, or of two, are none", () => {
    const view = new DataView(new ArrayBuffer(8));
    for (const high of [0x0100_0000, 0x0400_0000, 0xc000_0001, 0xffff_ffff]) {
      view.setUint32(4, high, true);
      expect(readOid(view, 0)).toBeNull();
    }
  });

  test("of vids and indexes that cannot be are a bug of ours", () => {
    const view = new DataView(new ArrayBuffer(8));
    expect(() => writeOid(view, 0, "data", vidMax + 1, 0)).toThrow("24 bits");
    expect(() => writeOid(view, 0, "data", 1, indexMax + 1)).toThrow("32 bits");
  });
});

describe("erasure codes", () => {
  // Source: protocol §10.1
  const codes = [
    [0x11, 2, 1],
    [0x22, 4, 2],
    [0x43, 8, 3],
    [0x87, 16, 7],
    [0x1f, 2, 15],
  ] as const;
  for (const [policy, dataStrips, parityStrips] of codes) {
    test(`0x${policy.toString(16)} is ${dataStrips}:${parityStrips}`, () => {
      expect(decodeCopyPolicy(policy)).toEqual({ dataStrips, parityStrips });
      expect(encodeCopyPolicy({ dataStrips, parityStrips })).toBe(policy);
    });
  }

  test("that are none", () => {
    for (const policy of [0, 1, 0x10, 0x20, 0x31, 0x55, 0xff]) {
      expect(decodeCopyPolicy(policy)).toBeNull();
    }
  });

  test("are exactly 60", () => {
    const known = Array.from({ length: 256 }, (_, policy) => decodeCopyPolicy(policy));
    expect(known.filter((code) => code !== null).length).toBe(60);
  });
});

describe("bitmaps of vids", () => {
  test("give back what was set, ascending", () => {
    const random = seededRandom(seed);
    const bitmap = new Uint8Array(vidBitmapBytes);
    const vids = [
      ...new Set([1, vidMax, ...Array.from({ length: 500 }, () => random.below(2 ** 24))]),
    ];
    for (const vid of vids) setVid(bitmap, vid);
    expect([...vidsOf(bitmap)]).toEqual(vids.sort((a, b) => a - b));
    expect(vids.every((vid) => hasVid(bitmap, vid))).toBe(true);
    expect(hasVid(bitmap, 0)).toBe(vids.includes(0));
  });

  test("have the least significant bit first", () => {
    const bitmap = new Uint8Array(4);
    setVid(bitmap, 9);
    expect([...bitmap]).toEqual([0, 2, 0, 0]);
  });
});

describe("name fields", () => {
  test("are padded, and hold 255 bytes at most", () => {
    expect(nameField(bytesOf("alpha")).length).toBe(256);
    expect(nameField(new Uint8Array(255).fill(1))[255]).toBe(0);
    expect(() => nameField(new Uint8Array(256).fill(1))).toThrow("255 is the most");
    expect(() => nameField(new Uint8Array([1, 0, 1]))).toThrow("NUL");
  });

  test("of name and tag lie behind each other", () => {
    const both = nameAndTag(bytesOf("name"), bytesOf("tag"));
    expect(both.length).toBe(512);
    expect(Buffer.from(both.subarray(256, 259)).toString()).toBe("tag");
  });
});
