import { expect, test } from "bun:test";
import { SheepfsError } from "../../../src/base/errors.ts";
import { CancelScope } from "../../../src/base/scope.ts";
import { FlushIn, RenameIn, WriteOut } from "../../../src/fuse/abi.ts";
import { errno } from "../../../src/fuse/errno.ts";
import { type MessageName, messageTable } from "../../../src/fuse/messages.ts";
import { type SessionChange, savedSession } from "../../../src/fuse/saved.ts";
import type { DirNode, Tree } from "../../../src/tree/node.ts";
import { type Fh, open, readBody, walk, world, writeBody } from "./conversation.ts";
import { messageBytes, type Reply, TestKernel } from "./kernel.ts";
import { MemoryDir } from "./memory-tree.ts";

const scope = new CancelScope(Number.POSITIVE_INFINITY);
const bytesOf = (text: string): Uint8Array => new TextEncoder().encode(text);

class Predecessor {
  readonly changes: SessionChange[] = [];
  readonly kernel: TestKernel;

  constructor(tree: Tree) {
    const note = (change: SessionChange): void => {
      this.changes.push(JSON.parse(JSON.stringify(change)));
    };
    this.kernel = new TestKernel(tree, { notes: { note } });
  }

  /** Another server in its place, on a tree that was made anew. */
  async succeed(tree: Tree, changes = this.changes): Promise<TestKernel> {
    const next = new TestKernel(tree, { notes: { note: () => {} } });
    expect(await next.server.resume(savedSession(changes), scope)).toBe(true);
    return next;
  }
}

/** Sends a message as one that was read before. */
async function resend(
  kernel: TestKernel,
  name: MessageName,
  message: { readonly unique: number; readonly nodeId: number; readonly body: Uint8Array },
): Promise<Reply> {
  const bytes = messageBytes(
    messageTable[name].opcode,
    message.unique,
    message.nodeId,
    message.body,
  );
  const view = new DataView(bytes.buffer);
  view.setUint32(12, (view.getUint32(12, true) | 0x8000_0000) >>> 0, true);
  const before = kernel.replies.length;
  kernel.raw(bytes);
  while (kernel.replies.length === before) await new Promise((resolve) => setImmediate(resolve));
  const reply = kernel.replies.at(-1);
  if (reply === undefined) throw new Error("it was answered");
  return reply;
}

// [S-91]
test("nodes and open files are what they were, and new numbers are new", async () => {
  const before = new Predecessor(world().tree);
  await before.kernel.init();
  const volumeId = await walk(before.kernel, "volume/test");
  const textId = await walk(before.kernel, "cluster/info");
  const closed = await open(before.kernel, volumeId, 0);
  const volume = await open(before.kernel, volumeId, 2);
  const text = await open(before.kernel, textId, 0);
  before.kernel.server.handles.remove(closed.fhLow, closed.fhHigh);
  const { tree } = world();
  const next = await before.succeed(tree);
  expect((await next.ask("READ", volumeId, readBody(volume, 0, 512))).body.length).toBe(512);
  const info = await next.ask("READ", textId, readBody(text, 0, 4096));
  expect(new TextDecoder().decode(info.body)).toBe("Cluster status: running\n");
  expect((await next.ask("READ", volumeId, readBody(closed, 0, 512))).error).toBe(errno.EBADF);
  const fresh = await open(next, volumeId, 0);
  expect([fresh.fhLow, fresh.fhHigh]).not.toEqual([closed.fhLow, closed.fhHigh]);
  // What is saved anew is the same again.
  const again = savedSession(next.server.save());
  expect(again.nodes.length).toBe(savedSession(before.changes).nodes.length);
  expect(again.handles.length).toBe(3);
});

// [S-91]
test("what is open of a node that is gone is stale", async () => {
  const before = new Predecessor(world().tree);
  await before.kernel.init();
  const nodeId = await walk(before.kernel, "volume/test");
  const fh = await open(before.kernel, nodeId, 2);
  const changes = before.changes.map((change) =>
    change.is === "node" && change.node.name === "test"
      ? { ...change, node: { ...change.node, name: "gone" } }
      : change,
  );
  const next = await before.succeed(world().tree, changes);
  const read = await next.ask("READ", nodeId, readBody(fh, 0, 512));
  const write = await next.ask("WRITE", nodeId, writeBody(fh, 0, new Uint8Array(512)));
  expect([read.error, write.error]).toEqual([errno.ESTALE, errno.ESTALE]);
});

async function control(acts: string[], fails: boolean): Promise<[Predecessor, number, Fh]> {
  const act = (line: string): void => {
    acts.push(line);
    if (fails) throw new SheepfsError("busy", "in use");
  };
  const before = new Predecessor(world({ act }).tree);
  await before.kernel.init();
  const nodeId = await walk(before.kernel, "vdi/mount");
  return [before, nodeId, await open(before.kernel, nodeId, 1)];
}

