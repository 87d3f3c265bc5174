import { ptr } from "bun:ffi";
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
