import type { Random } from "../../../src/base/random.ts";

const sectorBytes = 512;

/** One thing that was done to a disk, in the order in which it was done. Files go by a number. */
export type DiskEvent =
  | {
      readonly did: "write";
      readonly file: number;
      readonly at: number;
      readonly bytes: Uint8Array;
    }
  | { readonly did: "truncate"; readonly file: number; readonly length: number }
  /** Names appear and vanish together, as in a rename; null makes a name vanish. */
  | { readonly did: "names"; readonly names: ReadonlyMap<string, Entry | null> }
  /** What was written to the file before `began` survives from here on. */
  | { readonly did: "sync"; readonly file: number; readonly began: number }
  | { readonly did: "sync folder"; readonly path: string; readonly began: number }
  | { readonly did: "sync all"; readonly began: number };

/** What a name stands for: a file by its number, or a folder. */
export type Entry = number | "folder";

/** The content of a disk: what each path stands for, and what is in each file. */
export interface DiskImage {
  readonly names: Map<string, Entry>;
  readonly files: Map<number, Uint8Array>;
}

/**
 * A disk after the power went just before event `cut`. What was synced is there; of the rest each
 * sector and each change of names is there or not, as `random` has it.
 */
export function diskAfterCut(
  start: DiskImage,
  events: readonly DiskEvent[],
  cut: number,
  random: Random,
): DiskImage {
  const image = copyOf(start);
  const survives = survivorsOf(events, cut);
  // Nearly nothing, half or nearly all: each finds other mistakes than the middle does.
  const chance = [0, 1, 5, 9, 10][random.below(5)] ?? 5;
  const lucky = (): boolean => random.below(10) < chance;
  events.slice(0, cut).forEach((event, at) => {
    const sure = survives(event, at);
    switch (event.did) {
      case "write":
        writeSectors(image, event, () => sure || lucky());
        break;
      case "truncate":
        if (sure || lucky()) resize(image, event.file, event.length);
        break;
      case "names":
        if (sure || lucky()) rename(image, event.names);
        break;
      case "sync":
      case "sync folder":
      case "sync all":
        break;
    }
  });
  return image;
}

/** Tells of an event whether everything of it was synced before the cut. */
function survivorsOf(
  events: readonly DiskEvent[],
  cut: number,
): (event: DiskEvent, at: number) => boolean {
  const files = new Map<number, number>();
  const folders = new Map<string, number>();
  let all = 0;
  const later = (known: number | undefined, began: number): number => Math.max(known ?? 0, began);
  for (const event of events.slice(0, cut)) {
    if (event.did === "sync") files.set(event.file, later(files.get(event.file), event.began));
    if (event.did === "sync folder") {
      folders.set(event.path, later(folders.get(event.path), event.began));
    }
    if (event.did === "sync all") all = later(all, event.began);
  }
  return (event, at) => {
    if (at < all) return true;
    if (event.did === "write" || event.did === "truncate") {
      return at < (files.get(event.file) ?? 0);
    }
    if (event.did !== "names") return true;
    return [...event.names.keys()].every((path) => at < (folders.get(folderOf(path)) ?? 0));
  };
}

function folderOf(path: string): string {
  return path.slice(0, path.lastIndexOf("/"));
}

function copyOf({ names, files }: DiskImage): DiskImage {
  const copies = [...files].map(([file, bytes]) => [file, bytes.slice()] as const);
  return { names: new Map(names), files: new Map(copies) };
}

function writeSectors(
  image: DiskImage,
  { file, at, bytes }: { readonly file: number; readonly at: number; readonly bytes: Uint8Array },
  lands: () => boolean,
): void {
  const landed: { readonly from: number; readonly end: number }[] = [];
  for (let from = 0; from < bytes.length; ) {
    const length = Math.min(sectorBytes - ((at + from) % sectorBytes), bytes.length - from);
    if (lands()) landed.push({ from, end: from + length });
    from += length;
  }
  const old = image.files.get(file)?.length ?? 0;
  resize(image, file, Math.max(old, at + (landed.at(-1)?.end ?? -at)));
  const content = image.files.get(file);
  for (const { from, end } of landed) content?.set(bytes.subarray(from, end), at + from);
}

function resize({ files }: DiskImage, file: number, length: number): void {
  const old = files.get(file) ?? new Uint8Array(0);
  if (old.length === length) {
    files.set(file, old);
    return;
  }
  const fresh = new Uint8Array(length);
  fresh.set(old.subarray(0, length));
  files.set(file, fresh);
}

function rename({ names }: DiskImage, changes: ReadonlyMap<string, Entry | null>): void {
  for (const [path, entry] of changes) {
    if (entry === null) names.delete(path);
    else names.set(path, entry);
  }
}
