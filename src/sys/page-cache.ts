import { libc } from "./libc.ts";

const notNeeded = 4;

/**
 * Forgets what memory has of a file that is on the disk: what is read next is read from there. Where
 * memory is the disk (tmpfs) nothing happens.
 */
export function dropPages(fd: number): void {
  libc.posix_fadvise(fd, 0, 0, notNeeded);
}
