import type { Timer } from "../base/clock.ts";
import { asSheepfsError, SheepfsError } from "../base/errors.ts";
import { limits } from "../base/limits.ts";
import type { Scope } from "../base/scope.ts";
import type { Transfer } from "../base/transfer.ts";
import { waitWithin } from "../base/waiting.ts";
import { type InodeHeader, InodeHeaderStruct } from "../wire/inode.ts";
import { VolumeCore, type VolumePorts, type VolumeTarget } from "./core.ts";
import { discard, type Extent } from "./discard.ts";
import { countSetBlocks, type SlotRun, seek, slotRuns } from "./extents.ts";
import { geometryOf } from "./geometry.ts";
import { ReadPath } from "./reads.ts";
import { objectRemoved } from "./removal.ts";
import { WritePath } from "./writes.ts";

/** Where the size lies in an inode, alone: a whole header could undo somebody else's change. */
const sizeOffset = InodeHeaderStruct.offsets.vdiSize;

/** Random access to one VDI. */
export class Volume {
  readonly readOnly: boolean;
  readonly #core: VolumeCore;
  readonly #reads: ReadPath;
  readonly #writes: WritePath;
  #lateCheck: Timer | null = null;
  #closed = false;

  private constructor(core: VolumeCore) {
    this.#core = core;
    this.readOnly = core.readOnly;
    this.#reads = new ReadPath(core);
    this.#writes = new WritePath(core);
    core.moveOn = () => this.#moveOn();
  }

  /**
   * Looks the VDI up and opens it for I/O; of its index only what is needed is ever read.
   * @throws not_found | too_large | not_supported | corrupt | not_ready | unavailable
   */
  static async open(ports: VolumePorts, what: VolumeTarget, scope: Scope): Promise<Volume> {
    const header = await ports.resolver.resolve(what.name, scope);
    const readOnly = what.readOnly || header.isSnapshot;
    return new Volume(await VolumeCore.open(ports, { ...what, readOnly }, header, scope));
  }

  get sizeBytes(): number {
    return this.#core.geometry.sizeBytes;
  }

  get objectBytes(): number {
    return this.#core.geometry.objectBytes;
  }

  /** As it was read last; its vid is the one in use now. */
  get header(): InodeHeader {
    return this.#core.header;
  }

  /** Counts what we did to its bytes: while it stays the same and `quiet` holds, so do they. */
  get changes(): number {
    return this.#writes.generations.changes;
  }

  /** No write of ours is under way or might still land. */
  get quiet(): boolean {
    return this.#writes.generations.underWay === 0;
  }

  /** Why nothing can be read or written any more: the VDI is not ours. Null as long as it is. */
  get failure(): SheepfsError | null {
    return this.#core.failure;
  }

  /** From now on nothing is read or written: the VDI was found to be somebody else's. */
  fail(reason: string): SheepfsError {
    return this.#core.fail(reason);
  }

  /** Reads `transfer`, which lies within the volume; holes are zeros without a request. */
  submitRead(transfer: Transfer): void {
    const refused = this.#ended();
    if (refused === null) this.#reads.submit(transfer);
    else transfer.done(refused);
  }

  /**
   * Writes `transfer`, which lies within the volume. Done when the cluster has acknowledged the
   * data and the slots that make it reachable.
   */
  submitWrite(transfer: Transfer): void {
    const refused = this.#notWritable();
    if (refused === null) this.#writes.submit(transfer);
    else transfer.done(refused);
  }

  /** @returns bytes read; short only at the end of the volume */
  async read(into: Uint8Array, offset: number, scope: Scope): Promise<number> {
    const length = Math.min(into.length, this.sizeBytes - offset);
    if (length <= 0) return 0;
    await transferred((transfer) => this.submitRead(transfer), {
      buffer: into,
      offset,
      length,
      scope,
    });
    return length;
  }

  /**
   * @returns bytes written, all of them; `from` is borrowed until settled
   * @throws no_space when they do not fit in the volume | read_only
   */
  async write(from: Uint8Array, offset: number, scope: Scope): Promise<number> {
    if (offset + from.length > this.sizeBytes) {
      const what = `bytes ${offset} to ${offset + from.length}`;
      throw new SheepfsError("no_space", `${this.#core.title} ends at ${this.sizeBytes}: ${what}`);
    }
    if (from.length === 0) return 0;
    await transferred((transfer) => this.submitWrite(transfer), {
      buffer: from,
      offset,
      length: from.length,
      scope,
    });
    return from.length;
  }

