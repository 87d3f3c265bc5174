import { libc, result } from "./libc.ts";

const exclusive = 2;
const nonBlocking = 4;

/**
 * Takes the whole file behind a descriptor for this process. The lock goes with the descriptor:
 * when it is closed, and so also when the process is killed.
 * @returns false when another process has it
 */
export function lockFile(fd: number): boolean {
  return result(libc.flock(fd, exclusive | nonBlocking)) >= 0;
}

/** Makes everything on the descriptor's file system survive power loss. @returns false on failure */
export function syncFileSystem(fd: number): boolean {
  return result(libc.syncfs(fd)) >= 0;
}
