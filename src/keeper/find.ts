import { readdirSync, readFileSync, readlinkSync } from "node:fs";
import { cardName, type KeeperCard } from "./protocol.ts";

/** The keeper of this mountpoint, as far as we may look into it; null when there is none. */
export function findKeeper(mountpoint: string): KeeperCard | null {
  for (const pid of readdirSync("/proc")) {
    if (!/^[0-9]+$/.test(pid)) continue;
    const card = cardOf(Number(pid));
    if (card !== null && card.mountpoint === mountpoint) return card;
  }
  return null;
}

/** What a process says of itself if it is a keeper. */
export function cardOf(pid: number): KeeperCard | null {
  const folder = `/proc/${pid}/fd`;
  // Processes come and go while we look, and others' are closed to us.
  try {
    const fd = readdirSync(folder).find((one) =>
      readlinkSync(`${folder}/${one}`).startsWith(`/memfd:${cardName}`),
    );
    if (fd === undefined) return null;
    // Our own, which every version only adds to.
    const card = JSON.parse(readFileSync(`${folder}/${fd}`, "utf8")) as KeeperCard;
    return card.keeper === pid ? card : null;
  } catch {
    return null;
  }
}
