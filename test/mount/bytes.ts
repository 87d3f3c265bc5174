import { closeSync, openSync, readSync, writeSync } from "node:fs";
import { open } from "node:fs/promises";

export const MiB = 1 << 20;

/** Bytes that differ by place and by seed. */
export function pattern(bytes: number, seed: number): Buffer {
  const buffer = Buffer.alloc(bytes);
  for (let at = 0; at < bytes; at += 1) buffer[at] = (at * 31 + (at >>> 9) * 7 + seed) & 0xff;
  return buffer;
}

export function readAt(path: string, offset: number, length: number): Buffer {
  const fd = openSync(path, "r");
  try {
    return readOpen(fd, offset, length);
  } finally {
    closeSync(fd);
  }
}

export function writeAt(path: string, offset: number, bytes: Buffer): number {
  const fd = openSync(path, "r+");
  try {
    return writeOpen(fd, offset, bytes);
  } finally {
    closeSync(fd);
  }
}

export function readOpen(fd: number, offset: number, length: number): Buffer {
  const buffer = Buffer.alloc(length);
  return buffer.subarray(0, readSync(fd, buffer, 0, length, offset));
}

export function writeOpen(fd: number, offset: number, bytes: Buffer): number {
  return writeSync(fd, bytes, 0, bytes.length, offset);
}

/** The same many times on one open file, and without blocking this process. */
export async function writeEach(
  path: string,
  offsets: readonly number[],
  bytes: Buffer,
): Promise<void> {
  await using file = await open(path, "r+");
  for (const offset of offsets) await file.write(bytes, 0, bytes.length, offset);
}

export async function readEach(
  path: string,
  offsets: readonly number[],
  length: number,
): Promise<Buffer[]> {
  await using file = await open(path, "r");
  const found: Buffer[] = [];
  for (const offset of offsets) {
    const { bytesRead, buffer } = await file.read(Buffer.alloc(length), 0, length, offset);
    found.push(buffer.subarray(0, bytesRead));
  }
  return found;
}
