import { asSheepfsError, SheepfsError } from "../base/errors.ts";
import { limits } from "../base/limits.ts";
import type { Scope } from "../base/scope.ts";
import type { InodeHeader } from "../wire/inode.ts";
import type { Opened, VolumeCore } from "./core.ts";
import { Doubts } from "./doubts.ts";
import { callObject } from "./object-call.ts";
import { holeSlot, lockUnitBytes, unloadedSlot } from "./plan.ts";
import type { SlotUpdate } from "./slots.ts";

/** A slot of the new VDI that lacks what we did to it in the old one. */
interface Debt {
  readonly index: number;
  /** What the new VDI has. */
  readonly slot: number;
  /**
   * The block is to be copied from the old VDI, or to become a hole; or its slot is ours already
   * and the update that made it so has failed.
   */
  readonly how: "copy" | "clear" | "confirm";
}

interface Head {
  readonly header: InodeHeader;
  /** The vids after ours, up to its own. */
  readonly later: ReadonlySet<number>;
}

interface Chain {
  readonly later: ReadonlySet<number>;
  /** `rolled back to`: it is made from ours, but one that is made from ours was there before. */
  readonly how: "plain" | "rolled back to" | "not of ours";
}

/**
 * Finds the VDI that a volume goes on with when its own has become a snapshot, and gives it
 * whatever was acknowledged and did not make it into the snapshot: the sheep copies the index at
 * some moment, and never refuses an index write that comes later.
 *
 * The volume goes on being read from the old VDI, which has everything, until the new one has it
 * too; nothing is written meanwhile.
 */
export class SnapshotFollower {
  readonly #core: VolumeCore;
  readonly #doubts = new Doubts();
  /** Slots of a new VDI of which an update of ours failed, and none was acknowledged since. */
  readonly #owed = { vid: 0, indexes: new Set<number>() };
  /** No working VDI was found that follows it; it is not waited for again. */
  #stuckVid: number | null = null;

  constructor(core: VolumeCore) {
    this.#core = core;
  }

  /**
   * Makes the volume its new working VDI.
   * @throws read_only when there is none | stale when it is not made from ours | corrupt
   */
  async follow(): Promise<void> {
    const core = this.#core;
    const from = core.vid;
    for (let hop = 0; hop < limits.snapshotRetriesMax; hop += 1) {
      const scope = core.newScope();
      // A copy that may still land would undo what is written after it.
      await this.#doubts.settled(scope, core.ports.clock, `${core.title}: move to a new VDI`);
      const { header, later } = await this.#settledHead(scope);
      const next = await this.#open(header);
      try {
        await this.#settleDebts(next, later);
      } catch (error) {
        next.index.close();
        // It was snapshotted in its turn.
        if (error instanceof SheepfsError && error.code === "read_only") continue;
        throw error;
      }
      core.become(next);
      core.ports.log.info(
        `${core.title} was snapshotted elsewhere: vid ${hex(from)} goes on as ${hex(core.vid)}`,
      );
      return;
    }
    throw new SheepfsError("read_only", `${core.title} is snapshotted faster than it can follow`);
  }

  async #workingVdi(scope: Scope): Promise<InodeHeader> {
    const core = this.#core;
    const { clock } = core.ports;
    const untilMs = clock.nowMs() + (this.#stuckVid === core.vid ? 0 : limits.snapshotWaitMs);
    for (;;) {
      const header = await this.#lookUp(scope);
      if (header !== null && header.vid !== core.vid && !header.isSnapshot) return header;
      if (clock.nowMs() >= untilMs) break;
      await new Promise<void>((resolve) => clock.after(limits.snapshotPollMs, resolve));
    }
    this.#stuckVid = core.vid;
    throw new SheepfsError(
      "read_only",
      `vid ${hex(core.vid)} is a snapshot now, and there is no working VDI of the name`,
    );
  }

