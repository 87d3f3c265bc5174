import { expect } from "bun:test";
import type { ErrorCode } from "../../src/base/errors.ts";
import type { Subject } from "./subject.ts";

const decoder = new TextDecoder();
const encoder = new TextEncoder();

/** The whole content of a text, as a program reads it: in pieces until there is no more. */
export async function readText(subject: Subject, path: string): Promise<string> {
  await using file = await subject.open(path, "read");
  const pieces: Uint8Array[] = [];
  let offset = 0;
  for (;;) {
    const piece = await file.read(offset, 1_000);
    if (piece.length === 0) return decoder.decode(Buffer.concat(pieces));
    pieces.push(piece);
    offset += piece.length;
  }
}

/** What `printf TEXT > PATH` does. */
export async function writeText(subject: Subject, path: string, text: string): Promise<void> {
  const file = await subject.open(path, "write");
  try {
    expect(await file.write(0, encoder.encode(text))).toBe(encoder.encode(text).length);
  } catch (thrown) {
    await file.close().catch(() => {});
    throw thrown;
  }
  await file.close();
}

export function attach(subject: Subject, name: string): Promise<void> {
  return writeText(subject, "vdi/mount", `${name}\n`);
}

export function detach(subject: Subject, name: string): Promise<void> {
  return writeText(subject, "vdi/unmount", `${name}\n`);
}

/** Asserts that something fails as that code is shown here. */
export async function expectFailure(
  subject: Subject,
  work: Promise<unknown>,
  code: ErrorCode,
): Promise<void> {
  let thrown: unknown = null;
  try {
    await work;
  } catch (failure) {
    thrown = failure ?? new Error("nothing was thrown");
  }
  if (thrown === null) throw new Error(`no failure where '${code}' was expected`);
  if (!subject.shows(thrown, code)) {
    throw new Error(`not '${code}': ${String(thrown)}`, { cause: thrown });
  }
}

const eventuallyMs = 10_000;

/** Waits until something is so: for what may be seen only after a stated time. */
export async function eventually(what: string, isSo: () => Promise<boolean>): Promise<void> {
  const endMs = performance.now() + eventuallyMs;
  while (!(await isSo())) {
    if (performance.now() > endMs) throw new Error(`not within ${eventuallyMs} ms: ${what}`);
    await Bun.sleep(10);
  }
}

export function pattern(length: number, seed: number): Uint8Array {
  return Uint8Array.from({ length }, (_, at) => (at * 31 + (at >>> 9) * 7 + seed) & 0xff);
}

/** The bytes of a part of a volume, read at once. */
export async function readPart(
  subject: Subject,
  path: string,
  offset: number,
  length: number,
): Promise<Uint8Array> {
  await using file = await subject.open(path, "read");
  return await file.read(offset, length);
}

export async function writePart(
  subject: Subject,
  path: string,
  offset: number,
  bytes: Uint8Array,
): Promise<number> {
  await using file = await subject.open(path, "readwrite");
  return await file.write(offset, bytes);
}

export function sameContent(a: Uint8Array, b: Uint8Array): boolean {
  return Buffer.compare(a, b) === 0;
}
