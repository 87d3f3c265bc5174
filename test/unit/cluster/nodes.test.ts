import { describe, expect, test } from "bun:test";
import { SheepfsError } from "../../../src/base/errors.ts";
import { limits } from "../../../src/base/limits.ts";
import { clusterInfo } from "../../../src/cluster/info.ts";
import { clusterSpace, listNodes, nodeSpaces } from "../../../src/cluster/nodes.ts";
import { EpochLogEntry } from "../../../src/wire/cluster.ts";
import {
  ClusterRequestHeader,
  NodeReplyHeader,
  type SheepRequest,
} from "../../../src/wire/header.ts";
import { NodeRecord, parseIpv4 } from "../../../src/wire/node.ts";
import { results } from "../../../src/wire/result.ts";
import { MemorySheep, never } from "./memory-sheep.ts";

const nodesOf = (count: number) =>
  Array.from({ length: count }, (_, at) => ({ host: `10.0.0.${at + 1}`, port: 7000 + at }));

describe("space", () => {
  test("is asked of every node and added up", async () => {
    const sheep = new MemorySheep();
    sheep.nodes = nodesOf(40);
    const freeBytes = Array.from({ length: 40 }, (_, at) => at).reduce((a, b) => a + b, 0);
    expect(await clusterSpace(sheep, never)).toEqual({ totalBytes: 40_000, freeBytes });
  });

  test("of a node that does not answer is missing, the others' is told", async () => {
    const sheep = new MemorySheep();
    sheep.nodes = nodesOf(3);
    sheep.silent.add("10.0.0.2:7001");
    const spaces = await nodeSpaces(sheep, never);
    expect(spaces.map(({ space }) => space)).toEqual([
      { totalBytes: 1000, freeBytes: 0 },
      null,
      { totalBytes: 1000, freeBytes: 2 },
    ]);
    expect(await clusterSpace(sheep, never)).toEqual({ totalBytes: 2000, freeBytes: 2 });
  });

  test("fails when no node answers, or there is none", async () => {
    const sheep = new MemorySheep();
    sheep.silent.add("127.0.0.1:7000");
    await expect(nodeSpaces(sheep, never)).rejects.toMatchObject({ code: "unavailable" });
    sheep.nodes = [];
    await expect(nodeSpaces(sheep, never)).rejects.toMatchObject({ code: "not_ready" });
  });

  test("of a node that is not ready is not waited for", async () => {
    const sheep = new MemorySheep();
    sheep.nodes = nodesOf(2);
    const header = NodeReplyHeader.encode({ result: results.waitForJoin.code });
    sheep.callAt = async (_, __, ___, expected = []) => {
      if (!expected.includes(results.waitForJoin.code)) throw new Error("it is asked for ever");
      const result = results.waitForJoin.code;
      return { header: new DataView(header.buffer), result, data: new Uint8Array(0) };
    };
    await expect(nodeSpaces(sheep, never)).rejects.toMatchObject({ code: "not_ready" });
  });

  test("is not asked any longer when nobody waits for it", async () => {
    const sheep = new MemorySheep();
    sheep.nodes = nodesOf(3);
    sheep.callAt = async () => {
      throw new SheepfsError("cancelled", "interrupted");
    };
    await expect(nodeSpaces(sheep, never)).rejects.toMatchObject({ code: "cancelled" });
  });
});

/** A sheep whose epochs have the given numbers of nodes, the newest first. */
class EpochSheep extends MemorySheep {
  readonly epochs: readonly number[];
  readonly recordBytes: number;
  epochRequests: { nodesMax: number; bytes: number }[] = [];

  constructor(epochs: readonly number[], recordBytes: number = NodeRecord.size) {
    super();
    this.epochs = epochs;
    this.recordBytes = recordBytes;
  }

  override async call(request: SheepRequest, ...rest: [typeof never, (readonly number[])?]) {
    if (request.opcode === "getNodeList") return this.#nodes();
    if (request.opcode === "statCluster") return this.#log(request);
    return await super.call(request, ...rest);
  }

