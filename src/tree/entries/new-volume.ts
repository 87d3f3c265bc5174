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
import { attachNamed } from "./attaching.ts";
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
  #node: VolumeNode | null = null;
  #making: Promise<void> | null = null;
  #ended = false;
  #users = 0;
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
    this.#users += 1;
    this.#timer?.cancel();
    return new NewVolumeFile(
      () => this.#file(mode),
      () => this.#left(),
    );
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
    if (this.#making !== null) {
      throw new SheepfsError("busy", `volume/${this.#title} is just being created`);
    }
    this.#timer?.cancel();
    this.#making = this.#make(bytes, scope);
    try {
      await this.#making;
    } finally {
      this.#making = null;
      if (this.#users === 0) this.#wait();
    }
  }

  become(node: VolumeNode): void {
    this.#timer?.cancel();
    this.#node = node;
  }

  end(): void {
    this.#timer?.cancel();
    this.#ended = true;
  }

  async #make(bytes: number, scope: Scope): Promise<void> {
    const { life, volumes } = this.#options;
    await life.create(unescapeName(this.#title), bytes, scope);
    await attachNamed(volumes, new TextEncoder().encode(this.#title), scope);
  }

  /** Null as long as there is no VDI. */
  #file(mode: OpenMode): OpenFile | null {
    return this.#node?.open(mode) ?? null;
  }

  #left(): void {
    this.#users -= 1;
    if (this.#users === 0 && this.#node === null && this.#making === null) this.#unwanted();
  }

  /** Nobody has it open: it is not kept for ever. */
  #wait(): void {
    if (this.#node !== null || this.#ended) return;
    this.#timer?.cancel();
    this.#timer = this.#options.clock.after(limits.newVolumeMs, () => this.#unwanted());
  }

  #checkThere(): void {
    if (this.#ended) throw new SheepfsError("stale", `volume/${this.#title} was given no size`);
  }
}

/** One open of a file that may get its size while it is open. */
class NewVolumeFile implements OpenFile {
  readonly #find: () => OpenFile | null;
  readonly #left: () => void;
  #file: OpenFile | null = null;
  #open = true;

  constructor(find: () => OpenFile | null, left: () => void) {
    this.#find = find;
    this.#left = left;
  }

  sizeBytes(): number {
    return this.#get()?.sizeBytes() ?? 0;
  }

  async read(into: Uint8Array, offset: number, scope: Scope): Promise<number> {
    return (await this.#get()?.read(into, offset, scope)) ?? 0;
  }

  async write(from: Uint8Array, offset: number, scope: Scope): Promise<number> {
    return await this.#sized().write(from, offset, scope);
  }

  submitRead(transfer: Transfer): void {
    this.#get()?.submitRead?.(transfer);
  }

  submitWrite(transfer: Transfer): void {
    this.#get()?.submitWrite?.(transfer);
  }

  async flush(scope: Scope): Promise<void> {
    await this.#get()?.flush(scope);
  }

  async sync(scope: Scope): Promise<void> {
    await this.#get()?.sync(scope);
  }

  async discard(extent: Extent, scope: Scope): Promise<void> {
    await this.#sized().discard?.(extent, scope);
  }

  async seek(offset: number, what: "data" | "hole", scope: Scope): Promise<number | null> {
    return (await this.#get()?.seek?.(offset, what, scope)) ?? null;
  }

  async close(): Promise<void> {
    if (!this.#open) return;
    this.#open = false;
    await this.#file?.close();
    this.#left();
  }

  #get(): OpenFile | null {
    this.#file ??= this.#find();
    return this.#file;
  }

  #sized(): OpenFile {
    const file = this.#get();
    if (file !== null) return file;
    throw new SheepfsError("no_space", "give the file its size first: truncate -s 10G FILE");
  }
}
