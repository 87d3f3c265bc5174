import { describe, expect, test } from "bun:test";
import { SheepfsError } from "../../../src/base/errors.ts";
import { limits } from "../../../src/base/limits.ts";
import type { Transfer } from "../../../src/base/transfer.ts";
import { InitOut, InterruptIn } from "../../../src/fuse/abi.ts";
import { errno } from "../../../src/fuse/errno.ts";
import { messageNames, messageTable } from "../../../src/fuse/messages.ts";
import { open, readBody, root, walk, world } from "./conversation.ts";
import { messageBytes, TestKernel } from "./kernel.ts";

describe("INIT", () => {
  test("agrees on the smaller minor and on the flags that both want", async () => {
    const kernel = new TestKernel(world().tree);
    const reply = await kernel.init(36);
    const out = InitOut.read(reply.view, 0);
    expect(reply.body.length).toBe(64);
    expect([out.major, out.minor]).toEqual([7, 36]);
    expect(out.maxWrite).toBe(1 << 20);
    expect(out.maxPages).toBe(256);
    expect(out.maxReadahead).toBe(131_072);
    await kernel.server.ready;
  });

  test("wants no flag that the kernel does not offer", async () => {
    const kernel = new TestKernel(world().tree);
    const reply = await kernel.init(45, 0);
    expect(InitOut.read(reply.view, 0).flags & ~(1 << 30)).toBe(0);
  });

  test("a kernel of another major version is asked to come again", async () => {
    const kernel = new TestKernel(world().tree);
    const body = new Uint8Array(64);
    new DataView(body.buffer).setUint32(0, 8, true);
    const reply = await kernel.ask("INIT", 0, body);
    expect(InitOut.read(reply.view, 0).major).toBe(7);
    expect((await kernel.ask("GETATTR", root, new Uint8Array(16))).error).toBe(errno.EIO);
  });

  test("a kernel that is too old is refused", async () => {
    const kernel = new TestKernel(world().tree);
    expect((await kernel.init(22)).error).toBe(errno.EPROTO);
  });
});

describe("every message", () => {
  for (const name of messageNames) {
    const { opcode, answer } = messageTable[name];
    test(`${name} of zeros is ${answer === "none" ? "taken in silence" : "answered once"}`, async () => {
      const kernel = await TestKernel.ready(world().tree);
      const before = kernel.replies.length;
      kernel.raw(messageBytes(opcode, 4_242, root, new Uint8Array(200)));
      // A second message is answered after the first, so the first is over then.
      await kernel.ask("GETATTR", root, new Uint8Array(16)).catch(() => {});
      await new Promise((resolve) => setImmediate(resolve));
      const answers = kernel.replies.slice(before).filter((reply) => reply.unique === 4_242);
      expect(answers.length).toBe(answer === "none" ? 0 : 1);
    });

    test(`${name} that is cut short is refused`, async () => {
      const kernel = await TestKernel.ready(world().tree);
      kernel.raw(messageBytes(opcode, 4_242, root, new Uint8Array(0)));
      await kernel.ask("GETATTR", root, new Uint8Array(16));
      const [first] = kernel.replies.filter((reply) => reply.unique === 4_242);
      const needsBody = (messageTable[name].fields?.size ?? 0) + messageTable[name].names > 0;
      if (needsBody && answer !== "none") expect(first?.error).toBe(errno.EINVAL);
    });
  }

  test("an unknown opcode is ENOSYS", async () => {
    const kernel = await TestKernel.ready(world().tree);
    kernel.raw(messageBytes(999, 4_242, root, new Uint8Array(8)));
    expect(kernel.replies.at(-1)).toMatchObject({ unique: 4_242, error: errno.ENOSYS });
  });

  test("a number of 64 bits comes back as it was", async () => {
    const kernel = await TestKernel.ready(world().tree);
    const bytes = messageBytes(messageTable.POLL.opcode, 0, root, new Uint8Array(24));
    new DataView(bytes.buffer).setBigUint64(8, 0x8123_4567_89ab_cdefn, true);
    const seen: Uint8Array[] = [];
    kernel.write = (head, headAt, headLength) => {
      seen.push(head.slice(headAt, headAt + headLength));
      return headLength;
    };
    kernel.raw(bytes);
    const [reply] = seen;
    expect(new DataView(reply?.buffer ?? new ArrayBuffer(16)).getBigUint64(8, true)).toBe(
      0x8123_4567_89ab_cdefn,
    );
  });
});

