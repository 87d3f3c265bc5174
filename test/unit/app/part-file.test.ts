import { expect, test } from "bun:test";
import {
  closeSync,
  existsSync,
  linkSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { PartFile } from "../../../src/app/backup/part-file.ts";
import { lockFile } from "../../../src/sys/file-lock.ts";
import { TemporaryFolder } from "../../support/process.ts";

const bytes = new TextEncoder().encode("what was exported");

async function written(path: string, resume = false): Promise<boolean> {
  const { file, found } = await PartFile.open(path, resume);
  await using part = file;
  await part.write(bytes, 0);
  await part.finish();
  return found;
}

/** As another process has it: the file is open, and locked. */
function otherPart(part: string): Disposable {
  const fd = openSync(part, "w");
  expect(lockFile(fd)).toBe(true);
  return { [Symbol.dispose]: () => closeSync(fd) };
}

/** Begins to open, and does something when the file is open and not locked yet. */
async function between(path: string, fn: () => void): Promise<PartFile> {
  const opening = PartFile.open(path, false);
  // Opened by a thread meanwhile, as this one does not go on.
  Bun.sleepSync(200);
  fn();
  return (await opening).file;
}

test("[S-116] an export that begins when another one gives up has a part of its own", async () => {
  using folder = new TemporaryFolder();
  const path = join(folder.path, "a.img");
  const part = `${path}.part`;
  const other = otherPart(part);
  await using file = await between(path, () => {
    rmSync(part);
    other[Symbol.dispose]();
  });
  await file.write(bytes, 0);
  await file.finish();
  expect(readFileSync(path)).toEqual(Buffer.from(bytes));
});

test("[S-116] an export that begins when another one ends, and a third has begun, is refused", async () => {
  using folder = new TemporaryFolder();
  const path = join(folder.path, "a.img");
  const part = `${path}.part`;
  const other = otherPart(part);
  await using stack = new AsyncDisposableStack();
  const opening = between(path, () => {
    renameSync(part, join(folder.path, "moved.img"));
    other[Symbol.dispose]();
    stack.use(otherPart(part));
    writeFileSync(part, "third");
  });
  await expect(opening).rejects.toMatchObject({ code: "busy" });
  expect(readFileSync(part, "utf8")).toBe("third");
});

test("[S-116] a file that gets the name while an image is written is left as it is", async () => {
  using folder = new TemporaryFolder();
  const path = join(folder.path, "a.img");
  const { file } = await PartFile.open(path, false);
  await file.write(bytes, 0);
  writeFileSync(path, "somebody's");
  await expect(file.finish()).rejects.toMatchObject({ code: "exists" });
  const converted = join(folder.path, "a.img.qcow2.part");
  writeFileSync(converted, bytes);
  await expect(file.finish(converted)).rejects.toMatchObject({ code: "exists" });
  await file[Symbol.asyncDispose]();
  expect(readFileSync(path, "utf8")).toBe("somebody's");
  expect([`${path}.part`, converted].filter((one) => existsSync(one))).toEqual([]);
});

test("[S-116] a part that somebody has taken away is not finished with another one's", async () => {
  using folder = new TemporaryFolder();
  const path = join(folder.path, "a.img");
  const { file } = await PartFile.open(path, false);
  await file.write(bytes, 0);
  rmSync(`${path}.part`);
  writeFileSync(`${path}.part`, "another's");
  await expect(file.finish()).rejects.toMatchObject({ code: "stale" });
  await file[Symbol.asyncDispose]();
  expect(existsSync(path)).toBe(false);
  expect(readFileSync(`${path}.part`, "utf8")).toBe("another's");
});

test("[S-116] a part that is a finished image under another name is not written to", async () => {
  using folder = new TemporaryFolder();
  const path = join(folder.path, "a.img");
  const finished = join(folder.path, "moved.img");
  writeFileSync(finished, "finished");
  linkSync(finished, `${path}.part`);
  expect(await written(path, true)).toBe(false);
  expect([readFileSync(finished, "utf8"), readFileSync(path)]).toEqual([
    "finished",
    Buffer.from(bytes),
  ]);
});
