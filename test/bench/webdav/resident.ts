import { readFileSync } from "node:fs";
import { rssMiB } from "../../support/proc.ts";

/** The most memory that a process and those below it ever held, each for itself, added up. */
export function treePeakMiB(pid: number): number {
  const children = readFileSync(`/proc/${pid}/task/${pid}/children`, "utf8")
    .split(" ")
    .filter((text) => text !== "")
    .map(Number);
  return children.reduce((sum, child) => sum + treePeakMiB(child), rssMiB(pid).peak);
}
