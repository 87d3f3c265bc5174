import { describe, expect, test } from "bun:test";
import { SheepfsError } from "../../../src/base/errors.ts";
import {
  FallocateIn,
  LseekIn,
  LseekOut,
  OpenIn,
  OpenOut,
  openFlag,
  setattrValid,
  WriteOut,
} from "../../../src/fuse/abi.ts";
import { errno } from "../../../src/fuse/errno.ts";
import { MemoryTube } from "../../simulate/memory-tube.ts";
import {
  open,
  readBody,
  releaseBody,
  setattrBody,
  volumeBytes,
  walk,
  world,
  writeBody,
} from "./conversation.ts";
import { TestKernel } from "./kernel.ts";
import { MemoryVolume } from "./memory-tree.ts";

describe("reads and writes", () => {
  test("what is written is read back, lent or copied", async () => {
    for (const lends of [true, false]) {
      const { tree, volume } = world();
      volume.lends = lends;
      const kernel = await TestKernel.ready(tree);
      const nodeId = await walk(kernel, "volume/test");
      const fh = await open(kernel, nodeId, 2);
      const data = new Uint8Array(5_000).map((_, index) => index & 0xff);
      const written = await kernel.ask("WRITE", nodeId, writeBody(fh, 4_096, data));
      expect(WriteOut.read(written.view, 0).size).toBe(5_000);
      const reply = await kernel.ask("READ", nodeId, readBody(fh, 4_096, 5_000));
      expect(Buffer.compare(reply.body, data)).toBe(0);
    }
  });

  test("an answer is whole, whichever of its parts came in tubes, and the tubes go back", async () => {
    const data = new Uint8Array(5_000).map((_, index) => (index * 7) & 0xff);
    const parts = [
      { from: 3_000, length: 2_000 },
      { from: 0, length: 1_000 },
      { from: 1_000, length: 2_000 },
    ];
    for (let inTubes = 0; inTubes < 8; inTubes += 1) {
      const { tree, volume } = world();
      volume.held = [];
      const kernel = await TestKernel.ready(tree);
      const nodeId = await walk(kernel, "volume/test");
      const fh = await open(kernel, nodeId, 2);
      const { reply } = kernel.post("READ", nodeId, readBody(fh, 4_096, 5_000));
      const [transfer] = volume.held;
      for (const [index, { from, length }] of parts.entries()) {
        const bytes = data.subarray(from, from + length);
        const at = (transfer?.at ?? 0) + from;
        // One that an attempt left empty, as after a lost connection.
        transfer?.tube?.(at, length);
        const tube = (inTubes & (1 << index)) === 0 ? null : transfer?.tube?.(at, length);
        if (tube instanceof MemoryTube) tube.put(bytes);
        else transfer?.buffer.set(bytes, at);
      }
      expect(kernel.lent.size).toBeGreaterThan(2);
      transfer?.done(null);
      expect(Buffer.compare((await reply).body, data)).toBe(0);
      expect(kernel.lent.size).toBe(0);
    }
  });

  test("the tubes of a read that failed go back", async () => {
    const { tree, volume } = world();
    volume.held = [];
    const kernel = await TestKernel.ready(tree);
    const nodeId = await walk(kernel, "volume/test");
    const fh = await open(kernel, nodeId, 2);
    const { reply } = kernel.post("READ", nodeId, readBody(fh, 0, 5_000));
    const [transfer] = volume.held;
    const tube = transfer?.tube?.(transfer.at, 5_000);
    if (tube instanceof MemoryTube) tube.put(new Uint8Array(3_000));
    transfer?.done(new SheepfsError("unavailable", "lost"));
    expect((await reply).error).toBe(errno.EIO);
    expect(kernel.lent.size).toBe(0);
  });

  test("a read stops at the end, one behind it is empty", async () => {
    const kernel = await TestKernel.ready(world().tree);
    const nodeId = await walk(kernel, "volume/test");
    const fh = await open(kernel, nodeId, 0);
    const crossing = await kernel.ask("READ", nodeId, readBody(fh, volumeBytes - 100, 4_096));
    expect(crossing.body.length).toBe(100);
    for (const offset of [volumeBytes, volumeBytes * 2, 2 ** 40]) {
      const behind = await kernel.ask("READ", nodeId, readBody(fh, offset, 4_096));
      expect([behind.error, behind.body.length]).toEqual([0, 0]);
    }
  });

  test("a write across the end is short, one at the end is ENOSPC at once", async () => {
    const kernel = await TestKernel.ready(world().tree);
    const nodeId = await walk(kernel, "volume/test");
    const fh = await open(kernel, nodeId, 1);
    const data = new Uint8Array(4_096).fill(7);
    const short = await kernel.ask("WRITE", nodeId, writeBody(fh, volumeBytes - 96, data));
    expect(WriteOut.read(short.view, 0).size).toBe(96);
    const full = await kernel.ask("WRITE", nodeId, writeBody(fh, volumeBytes, data));
    expect(full.error).toBe(errno.ENOSPC);
  });

  test("an offset that cannot be exact is refused", async () => {
    const kernel = await TestKernel.ready(world().tree);
    const nodeId = await walk(kernel, "volume/test");
    const fh = await open(kernel, nodeId, 0);
    const reply = await kernel.ask("READ", nodeId, readBody(fh, 2 ** 60, 4_096));
    expect(reply.error).toBe(errno.EFBIG);
  });

  test("a handle that was released, or opened the other way, is EBADF", async () => {
    const { tree, volume } = world();
    const kernel = await TestKernel.ready(tree);
    const nodeId = await walk(kernel, "volume/test");
    const fh = await open(kernel, nodeId, 0);
    const write = writeBody(fh, 0, new Uint8Array(8));
    expect((await kernel.ask("WRITE", nodeId, write)).error).toBe(errno.EBADF);
    expect(volume.open_).toBe(1);
    expect((await kernel.ask("RELEASE", nodeId, releaseBody(fh))).error).toBe(0);
    expect(volume.open_).toBe(0);
    expect((await kernel.ask("READ", nodeId, readBody(fh, 0, 8))).error).toBe(errno.EBADF);
    const again = await open(kernel, nodeId, 0);
    expect(again).not.toEqual(fh);
    expect((await kernel.ask("READ", nodeId, readBody(fh, 0, 8))).error).toBe(errno.EBADF);
  });

  test("volumes are opened for parallel direct I/O, cached and immutable ones are not", async () => {
    const cases = [
      { traits: {}, flags: openFlag.directIo | openFlag.parallelDirectWrites },
      { traits: { directIo: false }, flags: 0 },
      { traits: { directIo: false, immutable: true }, flags: openFlag.keepCache },
    ];
    for (const { traits, flags } of cases) {
      const kernel = await TestKernel.ready(
        world({ volume: new MemoryVolume(4_096, traits) }).tree,
      );
      const nodeId = await walk(kernel, "volume/test");
      const reply = await kernel.ask("OPEN", nodeId, OpenIn.encode({ flags: 0, openFlags: 0 }));
      expect(OpenOut.read(reply.view, 0).openFlags).toBe(flags);
    }
  });

  test("on a read-only mount nothing is opened for writing", async () => {
    const kernel = await TestKernel.ready(world().tree, { readOnly: true });
    const nodeId = await walk(kernel, "volume/test");
    const reply = await kernel.ask("OPEN", nodeId, OpenIn.encode({ flags: 2, openFlags: 0 }));
    expect(reply.error).toBe(errno.EROFS);
  });

  test("punching and zeroing make zeros, preallocation is refused", async () => {
    const { tree, volume } = world();
    volume.bytes.fill(1);
    const kernel = await TestKernel.ready(tree);
    const nodeId = await walk(kernel, "volume/test");
    const { fhLow, fhHigh } = await open(kernel, nodeId, 2);
    const ask = async (mode: number, offset: number, length: number) =>
      await kernel.ask(
        "FALLOCATE",
        nodeId,
        FallocateIn.encode({
          ...{ fhLow, fhHigh, mode, offsetLow: offset, offsetHigh: 0 },
          ...{ lengthLow: length, lengthHigh: 0 },
        }),
      );
    expect((await ask(3, 4_096, 4_096)).error).toBe(0);
    expect((await ask(0x10, 16_384, 4_096)).error).toBe(0);
    expect(volume.bytes.indexOf(0)).toBe(4_096);
    expect(volume.bytes[20_479]).toBe(0);
    expect(volume.bytes[20_480]).toBe(1);
    expect((await ask(3, volumeBytes - 10, 100)).error).toBe(0);
    expect((await ask(0x10, volumeBytes - 10, 100)).error).toBe(errno.ENOSPC);
    expect((await ask(0, 0, 4_096)).error).toBe(errno.EOPNOTSUPP);
    expect((await ask(1, 0, 4_096)).error).toBe(errno.EOPNOTSUPP);
    expect((await ask(3, 0, 0)).error).toBe(errno.EINVAL);
  });

  test("SEEK_DATA and SEEK_HOLE find what is there, and the end", async () => {
    const { tree, volume } = world();
    volume.bytes.fill(1, 8_192, 12_288);
    const kernel = await TestKernel.ready(tree);
    const nodeId = await walk(kernel, "volume/test");
    const { fhLow, fhHigh } = await open(kernel, nodeId, 0);
    const seek = async (whence: number, offsetLow: number) => {
      const body = LseekIn.encode({ fhLow, fhHigh, offsetLow, offsetHigh: 0, whence });
      const reply = await kernel.ask("LSEEK", nodeId, body);
      return reply.error === 0 ? LseekOut.read(reply.view, 0).offset : -reply.error;
    };
    expect(await seek(3, 0)).toBe(8_192);
    expect(await seek(4, 8_192)).toBe(12_288);
    expect(await seek(3, 12_288)).toBe(-errno.ENXIO);
    expect(await seek(4, volumeBytes)).toBe(-errno.ENXIO);
  });
});

