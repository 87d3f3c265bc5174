import { expect, test } from "bun:test";
import { SheepfsError } from "../../../src/base/errors.ts";
import { retagSnapshot } from "../../../src/cluster/retag-snapshot.ts";
import { InodeHeaderStruct } from "../../../src/wire/inode.ts";
import { nameField } from "../../../src/wire/vdi.ts";
import { MemorySheep, never, text } from "./memory-sheep.ts";

const name = text("test");
const snapTime = { seconds: 5, nanoseconds: 0 };

function given() {
  const sheep = new MemorySheep();
  const one = sheep.add({ name, tag: text("one"), snapTime, snapId: 1 });
  const two = sheep.add({ name, tag: text("two"), snapTime, snapId: 2 });
  sheep.add({ name, snapId: 3 });
  return { sheep, one, two };
}

async function failure(work: Promise<unknown>): Promise<SheepfsError> {
  const thrown = await work.catch((error: unknown) => error);
  if (!(thrown instanceof SheepfsError)) throw new Error("it worked");
  return thrown;
}

const byTag = (tag: string) => ({ name, snapshot: { tag: text(tag) } });

// [S-138]
test("a snapshot with another tag is the same but for that", async () => {
  const { sheep, one } = given();
  const before = sheep.inodes.get(one)?.slice();
  const changed = await retagSnapshot(sheep, byTag("one"), text("three"), never);
  expect(changed).toMatchObject({ vid: one, snapId: 1, tag: text("three"), snapTime });
  before?.set(nameField(text("three")), InodeHeaderStruct.offsets.tag);
  expect(sheep.inodes.get(one)).toEqual(before as Uint8Array<ArrayBuffer>);
});

test("a tag that is there, of digits or empty, and what is no snapshot, are refused", async () => {
  const { sheep, one } = given();
  const rows = [
    [byTag("one"), "two", "exists"],
    [byTag("one"), "one", "exists"],
    [byTag("one"), "17", "invalid"],
    [byTag("one"), "", "invalid"],
    [byTag("one"), "x".repeat(256), "name_too_long"],
    [byTag("none"), "three", "not_found"],
    [{ name, snapshot: null }, "three", "invalid"],
    [{ name, snapshot: { id: 1 }, vid: 7 }, "three", "stale"],
    [{ name, snapshot: { id: 1 }, vid: one, tag: text("old") }, "three", "stale"],
  ] as const;
  for (const [which, tag, code] of rows) {
    const error = await failure(retagSnapshot(sheep, which, text(tag), never));
    expect([tag, error.code as string]).toEqual([tag, code]);
  }
  expect(sheep.seen.filter(({ opcode }) => opcode === "writeObject")).toEqual([]);
});

test("of two that take one tag in the same moment, none is left without a tag of its own", async () => {
  const { sheep, one, two } = given();
  let first = true;
  sheep.before = ({ opcode }, vid) => {
    if (opcode !== "writeObject" || vid !== one || !first) return;
    first = false;
    // The other one was faster.
    sheep.put(two, InodeHeaderStruct.offsets.tag, nameField(text("three")));
  };
  const error = await failure(retagSnapshot(sheep, byTag("one"), text("three"), never));
  expect(error.code).toBe("busy");
  const found = await failure(retagSnapshot(sheep, byTag("one"), text("three"), never));
  expect(found.code).toBe("exists");
  const next = await retagSnapshot(sheep, byTag("one"), text("four"), never);
  expect(next.vid).toBe(one);
});
