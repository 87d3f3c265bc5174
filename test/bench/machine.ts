import { existsSync } from "node:fs";
import { cpus, release, tmpdir, totalmem } from "node:os";

export const memoryFolder = existsSync("/dev/shm") ? "/dev/shm" : tmpdir();

/** What was measured on, in one line. */
export function machine(): string {
  const [cpu] = cpus();
  const memory = Math.round(totalmem() / 2 ** 30);
  return `${cpus().length} × ${cpu?.model ?? "?"}, ${memory} GiB, Linux ${release()}, Bun ${Bun.version}`;
}
