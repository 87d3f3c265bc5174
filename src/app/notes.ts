import { closeSync, readFileSync, writeSync } from "node:fs";
import { type Address, formatAddress, parseAddress } from "../base/address.ts";
import { SheepfsError } from "../base/errors.ts";
import { limits } from "../base/limits.ts";
import type { Holder } from "../cluster/attach-record.ts";
import { type SavedSession, type SessionChange, savedSession } from "../fuse/saved.ts";
import { memoryFile } from "../sys/memory-file.ts";
import type { VdiName } from "../volume/ports.ts";
import type { WireTime } from "../wire/inode.ts";

const formatVersion = 1;

/** A volume that was attached, and which VDI it was. */
export interface SavedVolume {
  readonly title: string;
  readonly name: VdiName;
  readonly vid: number;
  readonly createTime: WireTime;
}

/** What can be set while sheepfs runs. */
export interface SavedConfig {
  readonly pageCache: boolean;
  readonly objectCache: boolean;
  /** In the order of preference. */
  readonly gateways: readonly Address[];
}

/** Bytes are hexadecimal here. */
type Note =
  | { readonly is: "format"; readonly version: number }
  /** Who attaches, the same in all servers of one mount. */
  | { readonly is: "self"; readonly self: Holder }
  | { readonly is: "mounted"; readonly path: string }
  | { readonly is: "attached"; readonly volume: VolumeNote }
  | { readonly is: "detached"; readonly title: string }
  | { readonly is: "config"; readonly config: ConfigNote }
  | { readonly is: "suspects"; readonly sheep: readonly string[] }
  | { readonly is: "fuse"; readonly change: SessionChange };

interface VolumeNote extends Omit<SavedVolume, "name"> {
  readonly name: string;
  readonly snapshot: { readonly tag: string } | { readonly id: number } | null;
}

interface ConfigNote extends Omit<SavedConfig, "gateways"> {
  readonly gateways: readonly string[];
}

/** What a successor goes on with. */
export interface SavedMount {
  readonly self: Holder | null;
  readonly path: string;
  readonly volumes: readonly SavedVolume[];
  readonly config: SavedConfig | null;
  /** Sheep that may have writes of a predecessor. */
  readonly suspects: readonly Address[];
  readonly session: SavedSession;
}

/** Notes for a successor in a file that the keeper holds; each is there once `add` has returned. */
export class Notes {
  #fd = -1;
  #bytes = 0;
  #bytesAnew: number = limits.notesBytesMax;
  /** All that holds now, when there are too many notes of what is over. */
  readonly #all: () => readonly Note[];
  readonly #keep: (fd: number) => void;

  constructor(all: () => readonly Note[], keep: (fd: number) => void) {
    this.#all = all;
    this.#keep = keep;
  }

  add(note: Note): void {
    if (this.#fd < 0) return;
    if (this.#bytes > this.#bytesAnew) this.begin();
    const line = `${JSON.stringify(note)}\n`;
    writeSync(this.#fd, line);
    this.#bytes += line.length;
  }

  /** Begins a new file with all that holds now; the keeper has one or the other at any time. */
  begin(): void {
    const fd = memoryFile("sheepfs-notes");
    if (fd < 0) throw new SheepfsError("overload", `no memory for notes: errno ${-fd}`);
    const notes: Note[] = [{ is: "format", version: formatVersion }, ...this.#all()];
    const text = notes.map((note) => `${JSON.stringify(note)}\n`).join("");
    writeSync(fd, text);
    this.#keep(fd);
    if (this.#fd >= 0) closeSync(this.#fd);
    this.#fd = fd;
    this.#bytes = text.length;
    this.#bytesAnew = Math.max(limits.notesBytesMax, 2 * text.length);
  }
}

export function attachedNote({ name, ...volume }: SavedVolume): Note {
  const { snapshot } = name;
  const tag = snapshot !== null && "tag" in snapshot ? { tag: hexText(snapshot.tag) } : null;
  const id = snapshot !== null && "id" in snapshot ? snapshot : null;
  return { is: "attached", volume: { ...volume, name: hexText(name.name), snapshot: tag ?? id } };
}

export function configNote({ gateways, ...config }: SavedConfig): Note {
  return { is: "config", config: { ...config, gateways: gateways.map(formatAddress) } };
}

/** @throws internal when they are none that this version understands */
export function readNotes(fd: number): SavedMount {
  // By another way than the descriptor's, whose place is at the end.
  const lines = readFileSync(`/proc/self/fd/${fd}`, "utf8").split("\n");
  // What a killed process did not write to its end nobody was told of.
  lines.pop();
  const notes = lines.map((line) => JSON.parse(line) as Note);
  const [format] = notes;
  if (format?.is !== "format" || format.version > formatVersion) {
    throw new SheepfsError("internal", "the notes of the predecessor are of a newer version");
  }
  return savedMount(notes);
}

function savedMount(notes: readonly Note[]): SavedMount {
  let self: Holder | null = null;
  let path = "";
  let config: SavedConfig | null = null;
  let suspects: readonly Address[] = [];
  const volumes = new Map<string, SavedVolume>();
  const changes: SessionChange[] = [];
  for (const note of notes) {
    switch (note.is) {
      case "format":
        break;
      case "self":
        self = note.self;
        break;
      case "mounted":
        path = note.path;
        break;
      case "attached":
        volumes.set(note.volume.title, savedVolume(note.volume));
        break;
      case "detached":
        volumes.delete(note.title);
        break;
      case "config":
        config = { ...note.config, gateways: addresses(note.config.gateways) };
        break;
      case "suspects":
        suspects = addresses(note.sheep);
        break;
      case "fuse":
        changes.push(note.change);
        break;
    }
  }
  const session = savedSession(changes);
  return { self, path, config, suspects, session, volumes: [...volumes.values()] };
}

function savedVolume({ name, snapshot, ...rest }: VolumeNote): SavedVolume {
  const at =
    snapshot !== null && "tag" in snapshot ? { tag: Buffer.from(snapshot.tag, "hex") } : snapshot;
  return { ...rest, name: { name: Buffer.from(name, "hex"), snapshot: at } };
}

function addresses(texts: readonly string[]): Address[] {
  return texts.map((text) => parseAddress(text));
}

function hexText(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString("hex");
}
