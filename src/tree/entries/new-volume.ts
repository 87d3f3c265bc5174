import type { Timer } from "../../base/clock.ts";
import { SheepfsError } from "../../base/errors.ts";
import { limits } from "../../base/limits.ts";
import type { Scope } from "../../base/scope.ts";
import type { Transfer } from "../../base/transfer.ts";
import type { AttachedVolume } from "../../volume/attached.ts";
import { unescapeName } from "../names.ts";
import type {
  Attr,
  Extent,
  FileNode,
  FileTraits,
  FileVersion,
  NodeId,
  OpenFile,
  OpenMode,
} from "../node.ts";
import { attachMade } from "./attaching.ts";
import type { VolumeNode, VolumeOptions } from "./volume.ts";

const traits: FileTraits = {
  seekable: true,
  immutable: false,
  directIo: true,
  blockBytes: 4096,
  writable: true,
  extensible: false,
};

/**
 * A file in volume/ that was made and has no size yet, so that there is no VDI. Given a size, it is
 * one, created and attached, and whoever has it open goes on with that.
 */
export class NewVolume implements FileNode {
  readonly kind = "file";
  readonly id: NodeId;
  readonly #title: string;
  readonly #options: VolumeOptions;
  readonly #unwanted: () => void;
  readonly #bornMs: number;
  readonly #files = new Set<NewVolumeFile>();
  #node: VolumeNode | null = null;
  /** `attaching`: there is a VDI, which is ours to become. */
  #state: "no size" | "creating" | "attaching" | "ended" = "no size";
  #timer: Timer | null = null;

  /** @param unwanted called when nobody has it open any more, or for some time, and it has no size */
  constructor(title: string, options: VolumeOptions, unwanted: () => void) {
    this.id = options.ids.next();
    this.#title = title;
    this.#options = options;
    this.#unwanted = unwanted;
    this.#bornMs = options.clock.wallMs();
    this.#wait();
  }

  get attached(): AttachedVolume | null {
    return this.#node?.attached ?? null;
  }

  get traits(): FileTraits {
    return this.#node?.traits ?? traits;
  }

  attr(scope: Scope): Attr | Promise<Attr> {
    if (this.#node !== null) return this.#node.attr(scope);
    this.#checkThere();
    const times = { mtimeMs: this.#bornMs, ctimeMs: this.#bornMs, birthtimeMs: this.#bornMs };
    return { kind: "file", sizeBytes: 0, allocatedBytes: 0, mode: 0o644, ...times };
  }

  open(mode: OpenMode): OpenFile {
    if (this.#node !== null) return this.#node.open(mode);
    this.#checkThere();
    this.#timer?.cancel();
    const file = new NewVolumeFile(mode, () => this.#left(file));
    this.#files.add(file);
    return file;
  }

  version(): FileVersion {
    if (this.#node !== null) return this.#node.version();
    return { tag: `new-${this.id}-${this.#bornMs}`, strong: false, modifiedMs: this.#bornMs };
  }

  details(): ReadonlyMap<string, string> {
    return this.#node?.details() ?? new Map();
  }

  /** Makes the VDI. @throws exists | no_space | too_large | whatever the cluster can throw */
  async setSize(bytes: number, scope: Scope): Promise<void> {
    if (this.#node !== null) {
      await this.#node.setSize(bytes, scope);
      return;
    }
    this.#checkThere();
    this.refuseMaking();
    this.#timer?.cancel();
    const { life, volumes } = this.#options;
    const name = unescapeName(this.#title);
    this.#state = "creating";
    try {
      await life.create(name, bytes, scope);
      this.#state = "attaching";
      await attachMade(volumes, { name, title: this.#title }, scope);
    } finally {
      this.#madeOrNot();
    }
  }

  /** @throws busy while it is on its way to be a VDI */
  refuseMaking(): void {
    if (this.#state !== "creating" && this.#state !== "attaching") return;
    throw new SheepfsError("busy", `volume/${this.#title} is just being created`);
  }

  /** Whether a volume that is attached under its name now is the one that it was made for. */
  get isAwaited(): boolean {
    return this.#state === "attaching";
  }

  become(node: VolumeNode): void {
    this.#timer?.cancel();
    this.#node = node;
    // Whoever has it open has the volume open, from before anybody could detach or delete it.
    for (const file of this.#files) file.become(node);
    this.#files.clear();
  }

  end(): void {
    this.#timer?.cancel();
    this.#state = "ended";
  }

  #left(file: NewVolumeFile): void {
    if (!this.#files.delete(file)) return;
    if (this.#files.size === 0 && this.#state === "no size") this.#unwanted();
  }

  #madeOrNot(): void {
    if (this.#state === "ended") return;
    this.#state = "no size";
    if (this.#files.size === 0) this.#wait();
  }

  /** Nobody has it open: it is not kept for ever. */
  #wait(): void {
    if (this.#node !== null) return;
    this.#timer?.cancel();
    this.#timer = this.#options.clock.after(limits.newVolumeMs, () => this.#unwanted());
  }

  #checkThere(): void {
    if (this.#state !== "ended") return;
    throw new SheepfsError("stale", `volume/${this.#title} was given no size`);
  }
}

/** One open of a file that may get its size while it is open. */
class NewVolumeFile implements OpenFile {
  readonly #mode: OpenMode;
  readonly #left: () => void;
  #file: OpenFile | null = null;
  #open = true;

  constructor(mode: OpenMode, left: () => void) {
    this.#mode = mode;
    this.#left = left;
  }

  become(node: VolumeNode): void {
    this.#file = node.open(this.#mode);
  }

  sizeBytes(): number {
    return this.#file?.sizeBytes() ?? 0;
  }

  async read(into: Uint8Array, offset: number, scope: Scope): Promise<number> {
    return (await this.#file?.read(into, offset, scope)) ?? 0;
  }

  async write(from: Uint8Array, offset: number, scope: Scope): Promise<number> {
    return await this.#sized().write(from, offset, scope);
  }

  submitRead(transfer: Transfer): void {
    this.#sized().submitRead?.(transfer);
  }

  submitWrite(transfer: Transfer): void {
    this.#sized().submitWrite?.(transfer);
  }

  async flush(scope: Scope): Promise<void> {
    await this.#file?.flush(scope);
  }

  async sync(scope: Scope): Promise<void> {
    await this.#file?.sync(scope);
  }

  async discard(extent: Extent, scope: Scope): Promise<void> {
    await this.#sized().discard?.(extent, scope);
  }

  async seek(offset: number, what: "data" | "hole", scope: Scope): Promise<number | null> {
    return (await this.#file?.seek?.(offset, what, scope)) ?? null;
  }

  async close(): Promise<void> {
    if (!this.#open) return;
    this.#open = false;
    await this.#file?.close();
    this.#left();
  }

  #sized(): OpenFile {
    if (this.#file !== null) return this.#file;
    throw new SheepfsError("no_space", "give the file its size first: truncate -s 10G FILE");
  }
}
