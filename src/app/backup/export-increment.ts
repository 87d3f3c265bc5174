import { sameBytes } from "../../base/bytes.ts";
import { asSheepfsError, SheepfsError } from "../../base/errors.ts";
import { escapeName, escapeTag, unescapeName } from "../../tree/names.ts";
import type { Volume } from "../../volume/volume.ts";
import { openNamed, withCore } from "../verbs/core.ts";
import {
  bytesOf,
  type DataPiece,
  heldBytes,
  readPairs,
  refuseCleared,
  type TellProgress,
  volumeSum,
} from "./data.ts";
import { aligned, differences, extentsFrom } from "./differences.ts";
import { ContentSum, isZero, joined, pieceSum, sumHex } from "./digest.ts";
import { type ExportWish, mayHaveChanged, notWanted, type TransferResult } from "./export.ts";
import type { IncrementAbout, IncrementEnd } from "./increment-format.ts";
import { IncrementReader } from "./increment-reader.ts";
import { type Append, IncrementWriter, openIncrementFile } from "./increment-writer.ts";
import { sameState, stateIdOf, stateText } from "./state-id.ts";
import { changedRuns } from "./writing.ts";

export interface IncrementWish
  extends Pick<
    ExportWish,
    "gateways" | "name" | "path" | "verify" | "resume" | "out" | "progress"
  > {
  /** TAG or ID of the snapshot of the same VDI that it goes on from. */
  readonly since: string;
  /** The increment that ends with that; null: the snapshot is read for its checksum. */
  readonly after: string | null;
}

export interface IncrementResult extends TransferResult {
  readonly since: string;
  /** That had data and are zeros now. */
  readonly zeroBytes: number;
}

interface States {
  readonly base: Volume;
  readonly state: Volume;
  /** What they have now, see `heldBytes`. */
  readonly held: { readonly base: number; readonly state: number };
}

/**
 * Writes what a state of a VDI has otherwise than an earlier snapshot of it. Of both only that is read
 * of which the indexes differ.
 * @throws exists | not_found | no_space | invalid | not_supported for one that is smaller | …
 */
export async function exportIncrement(wish: IncrementWish): Promise<IncrementResult> {
  const { name, since, path } = wish;
  return await withCore(wish.gateways, true, async (core) => {
    const state = await openNamed(core, name);
    const base = await openNamed(core, snapshotName(state, since));
    refuseUnrelated({ base, state }, since);
    if (wish.resume && !state.header.isSnapshot) throw mayHaveChanged(name);
    const held = { base: await heldBytes(base), state: await heldBytes(state) };
    const states = { base, state, held };
    const end = path === null ? await toStream(states, wish) : await toFile(states, path, wish);
    const { dataBytes, zeroBytes, digest } = end;
    return { name, since, sizeBytes: state.sizeBytes, dataBytes, zeroBytes, digest };
  });
}

function snapshotName({ header }: Volume, since: string): string {
  return `${escapeName(header.name)}@${escapeTag(unescapeName(since))}`;
}

function refuseUnrelated({ base, state }: Pick<States, "base" | "state">, since: string): void {
  if (!base.header.isSnapshot || !sameBytes(base.header.name, state.header.name)) {
    const text = `'${since}' is no snapshot of '${escapeName(state.header.name)}'`;
    throw new SheepfsError("invalid", text);
  }
  if (state.sizeBytes >= base.sizeBytes) return;
  const text = `it has ${state.sizeBytes} bytes and '${since}' had ${base.sizeBytes}`;
  throw new SheepfsError("not_supported", `${text}; no increment can make a VDI smaller`);
}

async function toStream(states: States, wish: IncrementWish): Promise<IncrementEnd> {
  const append: Append = async (bytes) => {
    if (!(await wish.out(bytes))) throw notWanted();
  };
  const writer = await IncrementWriter.begin(append, await aboutOf(states, wish));
  return await writeParts(states, writer, wish.progress);
}

async function toFile(states: States, path: string, wish: IncrementWish): Promise<IncrementEnd> {
  const ids = { base: stateIdOf(states.base.header), state: stateIdOf(states.state.header) };
  const { file: opened, append, begun } = await openIncrementFile(path, ids, wish.resume);
  await using file = opened;
  try {
    const writer =
      begun === null
        ? await IncrementWriter.begin(append, await aboutOf(states, wish))
        : new IncrementWriter(append, begun.about, begun.whole);
    // The file itself says what it is, unless its source may change.
    file.keep = states.state.header.isSnapshot;
    const end = await writeParts(states, writer, wish.progress);
    if (wish.verify) {
      await file.toDisk();
      await checkFile(file.partPath, wish.progress);
    }
    await file.finish();
    return end;
  } catch (thrown) {
    if (!file.keep) throw thrown;
    const { code, message } = asSheepfsError(thrown);
    const left = `'${file.partPath}' is the beginning of it: go on with '--resume', or remove it`;
    throw new SheepfsError(code, `${message}; ${left}`, { cause: thrown });
  }
}

