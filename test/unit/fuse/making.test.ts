import { expect, test } from "bun:test";
import { type Logger, silentLogger } from "../../../src/base/log.ts";
import { CreateIn, EntryOut, OpenOut, openExclusive } from "../../../src/fuse/abi.ts";
import { errno } from "../../../src/fuse/errno.ts";
import { EventHub, NodeIds } from "../../../src/tree/events.ts";
import { scratchDir } from "../../../src/tree/scratch.ts";
import { ManualClock, turns } from "../tree/manual-clock.ts";
import { releaseBody, walk } from "./conversation.ts";
import { nameBytes, TestKernel } from "./kernel.ts";
import { MemoryDir, MemoryTree } from "./memory-tree.ts";

const readWrite = 2;

function createBody(name: string, flags = readWrite): Uint8Array {
  return Buffer.concat([CreateIn.encode({ flags, mode: 0o644 }), nameBytes(name)]);
}

async function given(log: Logger = silentLogger) {
  const ids = new NodeIds();
  // Those of the other directories are counted from 1 too.
  for (let taken = 0; taken < 1_000; taken += 1) ids.next();
  const dir = scratchDir({ ids, clock: new ManualClock(), events: new EventHub() });
  const kernel = await TestKernel.ready(new MemoryTree(new MemoryDir({ scratch: dir })), { log });
  return { kernel, nodeId: await walk(kernel, "scratch") };
}

test("a new file is known to the kernel and open when it is told of", async () => {
  const { kernel, nodeId } = await given();
  const { error, body, view } = await kernel.ask("CREATE", nodeId, createBody("new"));
  expect([error, body.length]).toEqual([0, EntryOut.size + OpenOut.size]);
  const made = EntryOut.read(view, 0).nodeId;
  expect(await walk(kernel, "scratch/new")).toBe(made);
  const fh = OpenOut.read(view, EntryOut.size);
  expect((await kernel.ask("RELEASE", made, releaseBody(fh))).error).toBe(0);
});

test("a new file that nobody waits for any more is not open, and no other request is answered", async () => {
  const errors: string[] = [];
  const log = { ...silentLogger, error: (text: string) => void errors.push(text) };
  const { kernel, nodeId } = await given(log);
  const replies = kernel.replies.length;
  for (const name of ["a", "b", "c"]) {
    const { unique } = kernel.post("CREATE", nodeId, createBody(name));
    kernel.unwanted.add(unique);
    await turns();
  }
  expect([errors, kernel.replies.length]).toEqual([[], replies]);
  // Had they stayed open, the first handle would not be free.
  const { view } = await kernel.ask("CREATE", nodeId, createBody("d"));
  expect(OpenOut.read(view, EntryOut.size).fhLow).toBe(0);
});

test("who makes a file that somebody else has just made opens it, but not with O_EXCL", async () => {
  const { kernel, nodeId } = await given();
  const first = await kernel.ask("CREATE", nodeId, createBody("new"));
  const second = await kernel.ask("CREATE", nodeId, createBody("new"));
  expect([first.error, second.error]).toEqual([0, 0]);
  expect(EntryOut.read(second.view, 0).nodeId).toBe(EntryOut.read(first.view, 0).nodeId);
  const third = await kernel.ask("CREATE", nodeId, createBody("new", readWrite | openExclusive));
  expect(third.error).toBe(errno.EEXIST);
});
