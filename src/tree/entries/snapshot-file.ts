import { sameBytes } from "../../base/bytes.ts";
import type { Timer } from "../../base/clock.ts";
import { asSheepfsError, SheepfsError } from "../../base/errors.ts";
import { limits } from "../../base/limits.ts";
import { deadlineScope, type Scope } from "../../base/scope.ts";
import type { Transfer } from "../../base/transfer.ts";
import { impatient, waitWithin } from "../../base/waiting.ts";
import { objectBytesOf } from "../../cluster/blocks.ts";
import { createdMs, hexVid, snapshotMs } from "../../cluster/inode.ts";
import type { AttachedVolumes } from "../../volume/attach.ts";
import type { Volume } from "../../volume/volume.ts";
import type {
  Attr,
  FileNode,
  FileTraits,
  FileVersion,
  NodeId,
  OpenFile,
  OpenMode,
} from "../node.ts";
import type { EntryBase } from "./entry.ts";
import type { VdiHeader } from "./life.ts";
import { policyText } from "./vdi-json.ts";

export interface SnapshotFileOptions {
  readonly header: VdiHeader;
  readonly name: {
    readonly name: Uint8Array;
    readonly snapshot: { readonly id: number };
    readonly vid: number;
  };
  /** For messages. */
  readonly title: string;
}

type Ports = Pick<EntryBase, "ids" | "clock" | "log" | "patience"> & {
  readonly volumes: AttachedVolumes;
};

const traits: FileTraits = {
  seekable: true,
  immutable: true,
  directIo: false,
  blockBytes: 4096,
  writable: false,
  extensible: false,
};

/** snapshot/VDI/TAG: its bytes never change, and it is read without being attached. */
export class SnapshotFile implements FileNode {
  readonly kind = "file";
  readonly id: NodeId;
  readonly traits = traits;
  readonly #what: SnapshotFileOptions;
  readonly #ports: Ports;
  /** Open as long as somebody has it open. */
  #volume: Promise<Volume> | null = null;
  /** Who has it open, and who counts its blocks. */
  #users = 0;
  #readers = 0;
  #timer: Timer | null = null;
  #state: "there" | "being deleted" | "deleted" = "there";
  #allocatedBytes: number | null = null;

  constructor(what: SnapshotFileOptions, ports: Ports) {
    this.id = ports.ids.next();
    this.#what = what;
    this.#ports = ports;
  }

  /** The snapshot as look-ups in the cluster name it. */
  get name(): SnapshotFileOptions["name"] {
    return this.#what.name;
  }

  async attr(scope: Scope): Promise<Attr> {
    const { header } = this.#what;
    const mtimeMs = snapshotMs(header);
    return {
      kind: "file",
      sizeBytes: header.vdiSize,
      allocatedBytes: await this.#countAllocated(scope),
      mode: 0o444,
      mtimeMs,
      ctimeMs: mtimeMs,
      birthtimeMs: createdMs(header),
    };
  }

  async open(mode: OpenMode, scope: Scope): Promise<OpenFile> {
    if (mode !== "read") {
      throw new SheepfsError("read_only", `${this.#what.title}: a snapshot cannot be written`);
    }
    this.#checkThere();
    this.#readers += 1;
    try {
      const volume = await this.#enter(scope);
      this.#watch();
      return new SnapshotHandle(volume, () => {
        this.#leave();
        this.#readerLeft();
      });
    } catch (thrown) {
      this.#readerLeft();
      throw thrown;
    }
  }

  /** Whether it is the snapshot with that header, and no other that has come to have its vid. */
  is({ name, snapId, createTime, snapTime }: VdiHeader): boolean {
    const { header } = this.#what;
    return (
      sameBytes(header.name, name) &&
      header.snapId === snapId &&
      sameTime(header.createTime, createTime) &&
      sameTime(header.snapTime, snapTime)
    );
  }

  version(): FileVersion {
    const { header } = this.#what;
    const modifiedMs = snapshotMs(header);
    return { tag: `${hexVid(header.vid)}-${modifiedMs}`, strong: true, modifiedMs };
  }

  details(): ReadonlyMap<string, string> {
    const { header } = this.#what;
    return new Map([
      ["vid", header.vid.toString(16)],
      ["copies", String(header.copies)],
      ["policy", policyText(header)],
      ["object-size", String(objectBytesOf(header))],
    ]);
  }

