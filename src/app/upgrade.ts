import { SheepfsError } from "../base/errors.ts";
import { limits } from "../base/limits.ts";
import { mountOn, realMountpoint } from "../fuse/mountpoint.ts";
import { nothingMounted } from "../fuse/unmount.ts";
import { cardOf, findKeeper } from "../keeper/find.ts";

/** Between two looks at what the keeper says. */
const lookMs = 20;

export interface Upgraded {
  readonly version: string;
  readonly pauseMs: number;
}

/**
 * Lets the program that is on the disk now take over from the one that serves the mount.
 * @returns the version that serves now, and for how long nobody did
 * @throws invalid when no keeper has such a mount | unavailable naming why the old one goes on
 */
export async function upgrade(text: string): Promise<Upgraded> {
  const path = realMountpoint(text);
  if (mountOn(path) === null) throw nothingMounted(path);
  const before = findKeeper(path);
  if (before === null) {
    const advice = "it has to be mounted with 'sheepfs mount', by you";
    throw new SheepfsError("invalid", `'${path}' has no keeper that could hand it over; ${advice}`);
  }
  process.kill(before.keeper, "SIGUSR2");
  const deadlineMs = performance.now() + limits.upgradeTimeoutMs;
  while (performance.now() < deadlineMs) {
    const now = cardOf(before.keeper);
    if (now === null) throw new SheepfsError("unavailable", `the keeper of '${path}' has ended`);
    if (now.upgrades > before.upgrades) {
      if (now.refused === null) return now;
      throw new SheepfsError("unavailable", `'${path}' is served as before: ${now.refused}`);
    }
    await Bun.sleep(lookMs);
  }
  throw new SheepfsError("timed_out", `the keeper of '${path}' has not handed over; see its log`);
}
