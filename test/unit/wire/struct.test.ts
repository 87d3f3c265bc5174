import { describe, expect, test } from "bun:test";
import { bytes, i16, i32, struct, u8, u16, u32, u64 } from "../../../src/base/struct.ts";
import { btreeLeafEntriesMax, btreeRootEntriesMax } from "../../../src/wire/btree.ts";
import { clusterInfoBytes, epochLogStride } from "../../../src/wire/cluster.ts";
import { inodeBytes } from "../../../src/wire/inode.ts";
import {
  AttrRecord,
  DiskRecord,
  diskRecordsMax,
  mdInfoBytes,
  mdInfoCountAt,
} from "../../../src/wire/vdi.ts";

describe("a struct", () => {
  const Sample = struct(
    { a: u8(0), b: u16(2), c: u32(4), d: u64(8), e: i16(16), f: i32(18), g: bytes(22, 3) },
    { size: 32 },
  );

  test("goes through bytes unchanged, little endian, zeros between its fields", () => {
    const value = {
      ...{ a: 255, b: 0x1234, c: 0xdead_beef, d: 2 ** 53 - 1, e: -2, f: -70_000 },
      g: new Uint8Array([1, 2, 3]),
    };
    const encoded = Sample.encode(value);
    expect(Sample.read(new DataView(encoded.buffer), 0)).toEqual(value);
    expect([...encoded.subarray(0, 8)]).toEqual([255, 0, 0x34, 0x12, 0xef, 0xbe, 0xad, 0xde]);
    expect(encoded.length).toBe(32);
  });

  test("writes over what was there, fields that are not named included", () => {
    const target = new Uint8Array(40).fill(0xff);
    Sample.write(new DataView(target.buffer), 4, { b: 1 });
    expect([...target.subarray(0, 8)]).toEqual([255, 255, 255, 255, 0, 0, 1, 0]);
    expect([...target.subarray(35, 37)]).toEqual([0, 255]);
  });

  test("pads short bytes, refuses long ones, and hands out copies", () => {
    const encoded = Sample.encode({ g: new Uint8Array([9]) });
    const { g } = Sample.read(new DataView(encoded.buffer), 0);
    expect([...g]).toEqual([9, 0, 0]);
    g.fill(7);
    expect(encoded[22]).toBe(9);
    expect(() => Sample.encode({ g: new Uint8Array(4) })).toThrow("4 bytes in a field of 3");
  });

  test("is not read from less than it needs", () => {
    expect(() => Sample.read(new DataView(new ArrayBuffer(20)), 0)).toThrow(RangeError);
  });

  test("describes itself, one line a field", () => {
    expect(Sample.describe().split("\n")[2]).toBe("@4 u32 4 c");
    expect(Sample.offsets.d).toBe(8);
  });

  test("whose fields overlap or stick out is a bug of ours", () => {
    expect(() => struct({ a: u32(0), b: u8(3) }, { size: 8 })).toThrow("b overlaps");
    expect(() => struct({ b: u8(3), a: u32(0) }, { size: 8 })).toThrow("b overlaps");
    expect(() => struct({ a: u64(1) }, { size: 8 })).toThrow("end at 9");
  });

  test("holds 64 bits as closely as a number can", () => {
    const encoded = Sample.encode({ d: 2 ** 64 - 2 ** 11 });
    expect(new DataView(encoded.buffer).getBigUint64(8, true)).toBe(2n ** 64n - 2n ** 11n);
  });
});

// Source: protocol §5, §3.2, §10, §12
describe("the sizes of the protocol", () => {
  const sizes: readonly [string, number, number][] = [
    ["an inode", inodeBytes, 12_587_576],
    ["CLUSTER_INFO", clusterInfoBytes, 491_568],
    ["an attribute", AttrRecord.size, 66_320],
    ["MD_INFO", DiskRecord.size * diskRecordsMax + 8, mdInfoBytes],
    ["MD_INFO's count", DiskRecord.size * diskRecordsMax, mdInfoCountAt],
    ["an epoch with three nodes", epochLogStride(3), 288],
    ["entries of a leaf", btreeLeafEntriesMax, 524_287],
    ["entries of a root", btreeRootEntriesMax, 262_143],
  ];
  for (const [what, ours, protocol] of sizes) {
    test(`${what}: ${protocol}`, () => expect(ours).toBe(protocol));
  }
});
