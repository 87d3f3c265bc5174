import { lstatSync, readdirSync, realpathSync, statSync } from "node:fs";
import { statfs } from "node:fs/promises";
import { basename, dirname, join, resolve } from "node:path";
import type { Clock } from "../base/clock.ts";
import { asSheepfsError, SheepfsError } from "../base/errors.ts";
import { limits } from "../base/limits.ts";
import { type MountRow, mountType, readMountInfo } from "./mountinfo.ts";

export interface MountpointWish {
  readonly path: string;
  readonly nonEmpty: boolean;
  readonly uid: number;
  readonly clock: Clock;
  /** Takes a mount away that nobody serves any more. @throws when it cannot be */
  clearDead(path: string): Promise<void>;
}

/**
 * The real path of a directory that can be mounted on.
 * @throws not_found | not_directory | not_empty | denied | busy, naming it and what to do
 */
export async function checkMountpoint(wish: MountpointWish): Promise<string> {
  const path = existingMountpoint(wish.path);
  for (let row = mountOn(path); row?.type === mountType; row = mountOn(path)) {
    const state = await stateOf(path, wish.clock);
    if (state === "dead") await wish.clearDead(path);
    else throw busyMount(path, row, state);
  }
  const around = mountAround(path);
  if (around?.type === mountType) {
    const where = `mountpoint '${path}' lies in the mount of sheepfs on '${around.mountpoint}'`;
    throw new SheepfsError("busy", `${where}; choose a directory outside of it`);
  }
  const found = statSync(path);
  if (!found.isDirectory()) {
    throw new SheepfsError("not_directory", `mountpoint '${path}' is not a directory`);
  }
  if (wish.uid !== 0 && found.uid !== wish.uid) {
    const whose = `mountpoint '${path}' belongs to uid ${found.uid}, not to you`;
    throw new SheepfsError("denied", `${whose}; choose a directory of your own`);
  }
  if (!wish.nonEmpty && readdirSync(path).length > 0) {
    const advice = "choose an empty directory, or hide its content with -o nonempty";
    throw new SheepfsError("not_empty", `mountpoint '${path}' is not empty; ${advice}`);
  }
  return path;
}

/** @throws as `realMountpoint`, with what to do */
function existingMountpoint(text: string): string {
  try {
    return realMountpoint(text);
  } catch (thrown) {
    const error = asSheepfsError(thrown);
    if (error.code !== "not_found") throw error;
    const advice = `create it with: mkdir -p ${text}`;
    throw new SheepfsError("not_found", `${error.message}; ${advice}`, { cause: error });
  }
}

/**
 * The path as the kernel lists it, found without touching what is mounted there: a mount that
 * hangs would hang us too.
 * @throws not_found | not_directory | denied
 */
export function realMountpoint(text: string): string {
  const path = resolve(text);
  try {
    if (path === "/") return path;
    const real = join(realpathSync(dirname(path)), basename(path));
    if (mountOn(real) !== null) return real;
    return lstatSync(real).isSymbolicLink() ? realpathSync(real) : real;
  } catch (thrown) {
    throw pathError(text, thrown);
  }
}

/** What is mounted on top at exactly this path. */
export function mountOn(path: string): MountRow | null {
  return readMountInfo().findLast((row) => row.mountpoint === path) ?? null;
}

/** The mount that a path lies in. */
function mountAround(path: string): MountRow | null {
  let around: MountRow | null = null;
  for (const row of readMountInfo()) {
    const prefix = row.mountpoint === "/" ? "/" : `${row.mountpoint}/`;
    const longer = around === null || row.mountpoint.length >= around.mountpoint.length;
    if (longer && path.startsWith(prefix)) around = row;
  }
  return around;
}

function busyMount(path: string, { source }: MountRow, state: "alive" | "silent"): SheepfsError {
  if (state === "alive") {
    return new SheepfsError("busy", `'${path}' is already mounted (${source}); unmount it first`);
  }
  const advice = `wait, or take it away with: sheepfs umount --force ${path}`;
  return new SheepfsError(
    "busy",
    `the daemon of the mount on '${path}' does not answer; ${advice}`,
  );
}

/** Whether the daemon behind a mount answers within a moment, or is gone. */
async function stateOf(path: string, clock: Clock): Promise<"alive" | "dead" | "silent"> {
  return await new Promise((settle) => {
    const timer = clock.after(limits.mountProbeMs, () => settle("silent"));
    // What statfs tells is never cached: a dead mount would answer a plain stat for a while.
    statfs(path).then(
      () => {
        timer.cancel();
        settle("alive");
      },
      (thrown: unknown) => {
        timer.cancel();
        const code = thrown instanceof Error && "code" in thrown ? thrown.code : "";
        settle(code === "ENOTCONN" || code === "ECONNABORTED" ? "dead" : "alive");
      },
    );
  });
}

function pathError(path: string, thrown: unknown): SheepfsError {
  const code = thrown instanceof Error && "code" in thrown ? thrown.code : "";
  if (code === "ENOENT") {
    return new SheepfsError("not_found", `mountpoint '${path}' does not exist`);
  }
  if (code === "ENOTDIR") {
    return new SheepfsError("not_directory", `mountpoint '${path}' is not a directory`);
  }
  if (code === "EACCES" || code === "EPERM") {
    return new SheepfsError("denied", `mountpoint '${path}' cannot be reached by you`);
  }
  return new SheepfsError("invalid", `mountpoint '${path}' cannot be used`, { cause: thrown });
}
