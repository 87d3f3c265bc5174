import { asSheepfsError, SheepfsError } from "../../base/errors.ts";
import { limits } from "../../base/limits.ts";
import type { Scope } from "../../base/scope.ts";
import type { Transfer } from "../../base/transfer.ts";
import { impatient } from "../../base/waiting.ts";
import type { AttachedVolumes } from "../../volume/attach.ts";
import type { AttachedVolume } from "../../volume/attached.ts";
import type { Volume } from "../../volume/volume.ts";
import { Fresh } from "../fresh.ts";
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
import { growWorking } from "./attaching.ts";
import type { Switch } from "./config.ts";
import type { EntryBase } from "./entry.ts";
import type { VdiLife } from "./life.ts";
import { policyText } from "./vdi-json.ts";
import { VolumeVersions } from "./volume-version.ts";

export interface VolumeOptions extends EntryBase {
  readonly volumes: AttachedVolumes;
  readonly life: VdiLife;
  readonly pageCache: Switch;
  /** Told when a file that was written is closed or synced: what texts count may have changed. */
  readonly written: () => void;
}

const blockBytes = 4096;

/** volume/NAME: the bytes of an attached VDI. */
export class VolumeNode implements FileNode {
  readonly kind = "file";
  readonly id: NodeId;
  readonly #attached: AttachedVolume;
  readonly #versions: VolumeVersions;
  readonly #options: VolumeOptions;
  readonly #direct: FileTraits;
  readonly #cached: FileTraits;
  /** Whether the VDI was changed elsewhere, which is not asked for each stat. */
  readonly #refreshed: Fresh<true>;
  #allocatedBytes = 0;

  constructor(id: NodeId, attached: AttachedVolume, options: VolumeOptions) {
    this.id = id;
    this.#attached = attached;
    this.#versions = new VolumeVersions(attached, options.clock);
    this.#options = options;
    const { readOnly, name, title } = attached;
    const immutable = name.snapshot !== null;
    this.#cached = {
      seekable: true,
      immutable,
      directIo: false,
      blockBytes,
      writable: !readOnly,
      extensible: false,
    };
    this.#direct = { ...this.#cached, directIo: true };
    this.#refreshed = new Fresh({
      what: `volume/${title}`,
      make: (scope) => this.#refresh(scope),
      clock: options.clock,
      patience: options.patience,
      freshMs: limits.volumeAttrMs,
    });
  }

  /** Whether the kernel caches is decided when a volume is opened, not when it is attached. */
  get traits(): FileTraits {
    return this.#options.pageCache.on ? this.#cached : this.#direct;
  }

  /** @throws stale when it was detached meanwhile, or is not ours any more */
  async attr(scope: Scope): Promise<Attr> {
    await this.#refreshed.getSoon(scope);
    const allocatedBytes = await this.#countAllocated(scope);
    const { volume, title, state, mtimeMs, birthtimeMs, readOnly } = this.#attached;
    if (state === "gone") throw new SheepfsError("stale", `'${title}' was detached`);
    if (volume.failure !== null) throw volume.failure;
    return {
      kind: "file",
      sizeBytes: volume.sizeBytes,
      allocatedBytes,
      mode: readOnly ? 0o444 : 0o644,
      mtimeMs,
      ctimeMs: mtimeMs,
      birthtimeMs,
    };
  }

  /** The VDI that it is, for who changes it as a whole. */
  get attached(): AttachedVolume {
    return this.#attached;
  }

  /** @throws invalid for a smaller size | read_only | too_large */
  async setSize(bytes: number, scope: Scope): Promise<void> {
    const { name, readOnly, title } = this.#attached;
    if (readOnly) throw new SheepfsError("read_only", `'${title}' is attached for reading only`);
    await growWorking(this.#options, name.name, bytes, scope);
  }

  open(mode: OpenMode): OpenFile {
    if (mode !== "read" && this.#attached.readOnly) {
      const { title } = this.#attached;
      throw new SheepfsError("read_only", `'${title}' is attached for reading only`);
    }
    return new VolumeFile(this.#attached, this.#options);
  }

  version(): FileVersion {
    return this.#versions.now();
  }

  details(): ReadonlyMap<string, string> {
    const { volume } = this.#attached;
    const { vid, copies, copyPolicy } = volume.header;
    return new Map([
      ["vid", vid.toString(16)],
      ["copies", String(copies)],
      ["policy", policyText({ copyPolicy })],
      ["object-size", String(volume.objectBytes)],
    ]);
  }

  async #refresh(scope: Scope): Promise<true> {
    await this.#options.volumes.refresh(this.#attached, scope);
    return true;
  }

  /** Our own writes change it, so it is not cached; in trouble it is what was counted last. */
  async #countAllocated(scope: Scope): Promise<number> {
    const { volume, title } = this.#attached;
    const { clock, log, patience } = this.#options;
    try {
      const soon = impatient(scope, clock, patience.ms);
      this.#allocatedBytes = await volume.allocatedBytes(soon);
    } catch (thrown) {
      log.debug(`counting the blocks of '${title}': ${asSheepfsError(thrown).message}`);
    }
    return this.#allocatedBytes;
  }
}

type VolumeFileOptions = Pick<VolumeOptions, "clock" | "written">;

class VolumeFile implements OpenFile {
  readonly #attached: AttachedVolume;
  readonly #volume: Volume;
  readonly #options: VolumeFileOptions;
  #open = true;
  /** Since it was told last. */
  #wrote = false;

  /** @throws stale | busy when it is detached, or about to be */
  constructor(attached: AttachedVolume, options: VolumeFileOptions) {
    attached.addUser();
    this.#attached = attached;
    this.#volume = attached.volume;
    this.#options = options;
  }

  sizeBytes(): number {
    return this.#volume.sizeBytes;
  }

  read(into: Uint8Array, offset: number, scope: Scope): Promise<number> {
    return this.#volume.read(into, offset, scope);
  }

  write(from: Uint8Array, offset: number, scope: Scope): Promise<number> {
    this.#written();
    return this.#volume.write(from, offset, scope);
  }

  submitRead(transfer: Transfer): void {
    this.#volume.submitRead(transfer);
  }

  submitWrite(transfer: Transfer): void {
    this.#written();
    this.#volume.submitWrite(transfer);
  }

  // What was acknowledged is on the cluster already; close(2) promises no more than that.
  async flush(): Promise<void> {
    this.#tellWritten();
  }

  async sync(scope: Scope): Promise<void> {
    await this.#volume.flush(scope);
    this.#tellWritten();
  }

  discard(extent: Extent, scope: Scope): Promise<void> {
    this.#written();
    return this.#volume.discard(extent, scope);
  }

  seek(offset: number, what: "data" | "hole", scope: Scope): Promise<number | null> {
    return this.#volume.seek(offset, what, scope);
  }

  // Before anything is awaited: whoever detaches right after closing must not find it in use.
  async close(): Promise<void> {
    if (!this.#open) return;
    this.#open = false;
    this.#attached.removeUser();
    this.#tellWritten();
  }

  #written(): void {
    this.#wrote = true;
    this.#attached.mtimeMs = this.#options.clock.wallMs();
  }

  #tellWritten(): void {
    if (this.#wrote) this.#options.written();
    this.#wrote = false;
  }
}
