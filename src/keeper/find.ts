import { jsonOf, memoryFileOf, memoryFilesNamed } from "../sys/memory-file.ts";
import { cardName, type KeeperCard } from "./protocol.ts";

/** The keeper of this mountpoint, as far as we may look into it; null when there is none. */
export function findKeeper(mountpoint: string): KeeperCard | null {
  for (const { pid } of memoryFilesNamed(cardName)) {
    const card = cardOf(pid);
    if (card !== null && card.mountpoint === mountpoint) return card;
  }
  return null;
}

/** What a process says of itself if it is a keeper. */
export function cardOf(pid: number): KeeperCard | null {
  const file = memoryFileOf(pid, cardName);
  const card = file === null ? null : jsonOf<KeeperCard>(file);
  return card?.keeper === pid ? card : null;
}
