import { readFileSync, rmSync, writeFileSync } from "node:fs";
import { SheepfsError } from "../base/errors.ts";

/** @throws denied when the file cannot be written */
export function writePidFile(path: string | null): void {
  if (path === null) return;
  try {
    writeFileSync(path, `${process.pid}\n`, { mode: 0o644 });
  } catch (thrown) {
    const why = thrown instanceof Error ? thrown.message : String(thrown);
    throw new SheepfsError("denied", `pid file '${path}' cannot be written: ${why}`);
  }
}

/** Removes it when it is ours: another process may have taken the name. */
export function removePidFile(path: string | null): void {
  if (path === null) return;
  try {
    if (readFileSync(path, "utf8").trim() === String(process.pid)) rmSync(path);
  } catch {
    // It is gone already, which is what was wanted.
  }
}
