import type { Address } from "../../base/address.ts";
import { asSheepfsError, SheepfsError } from "../../base/errors.ts";
import { objectBytesOf } from "../../cluster/blocks.ts";
import { createVdi } from "../../cluster/create-vdi.ts";
import { unescapeName } from "../../tree/names.ts";
import type { Extent } from "../../volume/discard.ts";
import type { Volume } from "../../volume/volume.ts";
import type { InodeHeader } from "../../wire/inode.ts";
import type { Core } from "../core.ts";
import { withCluster } from "../verbs/cluster.ts";
import { openNamed, operation, withCore } from "../verbs/core.ts";
import { makeSnapshot } from "../verbs/snapshots.ts";
import { type CopyNote, keyOf } from "./copy-note.ts";
import { begunAt, type CopyState, familyOf, statesOf } from "./copy-plan.ts";
import {
  bytesOf,
  heldBytes,
  readAhead,
  readPairs,
  refuseCleared,
  type TellProgress,
  volumeSum,
} from "./data.ts";
import { aligned, dataExtents, differences } from "./differences.ts";
import { ContentSum, pieceSum, sumHex } from "./digest.ts";
import { stateIdOf, stateKey } from "./state-id.ts";
import { writeMark } from "./vdi-mark.ts";
import { Writing, writeFresh, writeOver } from "./writing.ts";

export interface CopyWish {
  readonly from: readonly Address[];
  readonly to: readonly Address[];
  /** Of the VDI. */
  readonly name: string;
  /** Its name there. */
  readonly as: string;
  /** Null for the default of the cluster there. */
  readonly copies: number | null;
  /** An erasure code there, else 0. */
  readonly copyPolicy: number;
  /** Its snapshots, and not what it is now, which may be in use. */
  readonly snapshotsOnly: boolean;
  /** Go on with a copy, finished or not. */
  readonly resume: boolean;
  readonly progress: TellProgress;
  /** Told when a snapshot is there. */
  readonly made: (tag: string, of: { readonly at: number; readonly count: number }) => void;
}

export interface CopyResult {
  readonly name: string;
  readonly as: string;
  readonly sizeBytes: number;
  /** Tags of all snapshots that it has there, the oldest first. */
  readonly snapshots: readonly string[];
  /** That were read here and written there. */
  readonly dataBytes: number;
}

/**
 * Copies a VDI with its snapshots to another cluster: state after state, of each only what differs from
 * the one before, which is read again there before it counts.
 * @throws exists | not_found | busy when it is in use here | corrupt when it does not read back | …
 */
export async function copyVdi(wish: CopyWish): Promise<CopyResult> {
  const { name, as, to } = wish;
  const states = statesOf(await familyOf(wish.from, name), wish);
  const begun = begunAt(await familyOf(to, as), states, wish);
  // What is now is of one moment only while nobody else writes.
  return await withCore(wish.from, wish.snapshotsOnly, async (from) => {
    const sources = new Sources(from, name);
    const last = states.at(-1);
    if (last?.tag === null) await sources.open(last);
    if (begun === null) await makeTarget(wish, states[0]);
    const noted = begun?.note ?? (await firstNote(wish, states[0]));
    const dataBytes = await withCore(to, false, async (core) => {
      const volume = await openNamed(core, as);
      const copy = new Copy({ wish, sources, target: core, volume, noted });
      return await copy.run(states, { from: begun?.done ?? 0, fresh: begun === null });
    });
    const snapshots = states.flatMap(({ tag }) => (tag === null ? [] : [tag]));
    return { name, as, sizeBytes: last?.header.vdiSize ?? 0, snapshots, dataBytes };
  });
}

async function makeTarget(wish: CopyWish, first: CopyState | undefined): Promise<void> {
  if (first === undefined) return;
  const { header } = first;
  await withCluster(wish.to, async (caller, scope) => {
    const storePolicy = header.storePolicy === 1 ? 1 : 0;
    const { copies, copyPolicy } = wish;
    const layout = { objectBytes: layoutBytes(header), copies, copyPolicy, storePolicy } as const;
    const name = unescapeName(wish.as);
    await createVdi(caller, { name, sizeBytes: header.vdiSize, ...layout }, scope);
  });
}

async function firstNote({ to, as }: CopyWish, first: CopyState | undefined): Promise<CopyNote> {
  const none = { last: null, making: null, sum: null };
  const note: CopyNote = { first: first === undefined ? "" : keyOf(first.header), ...none };
  await writeMark(to, { name: as, kind: "copy" }, note);
  return note;
}

const objectBytesLeast = 2 ** 20;

/** As here, where that can be made. */
function layoutBytes(header: InodeHeader): number {
  return Math.max(objectBytesOf(header), objectBytesLeast);
}

