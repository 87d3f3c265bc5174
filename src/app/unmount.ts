import { existsSync } from "node:fs";
import { type FileHandle, open, readdir } from "node:fs/promises";
import { join } from "node:path";
import { SheepfsError } from "../base/errors.ts";
import { limits } from "../base/limits.ts";
import { mountOn, realMountpoint } from "../fuse/mountpoint.ts";
import { serversOf } from "../fuse/serving-card.ts";
import { nothingMounted, unmountNow, unmount as unmountPath } from "../fuse/unmount.ts";
import { findKeeper } from "../keeper/find.ts";

const volumeDirectory = "volume";

/**
 * Makes durable what was written, unmounts, and returns when the daemon has ended.
 * @throws invalid when nothing of ours is mounted there | busy naming who uses it | whatever kept
 * a volume from being flushed: it stays mounted then
 */
export async function unmount(text: string): Promise<void> {
  const path = realMountpoint(text);
  await withDeadline(flushVolumes(path), path);
  // Only now: who looks at processes may have to wait for one that waits for a daemon that hangs.
  const daemons = processesOf(path);
  await unmountPath(text);
  if (await ended(daemons, limits.operationTimeoutMs)) return;
  throw new SheepfsError("timed_out", `unmounted, but the daemon (pid ${daemons}) has not ended`);
}

/**
 * Unmounts at once, also when the daemon hangs or is gone, and returns when all that served it has
 * ended: in order when it can, else it is killed.
 * @throws invalid when nothing of ours is mounted there | denied | busy
 */
export async function unmountByForce(text: string): Promise<void> {
  const path = realMountpoint(text);
  // First of all, for the same reason. Where nothing is mounted a daemon may be left all the same.
  const isMounted = mountOn(path) !== null;
  if (isMounted) await unmountNow(path);
  const pids = processesOf(path);
  if (!isMounted && pids.length === 0) throw nothingMounted(path);
  if (await ended(pids, limits.daemonEndMs)) return;
  // The keeper first: it would start another server.
  for (const pid of pids) killIfThere(pid);
  for (const pid of processesOf(path)) killIfThere(pid);
  if (await ended(pids, limits.daemonEndMs)) return;
  throw new SheepfsError("timed_out", `unmounted, but pid ${pids.join(", ")} has not ended`);
}

function killIfThere(pid: number): void {
  try {
    process.kill(pid, "SIGKILL");
  } catch {
    // It has just ended.
  }
}

/** The keeper of this mountpoint first, then whoever else serves it. */
function processesOf(path: string): number[] {
  const card = findKeeper(path);
  return card === null ? serversOf(path) : [card.keeper, card.server];
}

/** While it is mounted the failure has somebody to be told to. */
async function flushVolumes(path: string): Promise<void> {
  const folder = join(path, volumeDirectory);
  for (const name of await volumeNames(folder)) {
    try {
      await flushFile(join(folder, name));
    } catch (thrown) {
      const why = thrown instanceof Error ? thrown.message : String(thrown);
      throw new SheepfsError(
        "unavailable",
        `volume '${name}' could not be flushed, so '${path}' stays mounted: ${why}; its log says ` +
          `more, to unmount all the same: umount ${path}`,
        { cause: thrown },
      );
    }
  }
}

/** One that is no longer there was detached, or its VDI was deleted: nothing is left to flush. */
async function flushFile(path: string): Promise<void> {
  const file = await openIfThere(path);
  if (file === null) return;
  try {
    await file.sync();
  } finally {
    await file.close();
  }
}

async function openIfThere(path: string): Promise<FileHandle | null> {
  try {
    return await open(path, "r");
  } catch (thrown) {
    if (thrown instanceof Error && "code" in thrown && thrown.code === "ENOENT") return null;
    throw thrown;
  }
}

/** None when it is no mount of ours (unmounting says so) or its daemon is gone. */
async function volumeNames(folder: string): Promise<string[]> {
  try {
    return await readdir(folder);
  } catch {
    return [];
  }
}

async function withDeadline(work: Promise<void>, path: string): Promise<void> {
  const late = Promise.withResolvers<never>();
  const timer = setTimeout(() => {
    const advice = `to give up what it has not written: sheepfs umount --force ${path}`;
    late.reject(
      new SheepfsError("timed_out", `the daemon of '${path}' does not answer; ${advice}`),
    );
  }, limits.unmountFlushMs);
  try {
    await Promise.race([work, late.promise]);
  } finally {
    clearTimeout(timer);
  }
}

/** A process that has ended may stay listed, without its program, until somebody asks for its end. */
async function ended(pids: readonly number[], withinMs: number): Promise<boolean> {
  const deadlineMs = performance.now() + withinMs;
  while (pids.some((pid) => existsSync(`/proc/${pid}/exe`))) {
    if (performance.now() > deadlineMs) return false;
    await Bun.sleep(5);
  }
  return true;
}
