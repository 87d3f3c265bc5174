import { writeSync } from "node:fs";
import { jsonOf, memoryFile, memoryFilesNamed } from "../sys/memory-file.ts";

/** What /proc shows it as. */
const cardName = "sheepfs-mount";

/** What a process that serves a mount says of itself, for commands of other versions as well. */
interface ServingCard {
  readonly mountpoint: string;
  readonly server: number;
}

/**
 * Says until the end of this process, and not only while it has the device open, which mountpoint it
 * serves: what was attached is let go of after the device. Without descriptors left nothing is said.
 */
export function showServing(mountpoint: string): void {
  const fd = memoryFile(cardName);
  if (fd < 0) return;
  const card: ServingCard = { mountpoint, server: process.pid };
  writeSync(fd, JSON.stringify(card));
}

/** Processes that serve this mountpoint, as far as we may look into them. */
export function serversOf(mountpoint: string): number[] {
  return memoryFilesNamed(cardName)
    .filter((file) => {
      const card = jsonOf<ServingCard>(file);
      // A copy may have come to another process.
      return card?.server === file.pid && card.mountpoint === mountpoint;
    })
    .map(({ pid }) => pid);
}
