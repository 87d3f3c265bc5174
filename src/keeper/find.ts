import { jsonOf, type MemoryFileAt, memoryFileOf, memoryFilesNamed } from "../sys/memory-file.ts";
import { cardName, type KeeperCard } from "./protocol.ts";

/** The keeper of this mountpoint, as far as we may look into it; null when there is none. */
export function findKeeper(mountpoint: string): KeeperCard | null {
  for (const file of memoryFilesNamed(cardName)) {
    const card = cardIn(file);
    if (card !== null && card.mountpoint === mountpoint) return card;
  }
  return null;
}

/** What a process says of itself if it is a keeper. */
export function cardOf(pid: number): KeeperCard | null {
  const file = memoryFileOf(pid, cardName);
  return file === null ? null : cardIn(file);
}

/** Null for a copy that has come to another process. */
function cardIn(file: MemoryFileAt): KeeperCard | null {
  const card = jsonOf<KeeperCard>(file);
  return card?.keeper === file.pid ? card : null;
}