describe("many at once", () => {
  test("an interrupted request is cancelled and still answered", async () => {
    const { tree, volume } = world();
    const kernel = await TestKernel.ready(tree);
    const nodeId = await walk(kernel, "volume/test");
    const fh = await open(kernel, nodeId, 0);
    volume.held = [];
    const { unique, reply } = kernel.post("READ", nodeId, readBody(fh, 0, 4_096));
    const [transfer] = volume.held;
    transfer?.scope.onCancel(() => transfer.done(new SheepfsError("cancelled", "interrupted")));
    kernel.tell("INTERRUPT", 0, InterruptIn.encode({ uniqueLow: unique, uniqueHigh: 0 }));
    expect(kernel.replies.some((other) => other.unique === unique)).toBe(false);
    kernel.clock.advance(limits.interruptPatienceMs);
    expect((await reply).error).toBe(errno.EINTR);
    kernel.tell("INTERRUPT", 0, InterruptIn.encode({ uniqueLow: unique, uniqueHigh: 0 }));
    expect(kernel.replies.filter((other) => other.unique === unique).length).toBe(1);
  });

  // [S-142]
  test("what is answered soon after it was interrupted is answered as if it were not", async () => {
    const { tree, volume } = world();
    const kernel = await TestKernel.ready(tree);
    const nodeId = await walk(kernel, "volume/test");
    const fh = await open(kernel, nodeId, 0);
    const held: Transfer[] = [];
    volume.held = held;
    const { unique, reply } = kernel.post("READ", nodeId, readBody(fh, 0, 4_096));
    kernel.tell("INTERRUPT", 0, InterruptIn.encode({ uniqueLow: unique, uniqueHigh: 0 }));
    kernel.clock.advance(limits.interruptPatienceMs - 1);
    for (const transfer of held.splice(0)) volume.finish(transfer, false);
    expect(await reply).toMatchObject({ error: 0 });
    // Its buffer may have another message by now, which nobody has interrupted.
    const next = kernel.post("READ", nodeId, readBody(fh, 0, 4_096));
    kernel.clock.advance(limits.interruptPatienceMs);
    expect(held.map(({ scope }) => scope.cancelled)).toEqual([false]);
    for (const transfer of held) volume.finish(transfer, false);
    expect(await next.reply).toMatchObject({ error: 0 });
  });

  test("when all buffers are taken nothing more is read until one is free", async () => {
    const { tree, volume } = world();
    const kernel = await TestKernel.ready(tree);
    const nodeId = await walk(kernel, "volume/test");
    const fh = await open(kernel, nodeId, 0);
    volume.held = [];
    const asked = Array.from({ length: 100 }, (_, index) =>
      kernel.ask("READ", nodeId, readBody(fh, index * 512, 512)),
    );
    expect(volume.held.length).toBe(64);
    expect(kernel.queued).toBe(36);
    const held = volume.held;
    volume.held = null;
    for (const transfer of held) volume.finish(transfer, false);
    expect(kernel.watching).toBe(true);
    kernel.pump();
    for (const reply of await Promise.all(asked)) expect(reply.body.length).toBe(512);
  });

  test("after the unmount what is under way is not answered, and every file is closed", async () => {
    const { tree, volume } = world();
    const kernel = await TestKernel.ready(tree);
    const nodeId = await walk(kernel, "volume/test");
    const fh = await open(kernel, nodeId, 0);
    volume.held = [];
    kernel.post("READ", nodeId, readBody(fh, 0, 512));
    const before = kernel.replies.length;
    kernel.whenEmpty = -errno.ENODEV;
    kernel.server.readable();
    expect(await kernel.server.ended).toBe(null);
    const closed = kernel.server.close({
      deadlineMs: Number.POSITIVE_INFINITY,
      cancelled: false,
      onCancel: () => () => {},
    });
    for (const transfer of volume.held) volume.finish(transfer, false);
    await closed;
    expect(kernel.replies.length).toBe(before);
    expect(volume.open_).toBe(0);
    expect(kernel.closed).toBe(true);
  });

  test("a change in the tree makes the kernel ask for the attributes again", async () => {
    const { tree, volume } = world();
    const kernel = await TestKernel.ready(tree);
    const nodeId = await walk(kernel, "volume/test");
    tree.emit({ id: volume.id, what: "attr" });
    const told = kernel.replies.at(-1);
    expect([told?.unique, told?.error]).toEqual([0, -2]);
    expect(told?.view.getUint32(0, true)).toBe(nodeId);
    const before = kernel.replies.length;
    tree.emit({ id: 999_999, what: "attr" });
    expect(kernel.replies.length).toBe(before);
  });
});
