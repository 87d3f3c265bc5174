import { describe, expect, test } from "bun:test";
import {
  AttrOut,
  Dirent,
  EntryOut,
  ForgetIn,
  fileType,
  OpenIn,
  OpenOut,
  StatfsOut,
  StatxIn,
  StatxOut,
} from "../../../src/fuse/abi.ts";
import { errno } from "../../../src/fuse/errno.ts";
import { FixedDir } from "../../../src/tree/dir.ts";
import { readBody, releaseBody, root, volumeBytes, walk, world } from "./conversation.ts";
import { nameBytes, TestKernel } from "./kernel.ts";
import { MemoryDir, MemoryText, MemoryTree } from "./memory-tree.ts";

describe("names and attributes", () => {
  test("a look-up gives a nodeid that means the node until it is forgotten as often", async () => {
    const kernel = await TestKernel.ready(world().tree);
    const first = await walk(kernel, "cluster");
    const second = await walk(kernel, "cluster");
    expect(second).toBe(first);
    kernel.tell("FORGET", first, ForgetIn.encode({ lookups: 1 }));
    expect((await kernel.ask("GETATTR", first, new Uint8Array(16))).error).toBe(0);
    kernel.tell("FORGET", first, ForgetIn.encode({ lookups: 1 }));
    expect((await kernel.ask("GETATTR", first, new Uint8Array(16))).error).toBe(errno.ESTALE);
    expect(await walk(kernel, "cluster")).not.toBe(first);
  });

  test("BATCH_FORGET takes back as many as it lists and no more than are there", async () => {
    const kernel = await TestKernel.ready(world().tree);
    const cluster = await walk(kernel, "cluster");
    const vdi = await walk(kernel, "vdi");
    const body = new Uint8Array(8 + 2 * 16);
    const view = new DataView(body.buffer);
    view.setUint32(0, 1_000_000, true);
    view.setUint32(8, cluster, true);
    view.setUint32(16, 1, true);
    view.setUint32(24, vdi, true);
    view.setUint32(32, 1, true);
    kernel.tell("BATCH_FORGET", 0, body);
    expect(kernel.server.nodes.size).toBe(1);
  });

  test("the kernel asks for a name each time, unless it always means the same", async () => {
    const fixed = new FixedDir(2, 0, { info: new MemoryText("here\n") });
    const kernel = await TestKernel.ready(new MemoryTree(new MemoryDir({ fixed })));
    const believed = async (nodeId: number, name: string): Promise<number> => {
      const { view } = await kernel.ask("LOOKUP", nodeId, nameBytes(name));
      return EntryOut.read(view, 0).entryValidS;
    };
    expect(await believed(root, "fixed")).toBe(0);
    expect(await believed(await walk(kernel, "fixed"), "info")).toBe(3600);
  });

  test("the root is never forgotten", async () => {
    const kernel = await TestKernel.ready(world().tree);
    kernel.tell("FORGET", root, ForgetIn.encode({ lookups: 100 }));
    expect((await kernel.ask("GETATTR", root, new Uint8Array(16))).error).toBe(0);
  });

  test("a name that is not there, or no UTF-8, is ENOENT", async () => {
    const kernel = await TestKernel.ready(world().tree);
    expect((await kernel.ask("LOOKUP", root, nameBytes("nosuch"))).error).toBe(errno.ENOENT);
    const bad = new Uint8Array([0xff, 0xfe, 0]);
    expect((await kernel.ask("LOOKUP", root, bad)).error).toBe(errno.ENOENT);
  });

  test("a look-up in a file is ENOTDIR", async () => {
    const kernel = await TestKernel.ready(world().tree);
    const test = await walk(kernel, "volume/test");
    expect((await kernel.ask("LOOKUP", test, nameBytes("x"))).error).toBe(errno.ENOTDIR);
  });

  test("stat shows size, blocks and block size of a volume", async () => {
    const kernel = await TestKernel.ready(world().tree);
    const nodeId = await walk(kernel, "volume/test");
    const reply = await kernel.ask("GETATTR", nodeId, new Uint8Array(16));
    expect(AttrOut.read(reply.view, 0)).toMatchObject({
      size: volumeBytes,
      blocks: volumeBytes / 512,
      blksize: 4096,
      nlink: 1,
      mode: fileType.file | 0o644,
      mtime: 1_700_000_000,
      mtimeNs: 500_000_000,
    });
  });

  test("statx shows the time of birth", async () => {
    const kernel = await TestKernel.ready(world().tree);
    const nodeId = await walk(kernel, "volume/test");
    const body = StatxIn.encode({
      getattrFlags: 0,
      fhLow: 0,
      fhHigh: 0,
      sxFlags: 0,
      sxMask: 0xfff,
    });
    const reply = await kernel.ask("STATX", nodeId, body);
    expect(StatxOut.read(reply.view, 0)).toMatchObject({
      size: volumeBytes,
      birthtime: 1_700_000_000,
    });
  });

  test("df shows the space of the tree", async () => {
    const kernel = await TestKernel.ready(world().tree);
    const out = StatfsOut.read((await kernel.ask("STATFS", root)).view, 0);
    expect(out.blocks * out.fragmentBytes).toBe(1 << 30);
    expect(out.blocksFree * out.fragmentBytes).toBe(1 << 29);
  });
});

describe("directories", () => {
  async function names(kernel: TestKernel, size: number, plus: boolean): Promise<string[]> {
    const fh = OpenOut.read(
      (await kernel.ask("OPENDIR", root, OpenIn.encode({ flags: 0, openFlags: 0 }))).view,
      0,
    );
    const found: string[] = [];
    let offset = 0;
    for (;;) {
      const name = plus ? "READDIRPLUS" : "READDIR";
      const reply = await kernel.ask(name, root, readBody(fh, offset, size));
      expect(reply.error).toBe(0);
      if (reply.body.length === 0) break;
      let at = 0;
      while (at < reply.body.length) {
        if (plus) at += EntryOut.size;
        const entry = Dirent.read(reply.view, at);
        const start = at + Dirent.size;
        found.push(new TextDecoder().decode(reply.body.subarray(start, start + entry.nameBytes)));
        offset = entry.off;
        at += Math.ceil((Dirent.size + entry.nameBytes) / 8) * 8;
      }
    }
    expect((await kernel.ask("RELEASEDIR", root, releaseBody(fh))).error).toBe(0);
    return found;
  }

  for (const plus of [false, true]) {
    for (const size of [4096, 200]) {
      const how = `${plus ? "READDIRPLUS" : "READDIR"} in pieces of ${size} bytes`;
      test(`${how} lists every name once`, async () => {
        const kernel = await TestKernel.ready(world().tree);
        expect(await names(kernel, size, plus)).toEqual([".", "..", "cluster", "vdi", "volume"]);
      });
    }
  }

  test("a listing with attributes counts its look-ups", async () => {
    const kernel = await TestKernel.ready(world().tree);
    await names(kernel, 4096, true);
    expect(kernel.server.nodes.size).toBe(4);
    await names(kernel, 4096, false);
    expect(kernel.server.nodes.save().length).toBe(3);
    const { nodes } = kernel.server;
    const ids = ["cluster", "vdi", "volume"].map((_, index) => root + 1 + index);
    for (const nodeId of ids) nodes.forget(nodeId, 1);
    expect(nodes.size).toBe(1);
  });
});