  /** Returns when every write accepted before is durable, and in the VDI that the name means. */
  async flush(scope: Scope): Promise<void> {
    const core = this.#core;
    const { vid } = core;
    if (core.failure !== null) throw core.failure;
    await this.settled(scope);
    await this.#writes.settleSlots(scope);
    await this.#verify(scope);
    await core.ports.store.flush(vid, scope);
    if (core.vid !== vid) await core.ports.store.flush(core.vid, scope);
  }

  /** Resolves when every write accepted before has ended, whichever way. */
  settled(scope: Scope): Promise<void> {
    const { clock } = this.#core.ports;
    return this.#writes.generations.settled(scope, clock, `${this.#core.title}: writes under way`);
  }

  /**
   * Holds back what is written from now on, until `releaseWrites`: what was acknowledged is durable
   * then, and all that there is.
   * @throws cancelled | timed_out | whatever a flush can throw, and nothing is held back
   */
  async holdWrites(scope: Scope): Promise<void> {
    await this.#writes.hold(scope);
    try {
      await this.#core.ports.store.flush(this.#core.vid, scope);
    } catch (thrown) {
      this.#writes.release();
      throw thrown;
    }
  }

  /** Goes on writing; when the VDI was snapshotted meanwhile, in its new working VDI. */
  async releaseWrites(scope: Scope): Promise<void> {
    const { clock, log } = this.#core.ports;
    const what = `${this.#core.title}: looking for a snapshot of it`;
    let doubt: SheepfsError | null = null;
    try {
      await waitWithin(this.refresh(scope), scope, { clock, what });
    } catch (thrown) {
      // Whoever writes meets it too, and is told.
      doubt = asSheepfsError(thrown);
      log.warn(`${what}: ${doubt.message}`);
    } finally {
      this.#writes.release(doubt);
    }
  }

