import {
  closeSync,
  constants,
  fsyncSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statfsSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { SheepfsError } from "../base/errors.ts";
import { lockFile } from "../sys/file-lock.ts";
import type { WireTime } from "../wire/inode.ts";
import { diskError, hasCode, makeFolder, syncDirectoryNow } from "./files.ts";

/** What a format decides. */
export interface ClusterFacts {
  readonly createTime: WireTime;
  /** When the only epoch began, plain seconds. */
  readonly epochSeconds: number;
  readonly copies: number;
  readonly copyPolicy: number;
  readonly blockSizeShift: number;
  readonly flags: number;
  /** Name of the store driver that was asked for; kept for clients to see. */
  readonly store: string;
}

interface Marker {
  readonly format: "sheepfs sheep";
  readonly version: number;
  /** Which of the stores is the cluster; each format makes a new one. */
  readonly generation: number;
  /** Null as long as nobody has formatted it. */
  readonly cluster: ClusterFacts | null;
}

const markerName = "sheepfs-sheep.json";
const lockName = "lock";
const version = 1;

/** The directory of one sheep, held by this process alone. */
export class SheepFolder {
  readonly dir: string;
  readonly #lock: number;
  #marker: Marker;

  private constructor(dir: string, lock: number, marker: Marker) {
    this.dir = dir;
    this.#lock = lock;
    this.#marker = marker;
  }

  /**
   * Opens the directory; a missing or empty one is made ours.
   * @throws busy when another process has it | invalid when it holds something else
   */
  static open(dir: string): SheepFolder {
    makeOurs(dir);
    const lock = takeLock(dir);
    try {
      const marker = readMarker(dir) ?? newMarker;
      const folder = new SheepFolder(dir, lock, marker);
      folder.#write(marker);
      folder.#removeOldStores();
      return folder;
    } catch (error) {
      closeSync(lock);
      throw error;
    }
  }

  /** Null for one that was never formatted. */
  get cluster(): ClusterFacts | null {
    return this.#marker.cluster;
  }

  get storeDir(): string {
    return this.#storeDir(this.#marker.generation);
  }

  /** Where the store of the next format goes. */
  get nextStoreDir(): string {
    return this.#storeDir(this.#marker.generation + 1);
  }

  /** Makes the next store the cluster; the old one is no longer reachable. */
  format(cluster: ClusterFacts): void {
    this.#write({ ...this.#marker, generation: this.#marker.generation + 1, cluster });
  }

  /** What an interrupted format has left. */
  #removeOldStores(): void {
    for (const name of readdirSync(this.dir)) {
      if (!name.startsWith("store-") || join(this.dir, name) === this.storeDir) continue;
      rmSync(join(this.dir, name), { recursive: true, force: true });
    }
  }

  /** Bytes that the cluster may take, and of them what is free. */
  space(): { readonly totalBytes: number; readonly freeBytes: number } {
    const { bsize, blocks, bfree, bavail } = statfsSync(this.dir);
    return { totalBytes: (blocks - bfree + bavail) * bsize, freeBytes: bavail * bsize };
  }

  close(): void {
    closeSync(this.#lock);
  }

  #storeDir(generation: number): string {
    return join(this.dir, `store-${generation}`);
  }

  #write(marker: Marker): void {
    const path = join(this.dir, markerName);
    const fresh = `${path}~`;
    try {
      const fd = openSync(fresh, constants.O_WRONLY | constants.O_CREAT | constants.O_TRUNC, 0o600);
      try {
        writeFileSync(fd, `${JSON.stringify(marker, null, 2)}\n`);
        fsyncSync(fd);
      } finally {
        closeSync(fd);
      }
      renameSync(fresh, path);
      syncDirectoryNow(this.dir);
    } catch (error) {
      throw diskError(error, `write ${path}`);
    }
    this.#marker = marker;
  }
}

const newMarker: Marker = { format: "sheepfs sheep", version, generation: 0, cluster: null };

/** Refuses what holds anything but a sheep of ours, before anything is changed in it. */
function makeOurs(dir: string): void {
  let names: string[];
  try {
    makeFolder(dir);
    names = readdirSync(dir);
  } catch (error) {
    if (hasCode(error, "EEXIST") || hasCode(error, "ENOTDIR")) {
      throw new SheepfsError("not_directory", `'${dir}' is not a directory`);
    }
    throw diskError(error, `open ${dir}`);
  }
  const others = names.filter((name) => name !== lockName && name !== `${markerName}~`);
  // A file system's own folder is no sign that somebody keeps something here.
  if (others.every((name) => name === "lost+found")) return;
  if (names.includes(markerName)) return;
  throw new SheepfsError(
    "invalid",
    `'${dir}' is not empty and holds no sheep (no ${markerName}); name an empty directory`,
  );
}

function takeLock(dir: string): number {
  const path = join(dir, lockName);
  let fd: number;
  try {
    fd = openSync(path, constants.O_RDWR | constants.O_CREAT, 0o600);
  } catch (error) {
    throw diskError(error, `open ${path}`);
  }
  if (lockFile(fd)) return fd;
  closeSync(fd);
  throw new SheepfsError("busy", `'${dir}' is in use by another sheep; stop it first`);
}

function readMarker(dir: string): Marker | null {
  const path = join(dir, markerName);
  let text: string;
  try {
    text = readFileSync(path, "utf8");
  } catch (error) {
    if (hasCode(error, "ENOENT")) return null;
    throw diskError(error, `read ${path}`);
  }
  const marker = parseMarker(text);
  if (marker === null) {
    throw new SheepfsError("corrupt", `'${path}' is damaged; restore it or name another directory`);
  }
  if (marker.version !== version) {
    throw new SheepfsError(
      "version",
      `'${dir}' has version ${marker.version} of a sheep's directory; this one knows ${version}`,
    );
  }
  return marker;
}

function parseMarker(text: string): Marker | null {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return null;
  }
  if (!isRecord(value) || value["format"] !== newMarker.format) return null;
  const { version: found, generation, cluster } = value as Record<keyof Marker, unknown>;
  if (!isCount(found) || !isCount(generation)) return null;
  const facts = cluster === null ? null : parseCluster(cluster);
  if (facts === undefined) return null;
  return { format: newMarker.format, version: found, generation, cluster: facts };
}

function parseCluster(value: unknown): ClusterFacts | undefined {
  if (!isRecord(value) || !isRecord(value["createTime"])) return undefined;
  const { seconds, nanoseconds } = value["createTime"] as Record<keyof WireTime, unknown>;
  const fields = value as Record<keyof ClusterFacts, unknown>;
  const { epochSeconds, copies, copyPolicy, blockSizeShift, flags, store } = fields;
  if (!isCount(seconds) || !isCount(nanoseconds) || !isCount(epochSeconds)) return undefined;
  if (!isCount(copies) || !isCount(copyPolicy) || !isCount(blockSizeShift)) return undefined;
  if (!isCount(flags) || typeof store !== "string") return undefined;
  const createTime = { seconds, nanoseconds };
  return { createTime, epochSeconds, copies, copyPolicy, blockSizeShift, flags, store };
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null;
}

function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}