/** States of the VDI here, two of which are open at a time. */
class Sources {
  readonly #core: Core;
  readonly #name: string;

  constructor(core: Core, name: string) {
    this.#core = core;
    this.#name = name;
  }

  async open({ header, tag }: CopyState): Promise<Volume> {
    if (tag === null) return await openNamed(this.#core, this.#name);
    const title = `${this.#name}@${tag}`;
    const name = { name: header.name, snapshot: { id: header.snapId }, vid: header.vid };
    return await this.#core.volumes.openSnapshot({ name, title }, operation());
  }

  async close({ tag }: CopyState, volume: Volume): Promise<void> {
    if (tag !== null) await this.#core.volumes.closeSnapshot(volume, operation());
  }
}

interface CopiedExtents {
  written(): AsyncIterable<Extent>;
  /** That have to hold what was written, and nothing else. */
  read(): AsyncIterable<Extent>;
}

/** A copy under way. */
class Copy {
  readonly #wish: CopyWish;
  readonly #sources: Sources;
  readonly #target: Core;
  readonly #volume: Volume;
  #noted: CopyNote;
  #dataBytes = 0;

  constructor(parts: {
    readonly wish: CopyWish;
    readonly sources: Sources;
    readonly target: Core;
    readonly volume: Volume;
    readonly noted: CopyNote;
  }) {
    this.#wish = parts.wish;
    this.#sources = parts.sources;
    this.#target = parts.target;
    this.#volume = parts.volume;
    this.#noted = parts.noted;
  }

  /** @returns bytes that were read and written */
  async run(
    states: readonly CopyState[],
    begin: { readonly from: number; readonly fresh: boolean },
  ): Promise<number> {
    let at = begin.from;
    try {
      for (; at < states.length; at += 1) {
        const state = states[at];
        if (state === undefined) break;
        const fresh = begin.fresh && at === 0;
        const checks = !begin.fresh && at === begin.from;
        const earlier = states[at - 1] ?? null;
        const held = await this.#state(state, earlier, { fresh, checks });
        if (state.tag === null) await this.#note({ sum: await this.#since(earlier) });
        else await this.#snapshot(state.tag, state.header, held);
        if (state.tag !== null) this.#wish.made(state.tag, { at: at + 1, count: states.length });
      }
    } catch (thrown) {
      throw this.#left(states, at, thrown);
    }
    return this.#dataBytes;
  }

  /** @returns what it has, see `heldBytes` */
  async #state(
    state: CopyState,
    earlier: CopyState | null,
    how: { readonly fresh: boolean; readonly checks: boolean },
  ): Promise<number> {
    const source = await this.#sources.open(state);
    const before = earlier === null ? null : await this.#sources.open(earlier);
    try {
      const held = await heldBytes(source);
      const extents = (): AsyncIterable<Extent> =>
        before === null ? dataExtents(source) : differences(before, source);
      if (how.checks) await this.#refuseWritten(earlier, extents());
      await this.#note({ making: null, sum: null });
      if (source.sizeBytes > this.#volume.sizeBytes) {
        await this.#volume.grow(source.sizeBytes, operation());
      }
      const written = (): AsyncIterable<Extent> => aligned(extents(), source.sizeBytes);
      // What an earlier attempt has written may be where the source has nothing by now.
      const whole = before === null && !how.fresh;
      const read = (): AsyncIterable<Extent> => (whole ? this.#allOfTarget() : written());
      await this.#write(source, { written, read }, how.fresh);
      await refuseCleared(source, held);
      // Also one that lost something before: that would not be seen to be zeros now.
      if (before !== null) await refuseCleared(before, this.#noted.last?.heldBytes ?? 0);
      return held;
    } finally {
      if (earlier !== null && before !== null) await this.#sources.close(earlier, before);
      await this.#sources.close(state, source);
    }
  }

  #allOfTarget(): AsyncIterable<Extent> {
    return aligned(dataExtents(this.#volume), this.#volume.sizeBytes);
  }

  /** Writes extents of the source, and reads them again. */
  async #write(source: Volume, extents: CopiedExtents, fresh: boolean): Promise<void> {
    const volume = this.#volume;
    const totalBytes = 2 * (await bytesOf(extents.written()));
    const [wanted, read] = [new ContentSum(), new ContentSum()];
    const writing = new Writing();
    let doneBytes = 0;
    try {
      for await (const { offset, bytes } of readAhead(source, extents.written())) {
        // What was lent is read over before it is written.
        const piece = { offset, bytes: bytes.slice() };
        wanted.add(piece);
        await writing.begin(() => (fresh ? writeFresh(volume, piece) : writeOver(volume, piece)));
        doneBytes += bytes.length;
        this.#dataBytes += bytes.length;
        this.#wish.progress({ doneBytes, totalBytes });
      }
    } finally {
      await writing.settled();
    }
    await writing.end();
    await volume.flush(operation());
    for await (const piece of readAhead(volume, extents.read())) {
      read.add(piece);
      doneBytes += piece.bytes.length;
      this.#wish.progress({ doneBytes, totalBytes });
    }
    if (read.value === wanted.value) return;
    const text = `VDI '${this.#wish.as}' does not read back as it was written`;
    throw new SheepfsError("corrupt", text);
  }

  async #snapshot(tag: string, of: InodeHeader, held: number): Promise<void> {
    const { to, as } = this.#wish;
    const made = { state: stateKey(stateIdOf(of)), heldBytes: held };
    await this.#note({ making: made });
    const { header } = this.#volume;
    const { vid } = await makeSnapshot(to, { name: as, tag });
    if (vid !== stateIdOf(header).vid) {
      throw new SheepfsError("busy", `VDI '${as}' was snapshotted there by somebody else`);
    }
    const last = { ...made, snapshot: keyOf(header) };
    await this.#note({ last, making: null, sum: sumHex(0n) });
    await this.#volume.refresh(operation());
  }

  async #note(change: Partial<CopyNote>): Promise<void> {
    this.#noted = { ...this.#noted, ...change };
    await writeMark(this.#wish.to, { name: this.#wish.as, kind: "copy" }, this.#noted);
  }

  /** What it holds beside its last snapshot, as a difference of sums. */
  async #since(earlier: CopyState | null): Promise<string> {
    const { progress } = this.#wish;
    const after = this.#volume;
    if (earlier === null) return sumHex((await volumeSum(after, progress)).value);
    const before = await this.#snapshotOf(earlier);
    const extents = (): AsyncIterable<Extent> =>
      aligned(differences(before, after), after.sizeBytes);
    const totalBytes = await bytesOf(extents());
    const sum = new ContentSum();
    let doneBytes = 0;
    for await (const pair of readPairs({ before, after }, extents())) {
      sum.add(pair.after);
      sum.subtractSum(pieceSum(pair.before));
      doneBytes += pair.after.bytes.length;
      progress({ doneBytes, totalBytes });
    }
    return sumHex(sum.value);
  }