async function aboutOf(states: States, wish: IncrementWish): Promise<IncrementAbout> {
  const { base, state, held } = states;
  const sum = await baseSum(base, wish);
  const ofBase = { sizeBytes: base.sizeBytes, heldBytes: held.base, sum };
  return {
    base: { ...stateIdOf(base.header), ...ofBase },
    state: { ...stateIdOf(state.header), heldBytes: held.state },
    sizeBytes: state.sizeBytes,
  };
}

async function baseSum(base: Volume, { after, progress }: IncrementWish): Promise<string> {
  if (after === null) return sumHex((await volumeSum(base, progress)).value);
  await using before = await IncrementReader.open(after);
  const { state } = before.about;
  if (!sameState(state, stateIdOf(base.header))) {
    const wanted = stateText(stateIdOf(base.header));
    const text = `'${after}' ends with ${stateText(state)}, not with ${wanted} as it is here`;
    throw new SheepfsError("invalid", text);
  }
  if (state.heldBytes !== undefined) await refuseCleared(base, state.heldBytes);
  return (await before.checked(tell(progress))).sum;
}

async function checkFile(path: string, progress: TellProgress): Promise<void> {
  await using reader = await IncrementReader.open(path);
  await reader.checked(tell(progress));
}

export function tell(progress: TellProgress): (doneBytes: number, totalBytes: number) => void {
  return (doneBytes, totalBytes) => progress({ doneBytes, totalBytes });
}

async function writeParts(
  { base, state, held }: States,
  writer: IncrementWriter,
  progress: TellProgress,
): Promise<IncrementEnd> {
  const extents = () =>
    extentsFrom(aligned(differences(base, state), state.sizeBytes), writer.from);
  const totalBytes = await bytesOf(extents());
  let doneBytes = 0;
  const zeros = new ZeroRun(writer);
  for await (const { before, after } of readPairs({ before: base, after: state }, extents())) {
    for (const piece of changedPieces(after, before.bytes)) {
      const { offset, bytes } = piece;
      const at = offset - after.offset;
      const sum = pieceSum({ offset, bytes: before.bytes.subarray(at, at + bytes.length) });
      if (isZero(bytes)) {
        await zeros.add(offset, bytes.length, sum);
      } else {
        await zeros.flush();
        await writer.data(piece, sum);
      }
    }
    doneBytes += after.bytes.length;
    progress({ doneBytes, totalBytes });
  }
  await zeros.flush();
  // What the base has lost meanwhile would not be seen to be zeros now.
  await refuseCleared(base, writer.about.base.heldBytes ?? held.base);
  await refuseCleared(state, writer.about.state.heldBytes ?? held.state);
  return await writer.end();
}

/** Zeros that are written as one part, however many pieces they were read in. */
class ZeroRun {
  readonly #writer: IncrementWriter;
  #offset = 0;
  #length = 0;
  #sum = new ContentSum();

  constructor(writer: IncrementWriter) {
    this.#writer = writer;
  }

  async add(offset: number, length: number, beforeSum: bigint): Promise<void> {
    if (this.#offset + this.#length !== offset) await this.flush();
    if (this.#length === 0) this.#offset = offset;
    this.#length += length;
    this.#sum.addSum(beforeSum);
  }

  async flush(): Promise<void> {
    if (this.#length > 0) await this.#writer.zeros(this.#offset, this.#length, this.#sum.value);
    this.#length = 0;
    this.#sum = new ContentSum();
  }
}

/** What differs from what was before, as pieces that are zeros or have none of them. */
function* changedPieces(piece: DataPiece, before: Uint8Array): Generator<DataPiece> {
  let group: DataPiece[] = [];
  for (const run of changedRuns(piece, before)) {
    const [first] = group;
    if (first !== undefined && isZero(first.bytes) !== isZero(run.bytes)) {
      yield* joined(piece, group);
      group = [];
    }
    group.push(run);
  }
  yield* joined(piece, group);
}
