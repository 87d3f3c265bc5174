import { readdirSync, readFileSync } from "node:fs";

/** Memory that a process holds now, and the most it ever held. */
export function rssMiB(pid: number): { readonly now: number; readonly peak: number } {
  const status = readFileSync(`/proc/${pid}/status`, "utf8");
  const of = (name: string): number => {
    const kiB = new RegExp(`^${name}:\\s+(\\d+)`, "m").exec(status)?.[1];
    return Math.round(Number(kiB) / 1_024);
  };
  return { now: of("VmRSS"), peak: of("VmHWM") };
}

/** Descriptors that a process has open. */
export function openFiles(pid: number): number {
  return readdirSync(`/proc/${pid}/fd`).length;
}

/** Bytes that a process has read and written so far. */
export function ioBytes(pid: number): number {
  const text = readFileSync(`/proc/${pid}/io`, "utf8");
  return [...text.matchAll(/^[rw]char: (\d+)/gm)].reduce((sum, [, n]) => sum + Number(n), 0);
}