  /**
   * Deletes it with `work`; nobody begins to read it meanwhile, who would be given zeros.
   * @throws busy while somebody reads it | whatever the work throws; it is still there then
   */
  async remove(work: () => Promise<void>): Promise<void> {
    this.#checkThere();
    if (this.#readers > 0) {
      throw new SheepfsError("busy", `${this.#what.title} is open; end what reads it`);
    }
    this.#state = "being deleted";
    try {
      await work();
      this.#state = "deleted";
    } catch (thrown) {
      this.#state = "there";
      throw thrown;
    }
  }

  #checkThere(): void {
    if (this.#state === "there") return;
    const code = this.#state === "deleted" ? "stale" : "busy";
    throw new SheepfsError(code, `${this.#what.title} is ${this.#state}`);
  }

  #readerLeft(): void {
    this.#readers -= 1;
    if (this.#readers > 0) return;
    this.#timer?.cancel();
    this.#timer = null;
  }

  /** Nobody tells us when others delete it, and what they have cleared would read as zeros. */
  #watch(): void {
    if (this.#readers === 0) return;
    this.#timer ??= this.#ports.clock.after(limits.watchMs, () => {
      this.#timer = null;
      void this.#look();
    });
  }

  async #look(): Promise<void> {
    const { clock, log } = this.#ports;
    try {
      const volume = await this.#volume;
      if (volume === null || volume.failure !== null) return;
      await volume.refresh(deadlineScope(clock, limits.requestTimeoutMs));
    } catch (thrown) {
      log.debug(`looking at ${this.#what.title}: ${asSheepfsError(thrown).message}`);
    }
    this.#watch();
  }

  /** The volume, for as long as whoever enters has not left. */
  async #enter(scope: Scope): Promise<Volume> {
    const { name, title } = this.#what;
    const { clock, volumes } = this.#ports;
    this.#users += 1;
    try {
      // It belongs to all who enter, so it has a deadline of its own.
      const own = deadlineScope(clock, limits.operationTimeoutMs);
      this.#volume ??= volumes.openSnapshot({ name, title }, own);
      return await waitWithin(this.#volume, scope, { clock, what: title });
    } catch (thrown) {
      this.#leave();
      throw thrown;
    }
  }

  #leave(): void {
    this.#users -= 1;
    if (this.#users > 0) return;
    const left = this.#volume;
    this.#volume = null;
    const { clock, volumes } = this.#ports;
    const scope = deadlineScope(clock, limits.requestTimeoutMs);
    // One that could not be opened has told whoever wanted it.
    left?.then((volume) => volumes.closeSnapshot(volume, scope)).catch(() => {});
  }

  /** Counted once; in trouble it is what the size is. */
  async #countAllocated(scope: Scope): Promise<number> {
    if (this.#allocatedBytes !== null) return this.#allocatedBytes;
    const { clock, log, patience } = this.#ports;
    const { header, title } = this.#what;
    const soon = impatient(scope, clock, patience.ms);
    try {
      const volume = await this.#enter(soon);
      try {
        this.#allocatedBytes = await volume.allocatedBytes(soon);
      } finally {
        this.#leave();
      }
      return this.#allocatedBytes;
    } catch (thrown) {
      log.debug(`counting the blocks of ${title}: ${asSheepfsError(thrown).message}`);
      return header.vdiSize;
    }
  }
}

function sameTime(a: VdiHeader["snapTime"], b: VdiHeader["snapTime"]): boolean {
  return a.seconds === b.seconds && a.nanoseconds === b.nanoseconds;
}

class SnapshotHandle implements OpenFile {
  readonly #volume: Volume;
  readonly #left: () => void;
  #open = true;

  constructor(volume: Volume, left: () => void) {
    this.#volume = volume;
    this.#left = left;
  }

  sizeBytes(): number {
    return this.#volume.sizeBytes;
  }

  read(into: Uint8Array, offset: number, scope: Scope): Promise<number> {
    return this.#volume.read(into, offset, scope);
  }

  submitRead(transfer: Transfer): void {
    this.#volume.submitRead(transfer);
  }

  write(): never {
    throw new SheepfsError("read_only", "a snapshot cannot be written");
  }

  async flush(): Promise<void> {}

  async sync(): Promise<void> {}

  seek(offset: number, what: "data" | "hole", scope: Scope): Promise<number | null> {
    return this.#volume.seek(offset, what, scope);
  }

  async close(): Promise<void> {
    if (!this.#open) return;
    this.#open = false;
    this.#left();
  }
}
