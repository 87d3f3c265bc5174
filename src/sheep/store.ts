import { join } from "node:path";
import type { Clock, Timer } from "../base/clock.ts";
import { SheepfsError } from "../base/errors.ts";
import { limits } from "../base/limits.ts";
import type { Logger } from "../base/log.ts";
import { syncFileSystem } from "../sys/file-lock.ts";
import { makeFolder, syncDirectoryNow, yieldToOthers } from "./files.ts";
import { Journal, type JournalContent } from "./journal.ts";
import { MetaFiles, metaFolders } from "./meta-files.ts";
import { ObjectFiles, type ObjectName, type ObjectWrite, objectsFolder } from "./object-files.ts";
import { OpenFiles } from "./open-files.ts";
import type { JournalEntry } from "./record.ts";

export interface StorePorts {
  readonly clock: Clock;
  readonly log: Logger;
  /** Tells one boot of the machine from another: what was not synced then is gone. */
  readonly boot: string;
}

/**
 * One cluster's objects and metadata in a directory. A change of metadata is acknowledged when its
 * record is in the journal, a data object's when its file has it: both survive a killed process.
 * `sync` makes them survive power loss, after which a start goes back to the last sync.
 */
export class Store {
  readonly meta: MetaFiles;
  readonly objects: ObjectFiles;
  readonly #journal: Journal;
  readonly #open = new OpenFiles();
  readonly #ports: StorePorts;
  /** Objects to be unlinked once the record that says so survives power loss. */
  readonly #doomed = new Map<string, ObjectName>();
  /** Objects removed by a record that a start would carry out again, by half of the journal. */
  #removed: [Map<string, ObjectName>, Map<string, ObjectName>] = [new Map(), new Map()];
  /** Everything before it, data included, survives power loss. */
  #syncedTo = 0;
  #syncing: Promise<void> | null = null;
  #nextSync: Promise<void> | null = null;
  #carrying: Promise<void> | null = null;
  /** One half is on its way, whether anything moves or not. */
  #isCarrying = false;
  /** The last try failed. */
  #isStuck = false;
  #retry: Timer | null = null;
  #timer: Timer | null = null;
  #timerAtMs = 0;
  #closed = false;

