/**
 * How a keeper and the server that it started talk. A keeper outlives many servers of other versions,
 * so this only grows.
 *
 * Over `textFd` the server says lines: `loaded VERSION`, then, when the keeper has told it to go,
 * `ready TEXT` when the mount is usable, and before it ends in order `over` or `over CODE REASON`, or
 * `yielded` when it has left everything to a successor; `alive` whenever it is asked for that. Over `handoverFd` each side sends single bytes
 * with descriptors: the keeper what a server goes on with, a server what is to be kept. SIGUSR2 asks
 * a server to yield.
 */
export const textFd = 3;
export const handoverFd = 4;

export const handover = {
  /** A file descriptor of /dev/fuse, mounted. */
  device: 1,
  /** The file in which the server notes what a successor has to know. */
  notes: 2,
  /** From the keeper: begin, with what was sent before; nothing for the first server. */
  go: 3,
  /** From the keeper: say that you live. */
  ping: 4,
} as const;

/** In a server's environment. */
export const serverMark = "SHEEPFS_KEPT";

/** What /proc shows the keeper's public word as. */
export const cardName = "sheepfs-keeper";

/** What a keeper says of itself, for commands of other versions as well. */
export interface KeeperCard {
  readonly mountpoint: string;
  readonly keeper: number;
  readonly server: number;
  readonly version: string;
  /** Counts the upgrades that were asked for and are over. */
  readonly upgrades: number;
  /** Why the last one failed; null when it did not. */
  readonly refused: string | null;
  /** For how long nobody served in the last one that did not fail. */
  readonly pauseMs: number;
}