  /** Null as long as a snapshot is being made: its new working VDI comes last. */
  async #lookUp(scope: Scope): Promise<InodeHeader | null> {
    try {
      return await this.#core.ports.resolver.resolve(this.#core.name, scope);
    } catch (error) {
      if (error instanceof SheepfsError && error.code === "not_found") return null;
      throw error;
    }
  }

  /**
   * The working VDI, and the vids after ours up to it. Of two who make a snapshot at once the second
   * rolls the VDI back, and puts that right when it sees it: what is no plain successor of ours is
   * looked at again for a while, as what was written to it would not be in what comes next.
   * @throws stale when the working VDI does not descend from ours
   */
  async #settledHead(scope: Scope): Promise<Head> {
    const core = this.#core;
    const { clock } = core.ports;
    let untilMs: number | null = null;
    for (;;) {
      const header = await this.#workingVdi(scope);
      const { later, how } = await this.#chain(header, scope);
      untilMs ??= clock.nowMs() + limits.headSettleMs;
      if (how === "plain") return { header, later };
      if (clock.nowMs() >= untilMs) {
        if (how === "rolled back to") return { header, later };
        throw core.fail(
          `was rolled back elsewhere: its name means vid ${hex(header.vid)} now, which is not made ` +
            `from vid ${hex(core.vid)}`,
        );
      }
      await new Promise<void>((resolve) => clock.after(limits.snapshotPollMs, resolve));
    }
  }

  /** The vids after ours, up to the working one. */
  async #chain(working: InodeHeader, scope: Scope): Promise<Chain> {
    const core = this.#core;
    const later = new Set<number>();
    let header = working;
    let isPlain = true;
    while (later.size < limits.snapshotChainMax && !later.has(header.vid)) {
      later.add(header.vid);
      const { parentVid, snapId } = header;
      if (parentVid === 0) break;
      header = parentVid === core.vid ? core.header : await core.readHeader(parentVid, scope);
      // The sheep takes the number after that of what was the working VDI.
      isPlain &&= snapId === header.snapId + 1;
      if (parentVid === core.vid) return { later, how: isPlain ? "plain" : "rolled back to" };
    }
    return { later, how: "not of ours" };
  }

  async #open(header: InodeHeader): Promise<Opened> {
    const core = this.#core;
    const next = await core.openOther(header);
    const { objectBytes, kind } = next.geometry;
    if (objectBytes === core.geometry.objectBytes && kind === core.geometry.kind) return next;
    next.index.close();
    throw new SheepfsError("corrupt", `vid ${hex(header.vid)} has objects of another size`);
  }

  async #settleDebts(next: Opened, later: ReadonlySet<number>): Promise<void> {
    const core = this.#core;
    let debts: Debt[] = [];
    const owe = async (debt: Debt): Promise<void> => {
      debts.push(debt);
      if (debts.length < limits.indexRunSlotsMax) return;
      await this.#settle(next, debts);
      debts = [];
    };
    const { vid } = next.header;
    if (this.#owed.vid !== vid) {
      this.#owed.vid = vid;
      this.#owed.indexes.clear();
    }
    for (const index of core.touched.created()) {
      const slot = await this.#slot(next, index);
      const isLeaving = core.touched.isLeaving(index);
      // A later VDI has its own: we wrote it there before we were interrupted, or somebody else.
      if (slot === vid && this.#owed.indexes.has(index)) await owe({ index, slot, how: "confirm" });
      else if (slot === vid) next.touched.markCreated(index);
      else if (later.has(slot)) continue;
      // An object of ours that is named is there, unless we tried to discard it.
      else if (slot !== core.vid || isLeaving) await owe({ index, slot, how: "copy" });
    }
    for (const index of core.touched.cleared()) {
      const slot = await this.#slot(next, index);
      if (slot !== holeSlot && later.has(slot)) continue;
      const isOwed = this.#owed.indexes.has(index);
      if (slot !== holeSlot || isOwed) await owe({ index, slot, how: "clear" });
      else next.touched.markCleared(index);
    }
    await this.#settle(next, debts);
  }

  async #slot(next: Opened, index: number): Promise<number> {
    for (;;) {
      const slot = next.index.get(index);
      if (slot !== unloadedSlot) return slot;
      await next.index.load(index, this.#core.newScope());
    }
  }

  /** Objects first, then the index, as always. */
  async #settle(next: Opened, debts: readonly Debt[]): Promise<void> {
    if (debts.length === 0) return;
    const copied = new Set<number>();
    const copies = debts.filter(({ how }) => how === "copy");
    for (let at = 0; at < copies.length; at += limits.snapshotCopiesInflightMax) {
      const some = copies.slice(at, at + limits.snapshotCopiesInflightMax);
      const results = await Promise.allSettled(some.map((debt) => this.#copy(next, debt.index)));
      for (const [n, result] of results.entries()) {
        if (result.status === "rejected") throw result.reason;
        if (result.value) copied.add(some[n]?.index ?? 0);
      }
    }
    const { vid } = next.header;
    const updates = debts
      .map(({ index, slot, how }) => {
        return { index, slot, value: how === "confirm" || copied.has(index) ? vid : holeSlot };
      })
      .filter(({ index, slot, value }) => slot !== value || this.#owed.indexes.has(index))
      .sort((a, b) => a.index - b.index);
    for (let from = 0; from < updates.length; ) {
      const count = next.index.batch(updates, from);
      await this.#update(next, updates.slice(from, from + count));
      from += count;
    }
  }

  async #update(next: Opened, batch: readonly SlotUpdate[]): Promise<void> {
    const { indexes } = this.#owed;
    for (const { index } of batch) indexes.add(index);
    await this.#doubts.watch((resolved) => {
      return next.index.write(batch, this.#core.newScope(), resolved);
    }, ignore);
    for (const { index, value } of batch) {
      indexes.delete(index);
      if (value === next.header.vid) next.touched.markCreated(index);
      else next.touched.markCleared(index);
    }
  }

  /**
   * A copy and not a slot that names the old VDI: only the sheep counts references, and it would
   * know nothing of this one.
   * @returns false when there is nothing to copy: a discard that failed has taken it away
   */
  async #copy(next: Opened, index: number): Promise<boolean> {
    const core = this.#core;
    const { store } = core.ports;
    const { copies, copyPolicy } = next.header;
    const scope = core.newScope();
    const bytes = new Uint8Array(lockUnitBytes);
    const common = { index, copies, copyPolicy, offset: 0, bytes };
    try {
      await callObject(store, { ...common, kind: "read", vid: core.vid, cowVid: 0 }, scope, ignore);
    } catch (thrown) {
      const error = asSheepfsError(thrown);
      if (error.code === "stale" && core.touched.isLeaving(index)) return false;
      const code = error.code === "stale" ? "corrupt" : error.code;
      const what = "taking acknowledged data along to the new working VDI";
      throw core.ioError(new SheepfsError(code, error.message, { cause: error }), what, {
        index,
        within: 0,
      });
    }
    try {
      await this.#doubts.watch((resolved) => {
        const call = { ...common, kind: "cow", vid: next.header.vid, cowVid: core.vid } as const;
        return callObject(store, call, scope, resolved);
      }, ignore);
    } catch (thrown) {
      // It was removed after it was read.
      if (asSheepfsError(thrown).code === "stale" && core.touched.isLeaving(index)) return false;
      throw thrown;
    }
    return true;
  }
}

function ignore(): void {}

function hex(vid: number): string {
  return vid.toString(16);
}
