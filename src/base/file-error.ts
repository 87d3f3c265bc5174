import { SheepfsError } from "./errors.ts";

/** The error of a file here, told as one of ours. */
export function ofFile(path: string, thrown: unknown): SheepfsError {
  if (thrown instanceof SheepfsError) return thrown;
  const code = thrown instanceof Error && "code" in thrown ? String(thrown.code) : "";
  const text = `'${path}': ${thrown instanceof Error ? thrown.message : String(thrown)}`;
  if (code === "ENOENT") return new SheepfsError("not_found", text);
  if (code === "EACCES" || code === "EPERM") return new SheepfsError("denied", text);
  if (code === "ENOSPC" || code === "EDQUOT") return new SheepfsError("no_space", text);
  return new SheepfsError("invalid", text);
}
