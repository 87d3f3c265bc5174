import { expect, test } from "bun:test";
import { cpSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { limits } from "../../../src/base/limits.ts";
import { silentLogger } from "../../../src/base/log.ts";
import { Journal } from "../../../src/sheep/journal.ts";
import { encodeRecord, metaKinds, objectKinds } from "../../../src/sheep/record.ts";
import { Store } from "../../../src/sheep/store.ts";
import { realClock } from "../../../src/sys/clock.ts";
import { TemporaryFolder } from "../../support/process.ts";
import { Dice } from "./random.ts";

const inode = (vid: number) => ({ kind: metaKinds.inode, vid, index: 0 }) as const;
const object = (index: number) => ({ kind: objectKinds.data, vid: 1, index }) as const;

async function open(dir: string, boot = "one boot"): Promise<Store> {
  return await Store.open(dir, { clock: realClock, log: silentLogger, boot });
}

function word(store: Store, vid: number, offset = 0): number {
  const bytes = new Uint8Array(4);
  store.meta.read(inode(vid), bytes, 0, 4, offset);
  return new DataView(bytes.buffer).getUint32(0, true);
}

function setWord(store: Store, vid: number, value: number, offset = 0): void {
  const bytes = new Uint8Array(new Uint32Array([value]).buffer);
  store.commit([{ type: "write", ...inode(vid), offset, bytes }]);
}

const journalHeaderBytes = 4096;
const recordBytes = encodeRecord(0, [
  { type: "write", ...inode(5), offset: 0, bytes: new Uint8Array(4) },
]).length;

/** What a process that was killed at this moment leaves behind. */
function leftBehind(dir: string, folder: TemporaryFolder, name: string): string {
  const copy = join(folder.path, name);
  cpSync(dir, copy, { recursive: true });
  return copy;
}

test("metadata is there after the process ended without a word", async () => {
  using folder = new TemporaryFolder();
  const dir = join(folder.path, "store");
  const store = await open(dir);
  setWord(store, 5, 42);
  setWord(store, 5, 43, 100_000);
  store.commit([{ type: "forget", ...inode(6) }]);
  const copy = leftBehind(dir, folder, "copy");
  await store.close();
  const again = await open(copy);
  expect(word(again, 5)).toBe(42);
  expect(word(again, 5, 100_000)).toBe(43);
  expect(again.meta.bytes(inode(6))).toBe(-1);
  await again.close();
});

test("a journal that ends anywhere in a record counts up to that record", async () => {
  using folder = new TemporaryFolder();
  const dir = join(folder.path, "store");
  const store = await open(dir);
  // No byte of them is one that lies behind a tear by chance.
  const values = [1, 2, 3].map((value) => value * 0x0101_0101);
  for (const value of values) setWord(store, 5, value);
  const ends = values.map((_, index) => journalHeaderBytes + (index + 1) * recordBytes);
  const whole = readFileSync(join(dir, "journal-a")).subarray(0, 2 * journalHeaderBytes);
  await store.close();
  const torn = join(folder.path, "torn");
  mkdirSync(torn);
  writeFileSync(join(torn, "journal-b"), new Uint8Array(2 * journalHeaderBytes));
  for (let end = journalHeaderBytes; end <= (ends.at(-1) ?? 0); end += 1) {
    // Behind the tear lie zeros, or what an older record has left.
    for (const behind of [0, 0xa5]) {
      writeFileSync(join(torn, "journal-a"), Buffer.from(whole).fill(behind, end));
      const { journal, content } = Journal.open(torn, "one boot");
      journal.close();
      const counted = ends.filter((place) => place <= end).length;
      expect([end, behind, content.records.length]).toEqual([end, behind, counted]);
      expect(content.end).toBe(counted * recordBytes);
    }
  }
});

// [S-4]
test("after power loss a start goes back to the last sync", async () => {
  using folder = new TemporaryFolder();
  const dir = join(folder.path, "store");
  const store = await open(dir);
  store.create(object(1), { data: new Uint8Array([1]), offset: 0, objectBytes: 4096 });
  setWord(store, 5, 1);
  await store.sync();
  setWord(store, 5, 2);
  setWord(store, 7, 2);
  store.remove(object(1));
  const copy = leftBehind(dir, folder, "copy");
  await store.close();
  const again = await open(copy, "another boot");
  expect(word(again, 5)).toBe(1);
  expect(again.meta.bytes(inode(7))).toBe(-1);
  expect(again.exists(object(1))).toBe(true);
  await again.close();
});

test("an object's file stays until the record of its removal survives power loss", async () => {
  using folder = new TemporaryFolder();
  const store = await open(join(folder.path, "store"));
  store.create(object(1), { data: new Uint8Array([1]), offset: 0, objectBytes: 4096 });
  await store.sync();
  expect(store.remove(object(1))).toBe(true);
  expect(store.exists(object(1))).toBe(false);
  expect([...store.list(null)]).toEqual([]);
  expect(store.objects.exists(object(1))).toBe(true);
  await store.sync();
  expect(store.objects.exists(object(1))).toBe(false);
  await store.close();
});

test("more changes than a journal holds are carried over while others go on", async () => {
  using folder = new TemporaryFolder();
  const dir = join(folder.path, "store");
  const store = await open(dir);
  const changes = Math.ceil((6 * limits.sheepJournalBytes) / 4096);
  for (let change = 1; change <= changes; change += 1) {
    await store.room();
    const bytes = new Uint8Array(4096).fill(change % 251);
    store.commit([{ type: "write", ...inode(1 + (change % 3)), offset: change * 512, bytes }]);
    setWord(store, 9, change);
  }
  const copy = leftBehind(dir, folder, "copy");
  await store.close();
  for (const place of [copy, dir]) {
    const again = await open(place);
    expect(word(again, 9)).toBe(changes);
    const bytes = new Uint8Array(4096);
    again.meta.read(inode(1 + (changes % 3)), bytes, 0, bytes.length, changes * 512);
    expect(bytes.every((byte) => byte === changes % 251)).toBe(true);
    await again.close();
  }
  expect(readFileSync(join(dir, "journal-a")).length).toBeLessThan(2 * limits.sheepJournalBytes);
});

test("a store that was closed refuses, and does not touch what has its descriptors now", async () => {
  using folder = new TemporaryFolder();
  const store = await open(join(folder.path, "store"));
  await store.close();
  expect(() => setWord(store, 5, 1)).toThrow("closed");
  expect(() => store.exists(object(1))).toThrow("closed");
});

test("after power loss at any moment the metadata is that of one moment since the last sync", async () => {
  using folder = new TemporaryFolder();
  const dice = new Dice();
  const dir = join(folder.path, "store");
  const store = await open(dir);
  // Each change writes its number into two files at once.
  let change = 0;
  let synced = 0;
  for (let round = 0; round < 12; round += 1) {
    for (let step = dice.below(300); step > 0; step -= 1) {
      change += 1;
      const bytes = new Uint8Array(8192);
      new DataView(bytes.buffer).setUint32(0, change, true);
      const place = { type: "write", offset: 0, bytes } as const;
      store.commit([
        { ...place, ...inode(5) },
        { ...place, ...inode(6) },
      ]);
      await store.room();
    }
    if (dice.below(2) === 0) {
      await store.sync();
      synced = change;
    }
    const copy = leftBehind(dir, folder, `copy${round}`);
    const again = await open(copy, "another boot");
    expect(word(again, 5)).toBe(word(again, 6));
    expect(word(again, 5)).toBeGreaterThanOrEqual(synced);
    expect(word(again, 5)).toBeLessThanOrEqual(change);
    await again.close();
    rmSync(copy, { recursive: true });
  }
  await store.close();
});
