import { type Pointer, ptr } from "bun:ffi";
import { linkSync, lstatSync, renameSync, rmSync } from "node:fs";
import { cString, errnoNumber, libc, result } from "./libc.ts";

/** renameat2, as older C libraries have no name for it. */
const renameCall = process.arch === "arm64" ? 276 : 316;
const currentFolder = -100;
const noReplace = 1;

const notThere = new Set(["EPERM", "ENOTSUP", "EOPNOTSUPP", "ENOSYS", "EINVAL"]);

/**
 * Renames a file to a name that nobody has, in the same folder.
 * @returns false when somebody has it
 * @throws what node:fs does
 */
export function renameToNew(from: string, to: string): boolean {
  const [old, wanted] = [cString(from), cString(to)];
  // The flags stand where an address can.
  const flags = noReplace as Pointer;
  const done = result(
    libc.syscall(renameCall, currentFolder, ptr(old), currentFolder, ptr(wanted), flags, 0),
  );
  if (done >= 0) return true;
  return done === -errnoNumber.EEXIST ? false : linkToNew(from, to);
}

/** NFS cannot rename so, and has links. */
function linkToNew(from: string, to: string): boolean {
  try {
    linkSync(from, to);
  } catch (thrown) {
    const code = thrown instanceof Error && "code" in thrown ? String(thrown.code) : "";
    if (code === "EEXIST") return false;
    if (notThere.has(code)) return lookThenRename(from, to);
    throw thrown;
  }
  rmSync(from);
  return true;
}

/** Where there is neither, nothing is exact. */
function lookThenRename(from: string, to: string): boolean {
  if (lstatSync(to, { throwIfNoEntry: false }) !== undefined) return false;
  renameSync(from, to);
  return true;
}