  async #snapshotOf({ tag }: CopyState): Promise<Volume> {
    return await openNamed(this.#target, `${this.#wish.as}@${tag}`);
  }

  /**
   * What was written there since its last snapshot must be what a copy wrote, and is written again.
   * @throws invalid when somebody else has written
   */
  async #refuseWritten(earlier: CopyState | null, extents: AsyncIterable<Extent>): Promise<void> {
    const { sum } = this.#noted;
    if (sum !== null && (await this.#since(earlier)) !== sum) throw this.#writtenTo(earlier);
    // Of one that was interrupted it is not known what it has written.
    if (sum === null && earlier !== null) await this.#refuseElsewhere(earlier, extents);
  }

  /** Writes where the states do not differ are none of a copy's. @throws invalid */
  async #refuseElsewhere(earlier: CopyState, extents: AsyncIterable<Extent>): Promise<void> {
    const snapshot = await this.#snapshotOf(earlier);
    const allowed = extents[Symbol.asyncIterator]();
    let next = await allowed.next();
    for await (const { offset, length } of differences(snapshot, this.#volume)) {
      for (let at = offset; at < offset + length; ) {
        while (next.done !== true && next.value.offset + next.value.length <= at) {
          next = await allowed.next();
        }
        if (next.done === true || next.value.offset > at) {
          throw this.#writtenTo(earlier);
        }
        at = next.value.offset + next.value.length;
      }
    }
  }

  #writtenTo(earlier: CopyState | null): SheepfsError {
    const text = `VDI '${this.#wish.as}' was written to there`;
    const since = earlier === null ? "it was copied" : `its snapshot '${earlier.tag}'`;
    const another = "choose another name with '--as'";
    const back = "roll it back to that and delete the snapshot that this keeps, or ";
    const advice = earlier === null ? another : `${back}${another}`;
    return new SheepfsError("invalid", `${text} since ${since}; ${advice}`);
  }

  #left(states: readonly CopyState[], at: number, thrown: unknown): SheepfsError {
    const { code, message } = asSheepfsError(thrown);
    const there = states.slice(0, at).flatMap(({ tag }) => (tag === null ? [] : [`'${tag}'`]));
    const has = there.length === 0 ? "no snapshot yet" : `the snapshots ${there.join(", ")}`;
    const left = `VDI '${this.#wish.as}' there has ${has}: go on with '--resume', or delete them`;
    return new SheepfsError(code, `${message}; ${left}`, { cause: thrown });
  }
}