  #nodes() {
    const count = this.epochs[0] ?? 0;
    const header = NodeReplyHeader.encode({ nodesCount: count, epoch: this.epochs.length });
    const data = new Uint8Array(count * this.recordBytes);
    return { header: new DataView(header.buffer), result: 0, data };
  }

  #log(request: SheepRequest) {
    const { nodesCount: nodesMax } = ClusterRequestHeader.read(
      new DataView(request.header.buffer),
      0,
    );
    this.epochRequests.push({ nodesMax, bytes: request.receiveBytes });
    const stride = EpochLogEntry.size + nodesMax * this.recordBytes;
    const shown = this.epochs.slice(0, Math.floor(request.receiveBytes / stride));
    const header = new DataView(new ArrayBuffer(48));
    if (shown.some((count) => count > nodesMax)) {
      return { header, result: results.bufferSmall.code, data: new Uint8Array(0) };
    }
    const data = new Uint8Array(shown.length * stride);
    const view = new DataView(data.buffer);
    for (const [at, nodesCount] of shown.entries()) {
      const epoch = this.epochs.length - at;
      EpochLogEntry.write(view, at * stride, { epoch, nodesCount, time: epoch * 10 });
      for (let node = 0; node < nodesCount; node += 1) {
        const place = at * stride + EpochLogEntry.size + node * this.recordBytes;
        const address = parseIpv4(`10.0.0.${node}`) ?? new Uint8Array(16);
        NodeRecord.write(view, place, { address, port: 7000 });
        if (this.recordBytes > NodeRecord.size) data[place + NodeRecord.size + 7] = 1;
      }
    }
    return { header, result: 0, data };
  }
}

describe("the history of a cluster", () => {
  test("is read with more room when an epoch had more nodes than there are now", async () => {
    const sheep = new EpochSheep([2, 7, 1]);
    const { epochs } = await clusterInfo(sheep, never);
    expect(epochs.map(({ epoch, seconds, nodes }) => [epoch, seconds, nodes.length])).toEqual([
      [3, 30, 2],
      [2, 20, 7],
      [1, 10, 1],
    ]);
    expect(sheep.epochRequests.map(({ nodesMax }) => nodesMax)).toEqual([2, 4, 8]);
  });

  test("of very many epochs is cut at its bound, the newest are shown", async () => {
    const sheep = new EpochSheep(Array.from({ length: 60_000 }, () => 3));
    const { epochs } = await clusterInfo(sheep, never);
    expect(epochs[0]?.epoch).toBe(60_000);
    expect(epochs.length).toBeGreaterThan(40_000);
    const most = Math.max(...sheep.epochRequests.map(({ bytes }) => bytes));
    expect(most).toBeLessThanOrEqual(limits.epochLogBytesMax);
  });

  test("is understood of builds whose nodes have disks", async () => {
    const sheep = new EpochSheep([2, 2], 592);
    const { epochs } = await clusterInfo(sheep, never);
    expect(epochs[0]?.nodes.map(({ host, disks }) => [host, disks])).toEqual([
      ["10.0.0.0", 1],
      ["10.0.0.1", 1],
    ]);
  });

  test("that contradicts itself is not believed", async () => {
    const sheep = new EpochSheep([1]);
    const call = sheep.call.bind(sheep);
    sheep.call = async (request, ...rest) => {
      const reply = await call(request, ...rest);
      if (request.opcode !== "statCluster") return reply;
      const data = reply.data.slice();
      data[20] = 200;
      return { ...reply, data };
    };
    await expect(clusterInfo(sheep, never)).rejects.toMatchObject({ code: "corrupt" });
    sheep.call = async (request, ...rest) => {
      const reply = await call(request, ...rest);
      if (request.opcode !== "statCluster") return reply;
      return { ...reply, data: reply.data.subarray(1) };
    };
    await expect(clusterInfo(sheep, never)).rejects.toMatchObject({ code: "corrupt" });
  });

  test("is asked for again when a running cluster shows none", async () => {
    const sheep = new EpochSheep([3, 2]);
    const call = sheep.call.bind(sheep);
    let empty = 3;
    sheep.call = async (request, ...rest) => {
      const reply = await call(request, ...rest);
      if (request.opcode !== "statCluster" || empty === 0) return reply;
      empty -= 1;
      return { ...reply, data: new Uint8Array(0) };
    };
    const { epochs, status } = await clusterInfo(sheep, never);
    expect([status, epochs.length, empty]).toEqual(["running", 2, 0]);
    empty = Number.POSITIVE_INFINITY;
    await expect(clusterInfo(sheep, never)).rejects.toMatchObject({ code: "unavailable" });
  });

  test("needs nodes whose records fit the answer", async () => {
    const header = NodeReplyHeader.encode({ nodesCount: 3 });
    const reply = { header: new DataView(header.buffer), result: 0, data: new Uint8Array(100) };
    const caller = { call: async () => reply, callAt: async () => reply };
    await expect(listNodes(caller, never)).rejects.toMatchObject({ code: "corrupt" });
  });
});
