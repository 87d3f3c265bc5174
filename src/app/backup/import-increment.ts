import { closeSync, openSync, writeSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { asSheepfsError, SheepfsError } from "../../base/errors.ts";
import { ofFile } from "../../base/file-error.ts";
import type { Volume } from "../../volume/volume.ts";
import type { Core } from "../core.ts";
import { openNamed, operation, tagOpened, withCore } from "../verbs/core.ts";
import { readAll, type TellProgress } from "./data.ts";
import { ContentSum, pieceSum, runsOf } from "./digest.ts";
import { type IncrementResult, tell } from "./export-increment.ts";
import { type ImportWish, refuseTagOf } from "./import.ts";
import { type IncrementEnd, sumFrom } from "./increment-format.ts";
import { type ChangedPlace, IncrementReader } from "./increment-reader.ts";
import { SpoolFolder } from "./spool-folder.ts";
import { stateText } from "./state-id.ts";
import { clear, Writing } from "./writing.ts";

export interface ApplyWish
  extends Pick<
    ImportWish,
    "gateways" | "name" | "path" | "tag" | "verify" | "resume" | "input" | "progress"
  > {}

/**
 * Makes of a VDI that has the state an increment begins with the one that it ends with. Nothing is
 * written before the increment is known to be whole, and the VDI to be that; then all of it is.
 * @throws invalid for another state | exists when it was applied already | corrupt | not_found | …
 */
export async function applyIncrement(wish: ApplyWish): Promise<IncrementResult> {
  const { path, input } = wish;
  if (path !== null) {
    await using reader = await IncrementReader.open(path);
    return await applyChecked(wish, reader);
  }
  // Nothing may be written before its end was seen.
  using folder = SpoolFolder.make(tmpdir(), "sheepfs-import-");
  const copy = join(folder.path, "increment");
  await spool(input(), copy, wish.progress);
  await using reader = await IncrementReader.open(copy, "stdin");
  return await applyChecked(wish, reader);
}

async function spool(
  input: AsyncIterable<Uint8Array>,
  path: string,
  progress: TellProgress,
): Promise<void> {
  const fd = openSync(path, "wx", 0o600);
  try {
    let doneBytes = 0;
    for await (const bytes of input) {
      for (let done = 0; done < bytes.length; ) done += writeSync(fd, bytes, done);
      doneBytes += bytes.length;
      progress({ doneBytes, totalBytes: doneBytes });
    }
  } catch (thrown) {
    throw ofFile(path, thrown);
  } finally {
    closeSync(fd);
  }
}

async function applyChecked(wish: ApplyWish, reader: IncrementReader): Promise<IncrementResult> {
  const { gateways, name, tag, progress } = wish;
  if (tag !== null) await refuseTagOf(wish, tag);
  const end = await reader.checked(tell(progress));
  await withCore(gateways, false, async (core) => {
    const volume = await openNamed(core, name);
    await refuseOtherState(volume, { reader, end }, wish);
    try {
      await apply(volume, reader, progress);
      if (wish.verify) await verifyState(volume, reader, { end, wish });
    } catch (thrown) {
      const { code, message } = asSheepfsError(thrown);
      const left = `VDI '${name}' has a part of the increment: apply it again with '--resume'`;
      throw new SheepfsError(code, `${message}; ${left}`, { cause: thrown });
    }
    if (tag !== null) await tagOrSay(core, volume, { name, tag });
  });
  const { dataBytes, zeroBytes, digest } = end;
  const since = stateText(reader.about.base);
  return { name, since, sizeBytes: reader.about.sizeBytes, dataBytes, zeroBytes, digest };
}

/** Applied again it would be said to be there already. */
async function tagOrSay(
  core: Core,
  volume: Volume,
  { name, tag }: { readonly name: string; readonly tag: string },
): Promise<void> {
  try {
    await tagOpened(core, volume, tag);
  } catch (thrown) {
    const { code, message, inDoubt } = asSheepfsError(thrown);
    const left = `VDI '${name}' has all of the increment, but not the snapshot '${tag}' of it`;
    const advice = `when nobody has written to it since: sheepfs vdi snapshot ${name} --tag ${tag}`;
    throw new SheepfsError(code, `${message}; ${left}; ${advice}`, { cause: thrown, inDoubt });
  }
}

interface Checked {
  readonly reader: IncrementReader;
  readonly end: IncrementEnd;
}

/** @throws invalid | exists, before anything is written */
async function refuseOtherState(
  volume: Volume,
  { reader, end }: Checked,
  { name, resume, progress }: ApplyWish,
): Promise<void> {
  const { base, state, sizeBytes } = reader.about;
  const is = await sumsOf(volume, reader, progress);
  const sizes = resume ? [base.sizeBytes, sizeBytes] : [base.sizeBytes];
  const sameOutside = is.outside === (await outsideOf(reader));
  const whole = new ContentSum(is.outside);
  whole.addSum(is.inside);
  const isBase = whole.value === sumFrom(base.sum);
  if (isBase && !sameOutside) throw contradiction(reader);
  if (sizes.includes(volume.sizeBytes) && (resume ? sameOutside : isBase)) return;
  if (volume.sizeBytes === sizeBytes && whole.value === sumFrom(end.sum)) {
    throw new SheepfsError("exists", `VDI '${name}' has the state ${stateText(state)} already`);
  }
  const text = `VDI '${name}' has not the state ${stateText(base)} that the increment begins with`;
  const advice = sameOutside
    ? "it differs only where the increment writes: if an earlier attempt ended early, add '--resume'"
    : "apply the increments in between first, or go back to a snapshot that has it";
  throw new SheepfsError("invalid", `${text}; ${advice}`);
}

/** What it says of its base as a whole and of the parts of it does not fit: some were missed. */
function contradiction({ about }: IncrementReader): SheepfsError {
  const text = `the increment from ${stateText(about.base)} contradicts itself: its base may have been`;
  return new SheepfsError("corrupt", `${text} under deletion when it was made; make it again`);
}

/** What a VDI holds where the increment writes, and elsewhere. */
interface Sums {
  readonly inside: bigint;
  readonly outside: bigint;
}

async function sumsOf(
  volume: Volume,
  reader: IncrementReader,
  progress: TellProgress,
): Promise<Sums> {
  const [inside, outside] = [new ContentSum(), new ContentSum()];
  const places = reader.places();
  let place: ChangedPlace | null = (await places.next()).value ?? null;
  await readAll(volume, { from: 0, progress }, async (piece) => {
    for (const run of runsOf(piece)) {
      while (place !== null && place.offset + place.length <= run.offset) {
        place = (await places.next()).value ?? null;
      }
      // They begin and end where runs do.
      const within = place !== null && place.offset <= run.offset;
      (within ? inside : outside).addSum(pieceSum(run));
    }
  });
  // They are known to be those that were checked when all were read.
  while (place !== null) place = (await places.next()).value ?? null;
  return { inside: inside.value, outside: outside.value };
}

/** What the base has where the increment does not write. */
async function outsideOf(reader: IncrementReader): Promise<bigint> {
  const sum = new ContentSum(sumFrom(reader.about.base.sum));
  for await (const { beforeSum } of reader.places()) sum.subtractSum(beforeSum);
  return sum.value;
}

async function apply(
  volume: Volume,
  reader: IncrementReader,
  progress: TellProgress,
): Promise<void> {
  const { sizeBytes } = reader.about;
  const writing = new Writing();
  if (sizeBytes > volume.sizeBytes) await volume.grow(sizeBytes, operation());
  try {
    for await (const { offset, length, bytes } of reader.parts()) {
      await writing.begin(async () => {
        if (bytes === null) await clear(volume, offset, length);
        else await volume.write(bytes, offset, operation());
      });
      progress({ doneBytes: offset + length, totalBytes: sizeBytes });
    }
  } finally {
    await writing.settled();
  }
  await writing.end();
  await volume.flush(operation());
}

async function verifyState(
  volume: Volume,
  reader: IncrementReader,
  { end, wish }: { readonly end: IncrementEnd; readonly wish: ApplyWish },
): Promise<void> {
  const is = await sumsOf(volume, reader, wish.progress);
  const whole = new ContentSum(is.outside);
  whole.addSum(is.inside);
  if (whole.value === sumFrom(end.sum)) return;
  throw new SheepfsError("corrupt", `VDI '${wish.name}' does not read back as it was written`);
}
