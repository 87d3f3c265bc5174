import { ptr } from "bun:ffi";
import { readdirSync, readFileSync, readlinkSync } from "node:fs";
import { cString, libc, result } from "./libc.ts";

const closeOnExec = 1;

/**
 * A file without a name in any folder, gone with its last descriptor.
 * @param name what /proc shows it as
 * @returns the descriptor, or the negative errno
 */
export function memoryFile(name: string): number {
  return result(libc.memfd_create(ptr(cString(name)), closeOnExec));
}

/** One that a process has open, and where it can be read meanwhile. */
export interface MemoryFileAt {
  readonly pid: number;
  readonly path: string;
}

/** Those of all processes, as far as we may look into them; of each process at most one. */
export function memoryFilesNamed(name: string): MemoryFileAt[] {
  return readdirSync("/proc")
    .filter((entry) => /^[0-9]+$/.test(entry))
    .flatMap((pid) => memoryFileOf(Number(pid), name) ?? []);
}

/** The one of this process; null when it has none. */
export function memoryFileOf(pid: number, name: string): MemoryFileAt | null {
  const folder = `/proc/${pid}/fd`;
  // Processes come and go while we look, and others' are closed to us.
  try {
    const fd = readdirSync(folder).find((one) =>
      readlinkSync(`${folder}/${one}`).startsWith(`/memfd:${name} `),
    );
    return fd === undefined ? null : { pid, path: `${folder}/${fd}` };
  } catch {
    return null;
  }
}

/** What a program of ours has written to it; null when it is gone, or still empty. */
export function jsonOf<T>({ path }: MemoryFileAt): T | null {
  try {
    // Our own, which every version only adds to.
    return JSON.parse(readFileSync(path, "utf8")) as T;
  } catch {
    return null;
  }
}
