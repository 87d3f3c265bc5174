import { mock } from "bun:test";
import * as nodeFs from "node:fs";
import { dirname, join, relative } from "node:path";
import type { DiskEvent, DiskImage, Entry } from "./cut-disk.ts";

// Stands between the sheep and the system's files: everything is done as it is asked for, and noted
// when it is done in the folder that is being recorded. Import this before anything of the sheep.

const real = { ...nodeFs };
const { constants } = real;

/** What is done in one folder while it is recorded. Paths begin with a slash and lie in it. */
export class Recording {
  readonly events: DiskEvent[] = [];
  readonly start: DiskImage;
  /** Of the boot that the machine is in, for whoever asks. */
  readonly boot: string;
  readonly #root: string;
  readonly #numbers = new Map<number, number>();
  readonly #open = new Map<number, string>();

  constructor(root: string, boot: string) {
    this.#root = root;
    this.boot = boot;
    this.start = { names: new Map(), files: new Map() };
    this.#take("");
    current = this;
  }

  stop(): void {
    if (current === this) current = null;
  }

  /** The path as it is noted, null when it is none of ours. */
  place(path: unknown): string | null {
    if (typeof path !== "string") return null;
    const inside = relative(this.#root, path);
    return inside.startsWith("..") ? null : inside === "" ? "" : `/${inside}`;
  }

  opened(fd: number, path: string): void {
    this.#open.set(fd, path);
  }

  closed(fd: number): void {
    this.#open.delete(fd);
  }

  /** The number of the file behind a descriptor, null when it is none of ours. */
  file(fd: unknown): number | null {
    if (typeof fd !== "number" || !this.#open.has(fd)) return null;
    return this.#number(real.fstatSync(fd).ino);
  }

  folder(fd: unknown): string | null {
    const path = typeof fd === "number" ? this.#open.get(fd) : undefined;
    return path !== undefined && real.fstatSync(Number(fd)).isDirectory() ? path : null;
  }

  entry(path: string): Entry | null {
    const found = real.lstatSync(join(this.#root, path), { throwIfNoEntry: false });
    if (found === undefined) return null;
    return found.isDirectory() ? "folder" : this.#number(found.ino);
  }

  /** Every name in a folder, deepest first. */
  *below(path: string): Generator<string> {
    for (const name of real.readdirSync(join(this.#root, path))) {
      if (this.entry(`${path}/${name}`) === "folder") yield* this.below(`${path}/${name}`);
      yield `${path}/${name}`;
    }
  }

  names(...changes: readonly (readonly [string, Entry | null])[]): void {
    this.events.push({ did: "names", names: new Map(changes) });
  }

  #take(path: string): void {
    for (const place of this.below(path)) {
      const entry = this.entry(place);
      if (entry === null) continue;
      this.start.names.set(place, entry);
      if (entry === "folder") continue;
      this.start.files.set(entry, new Uint8Array(real.readFileSync(join(this.#root, place))));
    }
  }

  /** The system gives the number of a file that is gone to another one, so ours are our own. */
  #number(inode: number): number {
    const known = this.#numbers.get(inode);
    if (known !== undefined) return known;
    fileCount += 1;
    this.#numbers.set(inode, fileCount);
    return fileCount;
  }

  /** The file's last name is gone. */
  forget(path: string): void {
    const found = real.lstatSync(join(this.#root, path), { throwIfNoEntry: false });
    if (found?.isFile() === true) this.#numbers.delete(found.ino);
  }
}

let fileCount = 0;
let current: Recording | null = null;

const recorded = {
  openSync: (path: string, flags: number, mode?: number): number => {
    const place = current?.place(path) ?? null;
    const was = place === null ? null : (current?.entry(place) ?? null);
    const fd = real.openSync(path, flags, mode);
    if (current === null || place === null) return fd;
    current.opened(fd, place);
    const entry = current.entry(place);
    if (was === null && entry !== null) current.names([place, entry]);
    if ((flags & constants.O_TRUNC) !== 0 && typeof entry === "number") {
      current.events.push({ did: "truncate", file: entry, length: 0 });
    }
    return fd;
  },
  closeSync: (fd: number): void => {
    current?.closed(fd);
    real.closeSync(fd);
  },
  writeSync: (fd: number, from: Uint8Array, at: number, length: number, position: number) => {
    const count = real.writeSync(fd, from, at, length, position);
    const file = current?.file(fd) ?? null;
    if (file !== null) {
      const bytes = new Uint8Array(from.buffer, from.byteOffset + at, count).slice();
      current?.events.push({ did: "write", file, at: position, bytes });
    }
    return count;
  },
  writeFileSync: (fd: number, text: string): void => {
    real.writeFileSync(fd, text);
    const file = current?.file(fd) ?? null;
    const bytes = new TextEncoder().encode(text);
    if (file !== null) current?.events.push({ did: "write", file, at: 0, bytes });
  },
  ftruncateSync: (fd: number, length: number): void => {
    real.ftruncateSync(fd, length);
    const file = current?.file(fd) ?? null;
    if (file !== null) current?.events.push({ did: "truncate", file, length });
  },
  fsyncSync: (fd: number): void => noteSync(fd, current?.events.length ?? 0),
  fsync: (fd: number, done: (error: Error | null) => void): void => {
    const began = current?.events.length ?? 0;
    const recording = current;
    // The descriptor may be closed when it is told.
    const [file, folder] = [recording?.file(fd) ?? null, recording?.folder(fd) ?? null];
    setImmediate(() => {
      if (recording !== null) notedSync(recording, { file, folder, began });
      done(null);
    });
  },
  mkdirSync: (path: string, options: object): string | undefined => {
    const missing: string[] = [];
    for (let at = path; !real.existsSync(at); at = dirname(at)) missing.unshift(at);
    const made = real.mkdirSync(path, { ...options, recursive: true });
    for (const one of missing) {
      const place = current?.place(one) ?? null;
      if (place !== null) current?.names([place, "folder"]);
    }
    return made;
  },
  renameSync: (from: string, to: string): void => {
    const [source, target] = [current?.place(from) ?? null, current?.place(to) ?? null];
    const entry = source === null ? null : (current?.entry(source) ?? null);
    if (target !== null) current?.forget(target);
    real.renameSync(from, to);
    if (source !== null && target !== null) current?.names([source, null], [target, entry]);
  },
  unlinkSync: (path: string): void => {
    const place = current?.place(path) ?? null;
    if (place !== null) current?.forget(place);
    real.unlinkSync(path);
    if (place !== null) current?.names([place, null]);
  },
  rmSync: (path: string, options: object): void => {
    const place = current?.place(path) ?? null;
    const gone = place === null ? [] : [...(current?.below(place) ?? []), place];
    for (const one of gone) current?.forget(one);
    real.rmSync(path, options);
    for (const one of gone) current?.names([one, null]);
  },
  readFileSync: (path: string, encoding: BufferEncoding | null = null): string | Buffer => {
    if (path === "/proc/sys/kernel/random/boot_id" && current !== null) return current.boot;
    return encoding === null ? real.readFileSync(path) : real.readFileSync(path, encoding);
  },
};

interface Synced {
  readonly file: number | null;
  readonly folder: string | null;
  readonly began: number;
}

function noteSync(fd: number, began: number): void {
  if (current === null) return;
  notedSync(current, { file: current.file(fd), folder: current.folder(fd), began });
}

function notedSync(recording: Recording, { file, folder, began }: Synced): void {
  if (folder !== null) recording.events.push({ did: "sync folder", path: folder, began });
  else if (file !== null) recording.events.push({ did: "sync", file, began });
}

await mock.module("node:fs", () => ({ ...real, ...recorded, default: { ...real, ...recorded } }));

const locks = { ...(await import("../../../src/sys/file-lock.ts")) };
await mock.module("../../../src/sys/file-lock.ts", () => ({
  ...locks,
  syncFileSystem: (): boolean => {
    current?.events.push({ did: "sync all", began: current.events.length });
    return true;
  },
}));

/** Makes a disk's content real, as a folder. */
export function layOut(image: DiskImage, root: string): void {
  real.mkdirSync(root, { recursive: true });
  const paths = [...image.names].sort(([a], [b]) => (a < b ? -1 : 1));
  for (const [path, entry] of paths) {
    const parent = dirname(path);
    // A name in a folder whose own name was lost is lost with it.
    if (parent !== "/" && image.names.get(parent) !== "folder") continue;
    if (!real.existsSync(join(root, parent))) continue;
    if (entry === "folder") real.mkdirSync(join(root, path));
    else real.writeFileSync(join(root, path), image.files.get(entry) ?? new Uint8Array(0));
  }
}
