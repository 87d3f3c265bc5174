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
import { type CopyNote, type CopyState, familyOf, statesDone, statesOf } from "./copy-plan.ts";
import { bytesOf, readAhead, type TellProgress } from "./data.ts";
import { aligned, dataExtents, differences } from "./differences.ts";
import { ContentSum } from "./digest.ts";
import { stateIdOf } from "./state-id.ts";
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
  const done = statesDone(await familyOf(to, as), states, wish);
  // What is now is of one moment only while nobody else writes.
  return await withCore(wish.from, wish.snapshotsOnly, async (from) => {
    const sources = new Sources(from, name);
    const last = states.at(-1);
    if (last?.tag === null) await sources.open(last);
    if (done === null) await makeTarget(wish, states[0]);
    const note: CopyNote = { last: null };
    if (done === null || done === 0) await writeMark(to, { name: as, kind: "copy" }, note);
    const dataBytes = await withCore(to, false, async (core) => {
      const volume = await openNamed(core, as);
      const copy = new Copy({ wish, sources, target: core, volume });
      return await copy.run(states, { from: done ?? 0, fresh: done === null });
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
    const layout = { objectBytes: layoutBytes(header), copies: wish.copies, storePolicy } as const;
    const name = unescapeName(wish.as);
    await createVdi(caller, { name, sizeBytes: header.vdiSize, ...layout }, scope);
  });
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
  #dataBytes = 0;

  constructor(parts: {
    readonly wish: CopyWish;
    readonly sources: Sources;
    readonly target: Core;
    readonly volume: Volume;
  }) {
    this.#wish = parts.wish;
    this.#sources = parts.sources;
    this.#target = parts.target;
    this.#volume = parts.volume;
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
        await this.#state(state, states[at - 1] ?? null, { fresh, checks });
        if (state.tag !== null) await this.#snapshot(state.tag, state.header);
        if (state.tag !== null) this.#wish.made(state.tag, { at: at + 1, count: states.length });
      }
    } catch (thrown) {
      throw this.#left(states, at, thrown);
    }
    return this.#dataBytes;
  }

  async #state(
    state: CopyState,
    earlier: CopyState | null,
    how: { readonly fresh: boolean; readonly checks: boolean },
  ): Promise<void> {
    const source = await this.#sources.open(state);
    const before = earlier === null ? null : await this.#sources.open(earlier);
    try {
      const extents = (): AsyncIterable<Extent> =>
        before === null ? dataExtents(source) : differences(before, source);
      if (how.checks && earlier !== null) await this.#refuseWritten(earlier, extents());
      if (source.sizeBytes > this.#volume.sizeBytes) {
        await this.#volume.grow(source.sizeBytes, operation());
      }
      const written = (): AsyncIterable<Extent> => aligned(extents(), source.sizeBytes);
      // What an earlier attempt has written may be where the source has nothing by now.
      const whole = before === null && !how.fresh;
      const read = (): AsyncIterable<Extent> => (whole ? this.#allOfTarget() : written());
      await this.#write(source, { written, read }, how.fresh);
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

  async #snapshot(tag: string, of: InodeHeader): Promise<void> {
    const { to, as } = this.#wish;
    await makeSnapshot(to, { name: as, tag });
    const note: CopyNote = { last: stateIdOf(of) };
    await writeMark(to, { name: as, kind: "copy" }, note);
    await this.#volume.refresh(operation());
  }

  /**
   * What was written there since its last snapshot must be what a copy wrote, and is written again.
   * @throws invalid when somebody else has written
   */
  async #refuseWritten(earlier: CopyState, extents: AsyncIterable<Extent>): Promise<void> {
    const { as } = this.#wish;
    const snapshot = await openNamed(this.#target, `${as}@${earlier.tag}`);
    const allowed = extents[Symbol.asyncIterator]();
    let next = await allowed.next();
    for await (const { offset, length } of differences(snapshot, this.#volume)) {
      for (let at = offset; at < offset + length; ) {
        while (next.done !== true && next.value.offset + next.value.length <= at) {
          next = await allowed.next();
        }
        if (next.done === true || next.value.offset > at) {
          const text = `VDI '${as}' was written to there since its snapshot '${earlier.tag}'`;
          const advice = "roll it back to that, or choose another name with '--as'";
          throw new SheepfsError("invalid", `${text}; ${advice}`);
        }
        at = next.value.offset + next.value.length;
      }
    }
  }

  #left(states: readonly CopyState[], at: number, thrown: unknown): SheepfsError {
    const { code, message } = asSheepfsError(thrown);
    const there = states.slice(0, at).flatMap(({ tag }) => (tag === null ? [] : [`'${tag}'`]));
    const has = there.length === 0 ? "no snapshot yet" : `the snapshots ${there.join(", ")}`;
    const left = `VDI '${this.#wish.as}' there has ${has}: go on with '--resume', or delete them`;
    return new SheepfsError(code, `${message}; ${left}`, { cause: thrown });
  }
}
