import { describe, expect, test } from "bun:test";
import { decodeNodes, formatIp, NodeRecord, parseIpv4 } from "../../../src/wire/node.ts";
import { loadCapture } from "../../captures/load.ts";

/** The 16 bytes of groups, zeros where one is missing between `::`. */
function ipv6(...groups: readonly number[]): Uint8Array {
  const bytes = new Uint8Array(16);
  for (const [at, group] of groups.entries()) {
    new DataView(bytes.buffer).setUint16(at * 2, group);
  }
  return bytes;
}

describe("addresses read as inet_ntop writes them", () => {
  const rows: readonly [Uint8Array, string][] = [
    [ipv6(0, 0, 0, 0, 0, 0, 0x7f00, 1), "127.0.0.1"],
    [ipv6(0, 0, 0, 0, 0, 0, 0x0aff, 0xff00), "10.255.255.0"],
    [ipv6(0, 0, 0, 0, 0, 0, 0, 1), "::1"],
    [ipv6(0, 0, 0, 0, 0, 0, 0, 0), "::"],
    [ipv6(0, 0, 0, 0, 0, 0, 0x00ff, 1), "::0.255.0.1"],
    [ipv6(0, 0, 0, 0, 0, 0xffff, 0xc0a8, 0x0102), "::ffff:192.168.1.2"],
    [ipv6(0xfd00, 0, 0, 0, 0, 0, 0, 1), "fd00::1"],
    [ipv6(0xfe80, 0, 0, 0, 0x250, 0x56ff, 0xfe00, 0xab), "fe80::250:56ff:fe00:ab"],
    [ipv6(0x2001, 0xdb8, 0, 1, 0, 0, 0, 1), "2001:db8:0:1::1"],
    [ipv6(0x2001, 0xdb8, 0, 0, 1, 0, 0, 1), "2001:db8::1:0:0:1"],
    [ipv6(0x2001, 0xdb8, 0, 1, 2, 3, 4, 5), "2001:db8:0:1:2:3:4:5"],
    [ipv6(0x2001, 0, 0, 0, 0, 0, 0, 0), "2001::"],
    [ipv6(1, 2, 3, 4, 5, 6, 7, 8), "1:2:3:4:5:6:7:8"],
  ];
  for (const [address, text] of rows) {
    test(text, () => expect(formatIp(address)).toBe(text));
  }

  test("IPv4 goes both ways, and other text is none", () => {
    expect(formatIp(parseIpv4("192.168.7.5") ?? new Uint8Array(16))).toBe("192.168.7.5");
    for (const text of ["", "1.2.3", "1.2.3.4.5", "1.2.3.256", "a.b.c.d", "::1", " 1.2.3.4"]) {
      expect(parseIpv4(text)).toBeNull();
    }
  });
});

describe("node lists", () => {
  test("of three recorded nodes", () => {
    const [step] = loadCapture("three-node-list").steps;
    const nodes = decodeNodes(step?.response.data ?? new Uint8Array(0), 3);
    expect(nodes.map(({ host, port, vnodes, zone }) => [host, port, vnodes, zone])).toEqual([
      ["127.0.0.1", 7100, 128, 1],
      ["127.0.0.1", 7101, 128, 2],
      ["127.0.0.1", 7102, 128, 3],
    ]);
  });

  test("have the stride that their length gives", () => {
    const data = new Uint8Array(2 * 592);
    const view = new DataView(data.buffer);
    for (const at of [0, 1]) {
      const address = parseIpv4(`10.0.0.${at + 1}`) ?? new Uint8Array(16);
      NodeRecord.write(view, at * 592, { address, port: 7000 + at });
    }
    expect(decodeNodes(data, 2).map(({ host, port }) => [host, port])).toEqual([
      ["10.0.0.1", 7000],
      ["10.0.0.2", 7001],
    ]);
  });

  test("that do not fit their length are not believed", () => {
    for (const [bytes, count] of [
      [79, 1],
      [160, 3],
      [161, 2],
      [0, 1],
    ] as const) {
      expect(() => decodeNodes(new Uint8Array(bytes), count)).toThrow("nodes in");
    }
    expect(decodeNodes(new Uint8Array(0), 0)).toEqual([]);
  });
});
