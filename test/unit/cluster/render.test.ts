import { afterEach, describe, expect, test } from "bun:test";
import type { ClusterInfo } from "../../../src/cluster/info.ts";
import type { VdiFacts } from "../../../src/cluster/vdis.ts";
import { renderClusterInfo } from "../../../src/tree/entries/render-cluster-info.ts";
import { renderNodeInfo, renderNodeList } from "../../../src/tree/entries/render-node.ts";
import { sizeText } from "../../../src/tree/entries/render-size.ts";
import { renderVdiList } from "../../../src/tree/entries/render-vdi-list.ts";
import { plainHeader, text } from "./memory-sheep.ts";

const MiB = 2 ** 20;
const GiB = 2 ** 30;

describe("sizes", () => {
  const rows: readonly [number, string][] = [
    [0, "0.0 MB"],
    [1, "0.0 MB"],
    [0.05 * MiB, "0.1 MB"],
    // Exactly between two: to the even one.
    [0.25 * MiB, "0.2 MB"],
    [0.75 * MiB, "0.8 MB"],
    [1.25 * MiB, "1.2 MB"],
    [9.75 * MiB, "9.8 MB"],
    [10.5 * MiB, "10 MB"],
    [11.5 * MiB, "12 MB"],
    [1022.5 * MiB, "1022 MB"],
    [1.15 * MiB, "1.1 MB"],
    [9.94 * MiB, "9.9 MB"],
    [9.96 * MiB, "10.0 MB"],
    [1023.96 * MiB, "1024 MB"],
    [GiB, "1.0 GB"],
    [2.25 * 1024 * GiB, "2.2 TB"],
    [2 * 1024 ** 2 * GiB, "2.0 PB"],
    [2 ** 63, "8.0 EB"],
    [2 ** 64, "16 EB"],
  ];
  for (const [bytes, shown] of rows) {
    test(`${bytes} bytes are ${shown}`, () => expect(sizeText(bytes)).toBe(shown));
  }
});

function facts(header: Partial<VdiFacts["header"]>, others: Partial<VdiFacts> = {}): VdiFacts {
  return {
    header: { ...plainHeader, vid: 0x1a2b, ...header },
    ...{ objectBytes: 4 * MiB, strips: null, ownBlocks: 0, sharedBlocks: 0 },
    ...others,
  };
}

const row = (vdi: VdiFacts): string => renderVdiList([vdi]).split("\n")[1] ?? "";

describe("vdi list", () => {
  test("without VDIs is its heading", () => {
    expect(renderVdiList([])).toBe(
      "  Name        Id    Size    Used  Shared    Creation time   VDI id  Copies  Tag   Block Size Shift\n",
    );
  });

  test("marks snapshots and clones, and gives ids to snapshots only", () => {
    const start = (header: Partial<VdiFacts["header"]>): string => row(facts(header)).slice(0, 16);
    expect(start({})).toBe("  test         0");
    expect(start({ snapId: 3, parentVid: 9 })).toBe("  test         0");
    expect(start({ snapId: 1, parentVid: 9 })).toBe("c test         0");
    expect(start({ isSnapshot: true, snapId: 1, parentVid: 9 })).toBe("s test         1");
    expect(start({ isSnapshot: true, snapId: 4_294_967_295 })).toBe("s test        -1");
  });

  test("shows erasure codes, large blocks and what is used of them", () => {
    const vdi = facts(
      { copies: 6, blockSizeShift: 30, vdiSize: 2 ** 50, vid: 0xfffffe },
      { strips: { data: 4, parity: 2 }, objectBytes: GiB, ownBlocks: 11, sharedBlocks: 2_000 },
    );
    expect(row(vdi)).toBe(
      "  test         0  1.0 PB   11 GB  2.0 TB 2026-11-23 20:24   fffffe    4:2                30",
    );
  });

  test("lets long names and tags stand out, and counts bytes for short ones", () => {
    expect(row(facts({ name: text("longer-than-eight") }))).toStartWith(
      "  longer-than-eight     0   64 MB",
    );
    expect(row(facts({ name: text("üml") }))).toStartWith("  üml         0   64 MB");
    expect(row(facts({ tag: text("a tag of over 13 bytes") }))).toEndWith(
      "     1 a tag of over 13 bytes  22",
    );
  });

  test("keeps to one line a VDI, whatever its name and tag", () => {
    const name = new Uint8Array([0x61, 0x0a, 0xff, 0x2f]);
    const lines = renderVdiList([facts({ name, tag: text("t\n") })]).split("\n");
    expect(lines.length).toBe(3);
    expect(lines[1]).toStartWith("  a\\x0a\\xff\\x2f     0");
    expect(lines[1]).toEndWith("t\\x0a  22");
  });
});