  /** Makes the extent, which lies within the volume, read as zeros, and frees its whole blocks. */
  async discard(extent: Extent, scope: Scope): Promise<void> {
    const refused = this.#notWritable();
    if (refused !== null) throw refused;
    const { offset, length } = extent;
    if (offset < 0 || length < 0 || offset + length > this.sizeBytes) {
      const what = `bytes ${offset} to ${offset + length}`;
      throw new SheepfsError("range", `${this.#core.title}: ${what} are not within it`);
    }
    if (length === 0) return;
    // Clearing slots of a VDI that has become a snapshot would punch holes into that.
    await this.refresh(scope);
    await discard(this.#core, this.#writes, extent, scope);
  }

  /** The first byte at or after `offset` that is data (or a hole); null when there is none. */
  seek(offset: number, what: "data" | "hole", scope: Scope): Promise<number | null> {
    return seek(this.#core, offset, what, scope);
  }

  /** Whose objects hold its data, from the block of `offset` on: so many runs as are asked for once. */
  slotRuns(offset: number, scope: Scope): Promise<readonly SlotRun[]> {
    return slotRuns(this.#core, offset, scope);
  }

  /** Bytes of the blocks that have data, own or shared. The first call reads the whole index, once. */
  async allocatedBytes(scope: Scope): Promise<number> {
    return (await countSetBlocks(this.#core, scope)) * this.objectBytes;
  }

  /**
   * Looks at the VDI anew: a size that was changed elsewhere is taken over, a snapshot followed.
   * @throws stale when it was deleted or rolled back elsewhere, and it fails then | too_large
   */
  async refresh(scope: Scope): Promise<void> {
    const core = this.#core;
    for (let hop = 0; ; hop += 1) {
      if (core.failure !== null) throw core.failure;
      const header = await core.readOwnHeader(scope);
      if (header === null) continue;
      const follows = core.name.snapshot === null && !core.header.isSnapshot;
      if (!header.isSnapshot || !follows) {
        const geometry = geometryOf(header, core.title);
        core.header = header;
        core.geometry = geometry;
        return;
      }
      if (hop === limits.snapshotRetriesMax) throw this.#followedTooOften();
      try {
        await this.#writes.follow();
      } catch (thrown) {
        const isGone = header.name.length === 0 && asSheepfsError(thrown).code === "read_only";
        throw isGone ? core.fail("was deleted elsewhere") : thrown;
      }
    }
  }

  /** What was read of the index may have been cleared by who deletes the snapshot that it is now. */
  async #moveOn(): Promise<void> {
    const core = this.#core;
    const { trust } = core;
    try {
      await this.refresh(core.newScope());
    } catch (thrown) {
      if (asSheepfsError(thrown).code !== "read_only") throw thrown;
      trust.asSnapshot = true;
    }
  }

  /**
   * Makes the volume larger; what is new is a hole.
   * @throws not_supported for a smaller size | too_large | read_only
   */
  async grow(sizeBytes: number, scope: Scope): Promise<void> {
    const refused = this.#notWritable();
    if (refused !== null) throw refused;
    const core = this.#core;
    for (let attempt = 0; attempt <= limits.snapshotRetriesMax; attempt += 1) {
      await this.refresh(scope);
      if (sizeBytes === this.sizeBytes) return;
      if (sizeBytes < this.sizeBytes) {
        const text = `${core.title} has ${this.sizeBytes} bytes and cannot be made smaller`;
        throw new SheepfsError("not_supported", text);
      }
      geometryOf({ ...core.header, vdiSize: sizeBytes }, core.title);
      const bytes = new Uint8Array(InodeHeaderStruct.fields.vdiSize.bytes);
      InodeHeaderStruct.fields.vdiSize.set(new DataView(bytes.buffer), 0, sizeBytes);
      // The next look finds the new size, or that it went to a snapshot.
      await core.ports.store.writeInode(core.vid, sizeOffset, bytes, scope);
    }
    throw this.#followedTooOften();
  }

  /**
   * Refuses new work, waits for what was accepted, and gives back what it holds, also when that
   * fails.
   */
  async close(scope: Scope): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    try {
      if (!this.readOnly && this.failure === null) await this.flush(scope);
      if (this.failure === null && (await this.#removalsOver(scope))) {
        // Of a discard that failed only now it shows that it was made.
        if (!this.readOnly) await this.#writes.settleSlots(scope);
      }
    } finally {
      this.#lateCheck?.cancel();
      this.#writes.close();
      this.#core.index.close();
    }
  }

  /**
   * Whoever attaches the VDI next knows nothing of objects that are still to be removed. The one that
   * was to go last stands for all.
   */
  async #removalsOver(scope: Scope): Promise<boolean> {
    const core = this.#core;
    const { lastCleared, touched } = core;
    if (lastCleared === null || !touched.isLeaving(lastCleared)) return false;
    await core.whileWanted(scope, () => objectRemoved(core, lastCleared, true));
    return true;
  }

  /**
   * An index write that lands in a snapshot is answered like any other. So whoever wants to know
   * that all is in the working VDI has to look, and to look again later: while a snapshot is being
   * made, the inode does not show it yet.
   */
  async #verify(scope: Scope): Promise<void> {
    const core = this.#core;
    for (let hop = 0; core.unverified; hop += 1) {
      const askedMs = core.ports.clock.nowMs();
      const header = await core.readOwnHeader(scope);
      if (header === null) continue;
      if (!header.isSnapshot) {
        const settled = core.indexChangedMs + limits.snapshotWaitMs <= askedMs;
        if (settled) core.unverified = false;
        else this.#verifyLater();
        return;
      }
      if (hop === limits.snapshotRetriesMax) throw this.#followedTooOften();
      await this.#writes.followAnew();
    }
  }

  #verifyLater(): void {
    if (this.#lateCheck !== null || this.#closed) return;
    const { clock, log } = this.#core.ports;
    this.#lateCheck = clock.after(limits.snapshotWaitMs, () => {
      this.#lateCheck = null;
      if (this.failure !== null) return;
      this.#verify(this.#core.newScope()).catch((thrown: unknown) => {
        const error = asSheepfsError(thrown);
        log.warn(`${this.#core.title}: cannot see whether it was snapshotted: ${error.message}`);
      });
    });
  }

  #notWritable(): SheepfsError | null {
    const ended = this.#ended();
    if (ended !== null || !this.readOnly) return ended;
    return new SheepfsError("read_only", `${this.#core.title} is attached read-only`);
  }

  #ended(): SheepfsError | null {
    if (!this.#closed) return this.failure;
    return new SheepfsError("stale", `${this.#core.title} was detached`);
  }

  #followedTooOften(): SheepfsError {
    const text = `${this.#core.title} is snapshotted faster than it can follow`;
    return new SheepfsError("read_only", text);
  }
}

/** One transfer as a promise. */
function transferred(
  submit: (transfer: Transfer) => void,
  what: Pick<Transfer, "buffer" | "offset" | "length" | "scope">,
): Promise<void> {
  return new Promise<void>((resolve, reject) => {
    submit({
      ...what,
      at: 0,
      lend: () => false,
      done: (error) => {
        if (error === null) resolve();
        else reject(error);
      },
    });
  });
}