// [S-91]
test("a line that has acted does not act again, and gets the answer that it had", async () => {
  for (const fails of [false, true]) {
    const acts: string[] = [];
    const [before, nodeId, fh] = await control(acts, fails);
    const body = writeBody(fh, 0, bytesOf("web1\n"));
    const { unique, reply } = before.kernel.post("WRITE", nodeId, body);
    const first = await reply;
    const next = await before.succeed(world({ act: (line) => void acts.push(line) }).tree);
    const second = await resend(next, "WRITE", { unique, nodeId, body });
    expect(acts).toEqual(["web1\n"]);
    expect(second.error).toBe(first.error);
    expect(second.error).toBe(fails ? errno.EBUSY : 0);
    if (!fails) expect(WriteOut.read(second.view, 0).size).toBe(5);
  }
});

// [S-91]
test("a line that may have acted fails with EIO, and one that had not begun acts", async () => {
  const acts: string[] = [];
  const [before, nodeId, fh] = await control(acts, false);
  const body = writeBody(fh, 0, bytesOf("web1\n"));
  const { unique, reply } = before.kernel.post("WRITE", nodeId, body);
  await reply;
  const after = (line: string): void => void acts.push(line);
  const begun = before.changes.filter(({ is }) => is !== "act");
  const act = { unique: `0:${unique}`, outcome: null };
  const torn = await before.succeed(world({ act: after }).tree, [...begun, { is: "act", act }]);
  expect((await resend(torn, "WRITE", { unique, nodeId, body })).error).toBe(errno.EIO);
  const whole = await before.succeed(world({ act: after }).tree, begun);
  expect((await resend(whole, "WRITE", { unique, nodeId, body })).error).toBe(0);
  expect(acts).toEqual(["web1\n", "web1\n"]);
});

/** A tree whose volume/ tells what is removed and made in it. */
function changing(done: string[]): Tree {
  const { tree } = world();
  const dir = tree.root.lookup("volume") as DirNode;
  dir.remove = (name) => void done.push(`rm ${name}`);
  dir.move = (name, _into, toName) => void done.push(`mv ${name} ${toName}`);
  dir.makeDir = (name) => {
    done.push(`mkdir ${name}`);
    return new MemoryDir({});
  };
  return tree;
}

// [S-138]
test("a file that was renamed is found under its new name by the next server", async () => {
  const before = new Predecessor(changing([]));
  await before.kernel.init();
  const dirId = await walk(before.kernel, "volume");
  const nodeId = await walk(before.kernel, "volume/test");
  const rename = Uint8Array.of(...RenameIn.encode({ newDirLow: dirId }), ...bytesOf("test\0new\0"));
  expect((await before.kernel.ask("RENAME", dirId, rename)).error).toBe(0);
  const node = { nodeId, parentNodeId: dirId, name: "new" };
  expect(savedSession(before.changes).nodes).toContainEqual(node);
  expect(before.kernel.server.save()).toContainEqual({ is: "node", node });
});

// [S-91]
test("what was removed or made is not removed or made again", async () => {
  const rows = [
    ["UNLINK", bytesOf("test\0"), "rm test", 0],
    ["MKDIR", Uint8Array.of(...new Uint8Array(8), ...bytesOf("new\0")), "mkdir new", errno.EEXIST],
  ] as const;
  for (const [name, body, what, error] of rows) {
    const done: string[] = [];
    const before = new Predecessor(changing(done));
    await before.kernel.init();
    const nodeId = await walk(before.kernel, "volume");
    const { unique, reply } = before.kernel.post(name, nodeId, body);
    expect((await reply).error).toBe(0);
    const next = await before.succeed(changing(done));
    expect((await resend(next, name, { unique, nodeId, body })).error).toBe(error);
    expect(done).toEqual([what]);
    const act = { unique: `0:${unique}`, outcome: null };
    const begun = before.changes.filter(({ is }) => is !== "act");
    const torn = await before.succeed(changing(done), [...begun, { is: "act", act }]);
    expect((await resend(torn, name, { unique, nodeId, body })).error).toBe(errno.EIO);
    expect(done).toEqual([what]);
  }
});

test("a line whose beginning was lost fails when it is ended", async () => {
  const [before, nodeId, fh] = await control([], false);
  const changes: SessionChange[] = [
    ...before.changes,
    { is: "unfinished", low: fh.fhLow, unfinished: true },
  ];
  const next = await before.succeed(world().tree, changes);
  const flush = FlushIn.encode({ fhLow: fh.fhLow, fhHigh: fh.fhHigh });
  expect((await next.ask("FLUSH", nodeId, flush)).error).toBe(errno.EIO);
  expect((await next.ask("FLUSH", nodeId, flush)).error).toBe(0);
});

test("a kernel that knows how is asked to send again, by a message of its own", async () => {
  const before = new Predecessor(world().tree);
  await before.kernel.init();
  const next = await before.succeed(world().tree);
  next.server.askResend();
  expect(next.replies.at(-1)).toMatchObject({ unique: 0, error: -7 });
});