  private constructor(dir: string, journal: Journal, ports: StorePorts) {
    this.#journal = journal;
    this.#ports = ports;
    this.meta = new MetaFiles(dir, this.#open);
    this.objects = new ObjectFiles(dir, this.#open);
  }

  /** Opens the store in `dir`, made if missing, and carries out what the journal holds. */
  static async open(dir: string, ports: StorePorts): Promise<Store> {
    // What is made later in one of these is in a folder that is there.
    for (const name of [objectsFolder, ...metaFolders]) makeFolder(join(dir, name));
    const { journal, content } = Journal.open(dir, ports.boot);
    syncDirectoryNow(dir);
    const store = new Store(dir, journal, ports);
    await store.#replay(content);
    return store;
  }

  /** Changes metadata: in the journal when it returns. @throws no_space | overload, unchanged */
  commit(entries: readonly JournalEntry[]): void {
    if (entries.length === 0) return;
    this.#journal.append(entries);
    for (const entry of entries) this.#apply(entry);
    if (this.#isFull && !this.#isStuck) void this.#carryOnce();
    else this.#wakeIn(this.#doomed.size > 0 ? limits.sheepReclaimMs : limits.sheepSyncMs);
  }

  /** Waits while the journal is full; to be called between the parts of a long change. */
  async room(): Promise<void> {
    // When there is no getting it empty, as on a full disk, what is left of it is for changes
    // that free space.
    while (this.#isFull && !this.#closed && !this.#isStuck) await this.#carryOnce();
  }

  exists(name: ObjectName): boolean {
    return !this.#doomed.has(keyOf(name)) && this.objects.exists(name);
  }

  read(name: ObjectName, into: Uint8Array, at: number, length: number, offset: number): boolean {
    if (this.#isDoomed(name)) return false;
    return this.objects.read(name, into, at, length, offset);
  }

  write(name: ObjectName, data: Uint8Array, offset: number): boolean {
    if (this.#isDoomed(name)) return false;
    const found = this.objects.write(name, data, offset);
    if (found) this.#wakeIn(limits.sheepSyncMs);
    return found;
  }

  create(name: ObjectName, write: ObjectWrite): void {
    const revived = this.#revive(name);
    try {
      this.objects.create(name, write);
    } catch (error) {
      if (revived) this.remove(name);
      throw error;
    }
    this.#wakeIn(limits.sheepSyncMs);
  }

  /** @returns false when there is no source */
  async createFrom(source: ObjectName, name: ObjectName, write: ObjectWrite): Promise<boolean> {
    if (!this.exists(source)) return false;
    // Before the copy takes its place, or it could be the copy that is unlinked.
    const revived = this.#revive(name);
    try {
      await this.objects.createFrom(source, name, write);
    } catch (error) {
      if (revived) this.remove(name);
      throw error;
    }
    this.#wakeIn(limits.sheepSyncMs);
    return true;
  }

  /** @returns false when there is no such object */
  remove(name: ObjectName): boolean {
    if (!this.exists(name)) return false;
    this.commit([{ type: "remove", ...name }]);
    return true;
  }

  /** Every object, or every one of a vid. */
  *list(vid: number | null): Generator<ObjectName> {
    const names = vid === null ? this.objects.list() : this.objects.listOf(vid);
    for (const name of names) if (!this.#isDoomed(name)) yield name;
  }

  /** Makes everything acknowledged so far survive power loss. */
  async sync(): Promise<void> {
    if (this.#syncing === null) {
      this.#syncing = this.#syncNow().finally(() => {
        this.#syncing = null;
      });
      await this.#syncing;
      return;
    }
    // One that is under way may have begun before our caller's last write.
    this.#nextSync ??= this.#syncing
      .catch(() => {})
      .then(() => {
        this.#nextSync = null;
        return this.sync();
      });
    await this.#nextSync;
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#timer?.cancel();
    this.#retry?.cancel();
    try {
      // What is not carried over now is at the next start.
      await this.#carrying?.catch(() => {});
      await this.sync();
    } finally {
      this.#journal.close();
      this.#open.close();
    }
  }

  get #isFull(): boolean {
    return (
      this.#journal.usedBytes > limits.sheepJournalBytes / 2 ||
      this.meta.dirtyPages > limits.sheepDirtyPagesMax
    );
  }

  #isDoomed(name: ObjectName): boolean {
    return this.#doomed.size > 0 && this.#doomed.has(keyOf(name));
  }

  /**
   * An object that is made again must survive the record that once removed it.
   * @returns true when its old file is still there, and would be read again
   */
  #revive(name: ObjectName): boolean {
    const [older, newer] = this.#removed;
    if (older.size === 0 && newer.size === 0) return false;
    const key = keyOf(name);
    if (!older.has(key) && !newer.has(key)) return false;
    const wasDoomed = this.#doomed.has(key);
    this.#journal.append([{ type: "create", ...name }]);
    this.#apply({ type: "create", ...name });
    return wasDoomed;
  }

  #apply(entry: JournalEntry): void {
    switch (entry.type) {
      case "write":
        this.meta.write(entry, entry.offset, entry.bytes);
        break;
      case "forget":
        this.meta.forget(entry);
        break;
      case "remove":
        this.#doomed.set(keyOf(entry), nameOf(entry));
        this.#removed[1].set(keyOf(entry), nameOf(entry));
        break;
      case "create":
        this.#doomed.delete(keyOf(entry));
        break;
    }
  }

  /** Data first, then the record that says so: a start after power loss goes by that record. */
  async #syncNow(): Promise<void> {
    const { position } = this.#journal;
    const doomed = [...this.#doomed.values()];
    await this.objects.sync();
    if (position > this.#syncedTo) {
      await this.#journal.sync(position);
      this.#syncedTo = position;
    }
    for (const [count, name] of doomed.entries()) {
      if (count % unlinksAtOnce === unlinksAtOnce - 1) await yieldToOthers();
      // Not one that was made again and removed again meanwhile: that record is not synced yet.
      if (this.#doomed.get(keyOf(name)) !== name) continue;
      this.#doomed.delete(keyOf(name));
      this.objects.remove(name);
    }
  }

  /** One try at carrying over, that may fail; another is made then after a while. */
  async #carryOnce(): Promise<void> {
    this.#carrying ??= this.#carry().finally(() => {
      this.#carrying = null;
    });
    try {
      await this.#carrying;
      this.#isStuck = false;
    } catch (error) {
      if (!this.#isStuck) {
        this.#ports.log.error("metadata cannot be carried over; trying again", error);
      }
      this.#isStuck = true;
      this.#carryLater();
    }
  }

  #carryLater(): void {
    this.#retry ??= this.#ports.clock.after(limits.sheepReclaimMs, () => {
      this.#retry = null;
      if (!this.#closed) void this.#carryOnce();
    });
  }

  /** Carries what one half of the journal holds to its place, while the other half is written. */
  async #carry(): Promise<void> {
    if (!this.#isCarrying) {
      this.#journal.switch();
      this.#removed = [this.#removed[1], new Map()];
      this.meta.freeze();
      this.#isCarrying = true;
    }
    await this.sync();
    await this.meta.carryOver();
    // What it removed is gone for good before its record is.
    await this.objects.sync();
    this.#removed = [new Map(), this.#removed[1]];
    this.#isCarrying = false;
  }

  #wakeIn(delayMs: number): void {
    if (this.#closed) return;
    const atMs = this.#ports.clock.nowMs() + delayMs;
    if (this.#timer !== null && this.#timerAtMs <= atMs) return;
    this.#timer?.cancel();
    this.#timerAtMs = atMs;
    this.#timer = this.#ports.clock.after(delayMs, () => {
      this.#timer = null;
      this.sync().catch((error: unknown) => {
        this.#ports.log.error("what was written cannot be made safe against power loss", error);
        this.#wakeIn(limits.sheepSyncMs);
      });
    });
  }

  async #replay(content: JournalContent): Promise<void> {
    for (const { entries } of content.records) for (const entry of entries) this.#apply(entry);
    this.objects.removeUnfinished();
    this.meta.freeze();
    await this.meta.carryOver();
    for (const name of this.#doomed.values()) this.objects.remove(name);
    this.#doomed.clear();
    this.#removed = [new Map(), new Map()];
    // Also what a killed process had written and not synced: nobody else remembers which files.
    if (!syncFileSystem(this.#journal.fd)) throw new SheepfsError("corrupt", "the disk fails");
    this.#journal.restart(content.end);
    this.#syncedTo = content.end;
  }
}

/** Others have their turn after so many. */
const unlinksAtOnce = 64;

function keyOf({ kind, vid, index }: ObjectName): string {
  return `${kind}-${vid}-${index}`;
}

function nameOf({ kind, vid, index }: ObjectName): ObjectName {
  return { kind, vid, index };
}
