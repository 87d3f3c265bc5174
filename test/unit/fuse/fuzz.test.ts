import { expect, test } from "bun:test";
import { seededRandom } from "../../../src/base/random.ts";
import { InHeader } from "../../../src/fuse/abi.ts";
import { messageNames, messageTable, printMessage } from "../../../src/fuse/messages.ts";
import { messageBytes, nameBytes, TestKernel } from "./kernel.ts";
import { MemoryControl, MemoryDir, MemoryText, MemoryTree, MemoryVolume } from "./memory-tree.ts";

const seed = Number(process.env["SEED"] ?? Math.floor(Math.random() * 2 ** 31));
const random = seededRandom(seed);
const steps = 20_000;

/** Numbers that are likelier to hurt than any others. */
const edges = [0, 1, 2, 3, 4, 16, 511, 512, 4_096, 65_535, 2 ** 20, 2 ** 31, 2 ** 32 - 1];
const opcodes = messageNames.map((name) => messageTable[name].opcode);

function pick<T>(list: readonly T[], otherwise: T): T {
  return list[random.below(list.length)] ?? otherwise;
}

function randomBody(): Uint8Array {
  const body = new Uint8Array(random.below(4) === 0 ? random.below(300) : 8 * random.below(12));
  const view = new DataView(body.buffer);
  for (let at = 0; at + 4 <= body.length; at += 4) {
    view.setUint32(at, random.below(8) === 0 ? random.u32() : pick(edges, 0), true);
  }
  if (random.below(3) > 0) return body;
  const name = pick(["cluster", "info", "volume", "test", "mount", "..", ""], "");
  return Buffer.concat([body.subarray(0, body.length % 24), nameBytes(name)]);
}

/** Anything at all, with a header that mostly makes sense. */
function randomMessage(unique: number): Uint8Array {
  const opcode = random.below(20) === 0 ? random.u32() : pick(opcodes, 1);
  const nodeId = random.below(10) === 0 ? random.u32() : 1 + random.below(6);
  const bytes = messageBytes(opcode, unique, nodeId, randomBody());
  const cut = random.below(20) === 0 ? random.below(bytes.length) : bytes.length;
  return bytes.subarray(0, Math.max(InHeader.size, cut));
}

test(`any message is answered at most once, under its own number (SEED=${seed})`, async () => {
  const tree = new MemoryTree(
    new MemoryDir({
      cluster: new MemoryDir({ info: new MemoryText("text\n") }),
      vdi: new MemoryDir({ mount: new MemoryControl(() => {}) }),
      volume: new MemoryDir({ test: new MemoryVolume(65_536) }),
    }),
  );
  const kernel = await TestKernel.ready(tree);
  const destroy = messageTable.DESTROY.opcode;
  for (let step = 0; step < steps; step += 1) {
    const unique = 1_000 + step;
    const before = kernel.replies.length;
    const message = randomMessage(unique);
    const opcode = new DataView(message.buffer).getUint32(InHeader.offsets.opcode, true);
    if (opcode === destroy) continue;
    printMessage(message);
    kernel.raw(message);
    if (step % 8 === 0) await new Promise((resolve) => setImmediate(resolve));
    for (const reply of kernel.replies.slice(before)) {
      if (reply.unique <= unique - 64 || reply.unique > unique) {
        throw new Error(`SEED=${seed} step ${step}: ${printMessage(message)} got ${reply.unique}`);
      }
    }
  }
  await new Promise((resolve) => setImmediate(resolve));
  const counts = new Map<number, number>();
  for (const { unique } of kernel.replies) counts.set(unique, (counts.get(unique) ?? 0) + 1);
  expect([...counts.values()].filter((count) => count > 1)).toEqual([]);
  expect(kernel.queued).toBe(0);
  // Still in its senses: the root answers.
  const last = await kernel.ask("GETATTR", 1, new Uint8Array(16));
  expect(last.error).toBe(0);
});