describe("control files", () => {
  test("a line written through an open that truncates is acted on, its error is the writer's", async () => {
    const lines: string[] = [];
    const act = (line: string): void => {
      lines.push(line);
      if (line !== "test\n") throw new SheepfsError("not_found", "no such VDI");
    };
    const kernel = await TestKernel.ready(world({ act }).tree);
    const nodeId = await walk(kernel, "vdi/mount");
    const fh = await open(kernel, nodeId, 0o1001);
    const good = writeBody(fh, 0, new TextEncoder().encode("test\n"));
    expect((await kernel.ask("WRITE", nodeId, good)).error).toBe(0);
    const bad = writeBody(fh, 5, new TextEncoder().encode("nosuch\n"));
    expect((await kernel.ask("WRITE", nodeId, bad)).error).toBe(errno.ENOENT);
    expect(lines).toEqual(["test\n", "nosuch\n"]);
  });

  test("a text cannot be opened for writing", async () => {
    const kernel = await TestKernel.ready(world().tree);
    const nodeId = await walk(kernel, "cluster/info");
    const reply = await kernel.ask("OPEN", nodeId, OpenIn.encode({ flags: 1, openFlags: 0 }));
    expect(reply.error).toBe(errno.EACCES);
  });
});

describe("what is not there does not succeed", () => {
  test("a volume is not truncated, its own size can be set", async () => {
    const kernel = await TestKernel.ready(world().tree);
    const nodeId = await walk(kernel, "volume/test");
    const valid = setattrValid.size;
    const set = async (size: number) =>
      (await kernel.ask("SETATTR", nodeId, setattrBody({ valid, size }))).error;
    expect(await set(0)).toBe(errno.EOPNOTSUPP);
    expect(await set(volumeBytes + 1)).toBe(errno.EOPNOTSUPP);
    expect(await set(volumeBytes)).toBe(0);
  });

  test("modes, owners and times are not changed", async () => {
    const kernel = await TestKernel.ready(world().tree);
    const nodeId = await walk(kernel, "volume/test");
    const set = async (values: Parameters<typeof setattrBody>[0]) =>
      (await kernel.ask("SETATTR", nodeId, setattrBody(values))).error;
    expect(await set({ valid: setattrValid.mode, mode: 0o100600 })).toBe(errno.EPERM);
    expect(await set({ valid: setattrValid.mode, mode: 0o100644 })).toBe(0);
    expect(await set({ valid: setattrValid.uid, uid: 7 })).toBe(errno.EPERM);
    expect(await set({ valid: setattrValid.mtime })).toBe(errno.EPERM);
  });
});
