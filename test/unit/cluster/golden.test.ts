// The texts that dog 1.0 printed while it was recorded, made from the same answers of the sheep.
import { describe, expect, test } from "bun:test";
import { clusterInfo } from "../../../src/cluster/info.ts";
import { listNodes, nodeSpaces } from "../../../src/cluster/nodes.ts";
import { listVdis } from "../../../src/cluster/vdis.ts";
import { renderClusterInfo } from "../../../src/tree/entries/render-cluster-info.ts";
import { renderNodeInfo, renderNodeList } from "../../../src/tree/entries/render-node.ts";
import { renderVdiList } from "../../../src/tree/entries/render-vdi-list.ts";
import { NodeReplyHeader } from "../../../src/wire/header.ts";
import { never } from "./memory-sheep.ts";
import { RecordedSheep } from "./recorded.ts";

const GiB = 2 ** 30;
const MiB = 2 ** 20;

// The recordings were made in UTC, and `bun test` runs in it.
// [S-24]
describe("as dog printed it", () => {
  test("cluster info", async () => {
    const info = await clusterInfo(new RecordedSheep("dog-cluster-info", "cluster-default"), never);
    expect(renderClusterInfo(info)).toBe(
      "Cluster status: running, auto-recovery enabled\n\n" +
        "Cluster created at Mon Nov 23 20:24:37 2026\n\n" +
        "Epoch Time           Version [Host:Port:V-Nodes,,,]\n" +
        "2026-11-23 20:24:37      1 [127.0.0.1:7200:128]\n",
    );
    expect(info).toMatchObject({ hasLocks: true, diskMode: false, store: "plain" });
    expect(info.defaults).toEqual({ copies: 1, copyPolicy: 0, blockSizeShift: 22 });
  });

  test("cluster info before the format", async () => {
    const info = await clusterInfo(new RecordedSheep("unformatted-cluster"), never);
    expect(renderClusterInfo(info)).toBe("Cluster status: Waiting for cluster to be formatted\n\n");
  });

  test("cluster info of three nodes", async () => {
    const sheep = new RecordedSheep("three-format", "three-node-list");
    const text = renderClusterInfo(await clusterInfo(sheep, never));
    expect(text).toContain(" 1 [127.0.0.1:7100:128, 127.0.0.1:7101:128, 127.0.0.1:7102:128]\n");
  });

  test("cluster info of a cluster that waits for nodes", async () => {
    const sheep = new RecordedSheep("waiting-for-nodes", "node-list", "cluster-default");
    expect(renderClusterInfo(await clusterInfo(sheep, never))).toBe(
      "Cluster status: Waiting for other nodes to join cluster\n\n",
    );
  });

  test("vdi list", async () => {
    const vdis = await listVdis(new RecordedSheep("dog-vdi-list"), never);
    expect(renderVdiList(vdis)).toBe(
      "  Name        Id    Size    Used  Shared    Creation time   VDI id  Copies  Tag   Block Size Shift\n" +
        "s disk1        1   16 MB  4.0 MB  0.0 MB 2026-11-23 20:24   e8b18f      1          tag1  22\n" +
        "  disk1        0   32 MB  4.0 MB  0.0 MB 2026-11-23 20:24   e8b190      1                22\n" +
        "c disk2        0   16 MB  0.0 MB  4.0 MB 2026-11-23 20:25   e8b342      1                22\n",
    );
  });

  test("vdi list with a hypervolume", async () => {
    const vdis = await listVdis(new RecordedSheep("dog-vdi-lock-list"), never);
    expect(renderVdiList(vdis).split("\n")[1]).toMatch(
      /^ {2}disk4 {8}0 {2}5\.0 TB {2}4\.0 MB {2}0\.0 MB 2026-11-23 20:25 {3}e8a910 {6}1 {16}22$/,
    );
  });

  test("node list", async () => {
    const { nodes, epoch } = await listNodes(new RecordedSheep("dog-node-list"), never);
    expect(epoch).toBe(1);
    expect(renderNodeList(nodes)).toBe(
      "  Id   Host:Port         V-Nodes       Zone\n" +
        "   0   127.0.0.1:7200      \t128          1\n",
    );
  });

  test("node info", async () => {
    const sheep = new RecordedSheep("dog-node-info");
    sheep.stat = NodeReplyHeader.encode({
      storeBytes: 12 * GiB + 20 * MiB,
      freeBytes: 12 * GiB,
    });
    const spaces = await nodeSpaces(sheep, never);
    expect(renderNodeInfo(spaces, 5 * 2 ** 40)).toBe(
      "Id\tSize\tUsed\tAvail\tUse%\n" +
        " 0\t12 GB\t20 MB\t12 GB\t  0%\n" +
        "Total\t12 GB\t20 MB\t12 GB\t  0%\n\n" +
        "Total virtual image size\t5.0 TB\n",
    );
  });
});