describe("nodes", () => {
  test("IPv6 stands without brackets, and long addresses push the columns", () => {
    const node = { host: "fd00::1:2:3:4:5", port: 7000, vnodes: 5, zone: 4_294_967_295 };
    const nodes = [node, { ...node, host: "::1", port: 0, vnodes: 0, zone: 0 }];
    expect(renderNodeList(nodes)).toBe(
      "  Id   Host:Port         V-Nodes       Zone\n" +
        "   0   fd00::1:2:3:4:5:7000\t 5 4294967295\n" +
        "   1   ::1                 \t 0          0\n",
    );
  });

  const node = { host: "127.0.0.1", port: 7000, vnodes: 128, zone: 1, spaceBytes: 0 };
  const space = (totalBytes: number, freeBytes: number) => ({
    node,
    space: { totalBytes, freeBytes },
  });

  test("that do not answer have no row, and the numbers run on", () => {
    const spaces = [space(10 * GiB, 5 * GiB), { node, space: null }, space(GiB, 0)];
    expect(renderNodeInfo(spaces, 0)).toBe(
      "Id\tSize\tUsed\tAvail\tUse%\n" +
        " 0\t10 GB\t5.0 GB\t5.0 GB\t 50%\n" +
        " 1\t1.0 GB\t1.0 GB\t0.0 MB\t100%\n" +
        "Total\t11 GB\t6.0 GB\t5.0 GB\t 54%\n\n" +
        "Total virtual image size\t0.0 MB\n",
    );
  });

  test("that are only gateways give the odd total of dog", () => {
    expect(renderNodeInfo([space(0, 0)], 0)).toContain(
      " 0\t0.0 MB\t0.0 MB\t0.0 MB\t  0%\nTotal\t0.0 MB\t0.0 MB\t0.0 MB\t-2147483648%\n",
    );
  });
});

describe("cluster info", () => {
  const before = process.env["TZ"];
  afterEach(() => {
    process.env["TZ"] = before ?? "Etc/UTC";
  });

  const info: ClusterInfo = {
    status: "running",
    autoRecovery: false,
    createdSeconds: Date.UTC(2026, 10, 3, 23, 5, 9) / 1000,
    epochs: [
      {
        epoch: 1_234_567,
        seconds: Date.UTC(2026, 11, 31, 23, 59, 59) / 1000,
        nodes: [
          { host: "10.0.0.1", port: 7000, vnodes: 64, zone: 1, spaceBytes: 0, disks: 3 },
          { host: "fd00::1", port: 7001, vnodes: 0, zone: 1, spaceBytes: 0, disks: 0 },
        ],
      },
    ],
    ...{ store: "plain", hasLocks: true, diskMode: false },
    defaults: { copies: 3, copyPolicy: 0, blockSizeShift: 22 },
  };

  test("pads days, lets epochs grow, and lists nodes", () => {
    expect(renderClusterInfo(info)).toBe(
      "Cluster status: running, auto-recovery disabled\n\n" +
        "Cluster created at Tue Nov  3 23:05:09 2026\n\n" +
        "Epoch Time           Version [Host:Port:V-Nodes,,,]\n" +
        "2026-12-31 23:59:59 1234567 [10.0.0.1:7000:64, fd00::1:7001:0]\n",
    );
  });

  test("counts disks where virtual nodes belong to them", () => {
    expect(renderClusterInfo({ ...info, diskMode: true })).toContain(
      "[10.0.0.1:7000:64(3), fd00::1:7001:0(0)]",
    );
  });

  test("is in the operator's time zone", () => {
    process.env["TZ"] = "Asia/Kolkata";
    const shown = renderClusterInfo(info);
    expect(shown).toContain("Cluster created at Wed Nov  4 04:35:09 2026\n");
    expect(shown).toContain("\n2027-01-01 05:29:59 ");
  });

  test("of a cluster that is not running says why", () => {
    const none = { ...info, createdSeconds: null, epochs: [] };
    const shown = (status: ClusterInfo["status"]) => renderClusterInfo({ ...none, status });
    expect(shown("shutting_down")).toBe("Cluster status: System is shutting down\n\n");
    expect(shown("failed")).toBe("Cluster status: System error\n\n");
  });
});
