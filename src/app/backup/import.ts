import { dirname, join } from "node:path";
import type { Address } from "../../base/address.ts";
import { asSheepfsError, SheepfsError } from "../../base/errors.ts";
import { ofFile } from "../../base/file-error.ts";
import { limits } from "../../base/limits.ts";
import type { VdiLayout } from "../../cluster/create-vdi.ts";
import { checkTag, refuseTag } from "../../cluster/snapshot-vdi.ts";
import { wholeNote } from "../../cluster/vdi-mark.ts";
import { unescapeName } from "../../tree/names.ts";
import type { Core } from "../core.ts";
import { withCluster } from "../verbs/cluster.ts";
import { openNamed, operation, tagOpened, withCore } from "../verbs/core.ts";
import { deleteOneVdi, makeVdi } from "../verbs/vdis.ts";
import { type DataPiece, heldBytes, type TellProgress, volumeSum } from "./data.ts";
import { ContentSum, isZero } from "./digest.ts";
import type { ImageFormat, TransferResult } from "./export.ts";
import { ImageReader } from "./image-file.ts";
import { leftOf, OwnWrites, refuseOther, unfinishedExists } from "./import-left.ts";
import { incrementMagic } from "./increment-format.ts";
import { convertFrom, qcow2SectorBytes, refuseWithoutQemu } from "./qemu-img.ts";
import { SpoolFolder } from "./spool-folder.ts";
import { clearMark, writeMark } from "./vdi-mark.ts";
import { Writing, writeFresh, writeOver } from "./writing.ts";

export interface ImportWish extends VdiLayout {
  readonly gateways: readonly Address[];
  /** Of the new VDI. */
  readonly name: string;
  /** An image; null for `input`, which is raw. */
  readonly path: string | null;
  /** Null: raw, when it does not look like something else. */
  readonly format: ImageFormat | null;
  /** Of the VDI; null for that of the image, which a stream does not have. */
  readonly sizeBytes: number | null;
  /** Of a snapshot to make of it; null for none. */
  readonly tag: string | null;
  readonly verify: boolean;
  /** Go on with a VDI that an earlier one has left, and leave one that can be gone on with. */
  readonly resume: boolean;
  readonly input: () => AsyncIterable<Uint8Array>;
  readonly progress: TellProgress;
}

/**
 * Makes a VDI of an image. Zeros are not written. A VDI that could not be filled is deleted again, unless
 * it is to be gone on with.
 * @throws exists | no_space when the image is larger than the VDI | corrupt when it does not read back |
 *   invalid | …
 */
export async function importVdi(wish: ImportWish): Promise<TransferResult> {
  unescapeName(wish.name);
  if (wish.tag !== null) await refuseTagOf(wish, wish.tag);
  const { path, progress } = wish;
  if (path === null) {
    if (wish.sizeBytes === null) {
      throw new SheepfsError("invalid", "a stream has no size to be seen: give '--size'");
    }
    return await intoVdi(wish, wish.sizeBytes, {
      pieces: await refusing(inPieces(wish.input()), wish, "stdin"),
      image: null,
    });
  }
  if (wish.format !== "qcow2") return await fromRaw(wish, path, path);
  refuseWithoutQemu();
  using folder = temporaryFolder(path);
  const raw = join(folder.path, "raw");
  await convertFrom({ path, format: wish.format }, raw, {
    check: () => progress({ doneBytes: 0, totalBytes: 0 }),
    quietMs: limits.qemuQuietMs,
  });
  return await fromRaw(wish, path, raw);
}

/** Before anything is made: later all that was written would be in vain. @throws invalid | exists */
export async function refuseTagOf(
  { gateways, name }: Pick<ImportWish, "gateways" | "name">,
  tag: string,
): Promise<void> {
  const names = { name: unescapeName(name), tag: unescapeName(tag) };
  checkTag(names.tag);
  await withCluster(gateways, (caller, scope) => refuseTag(caller, names, scope));
}

/** Beside the image, as that is where so much room is; TMPDIR says otherwise. */
function temporaryFolder(path: string): SpoolFolder {
  try {
    return SpoolFolder.make(process.env["TMPDIR"] ?? dirname(path), ".sheepfs-import-");
  } catch (thrown) {
    const error = ofFile(path, thrown);
    const text = `${error.message}; TMPDIR says where there is room for the raw image`;
    throw new SheepfsError(error.code, text, { cause: thrown });
  }
}

async function fromRaw(wish: ImportWish, path: string, raw: string): Promise<TransferResult> {
  await using image = await ImageReader.open(raw);
  if (image.sizeBytes === 0 && wish.sizeBytes === null) {
    throw new SheepfsError("invalid", `'${path}' is empty: give '--size' for a VDI of zeros`);
  }
  const sizeBytes = wish.sizeBytes ?? image.sizeBytes;
  const cut = sizeBytes < image.sizeBytes && (await endsInZeros(wish, sizeBytes, image));
  if (sizeBytes < image.sizeBytes && !cut) {
    const text = `'${path}' has ${image.sizeBytes} bytes, more than ${sizeBytes}`;
    throw new SheepfsError("no_space", text);
  }
  const data = cut ? cutAt(image.data(), sizeBytes) : image.data();
  const pieces = await refusing(data, wish, `'${path}'`);
  return await intoVdi(wish, sizeBytes, { pieces, image });
}

/** A qcow2 image of a VDI whose size is no multiple of a sector has zeros behind it. */
async function endsInZeros(
  { format }: ImportWish,
  sizeBytes: number,
  image: ImageReader,
): Promise<boolean> {
  const length = image.sizeBytes - sizeBytes;
  if (format !== "qcow2" || length >= qcow2SectorBytes) return false;
  return isZero(await image.read(sizeBytes, length));
}

async function* cutAt(
  pieces: AsyncIterable<DataPiece>,
  sizeBytes: number,
): AsyncGenerator<DataPiece> {
  for await (const { offset, bytes } of pieces) {
    if (offset < sizeBytes) yield { offset, bytes: bytes.subarray(0, sizeBytes - offset) };
  }
}

const qcow2Magic = "QFI\xfb";

/** Looks at the beginning, before there is a VDI. @throws invalid for what is no raw image */
async function refusing(
  pieces: AsyncGenerator<DataPiece>,
  { format }: ImportWish,
  title: string,
): Promise<AsyncIterable<DataPiece>> {
  const first = await pieces.next();
  const begins = first.done === true || first.value.offset > 0 ? [] : first.value.bytes;
  const text = Buffer.from(begins.slice(0, incrementMagic.length)).toString("latin1");
  if (text === incrementMagic) {
    const advice = "say which VDI has the state that it begins with: '--base NAME'";
    throw new SheepfsError("invalid", `${title} is an increment; ${advice}`);
  }
  if (format === null && text.startsWith(qcow2Magic)) {
    const advice = "say '--format qcow2', or '--format raw' to take its bytes as they are";
    throw new SheepfsError("invalid", `${title} looks like a qcow2 image; ${advice}`);
  }
  return (async function* () {
    if (first.done !== true) yield first.value;
    yield* pieces;
  })();
}

/** What is imported. */
interface Source {
  /** In order. */
  readonly pieces: AsyncIterable<DataPiece>;
  /** The same where it can be read again; null for a stream. */
  readonly image: ImageReader | null;
}

async function intoVdi(
  wish: ImportWish,
  sizeBytes: number,
  source: Source,
): Promise<TransferResult> {
  const { gateways, name, resume } = wish;
  const { objectBytes, copies, copyPolicy = 0, storePolicy = 0 } = wish;
  const left = await leftOf(wish, sizeBytes);
  if (left === "unfinished") {
    if (!resume) throw unfinishedExists(name);
    await refuseOther(wish, sizeBytes);
  } else {
    // It may have been made, and its maker killed before it was marked.
    const begun = resume && left === "untouched";
    if (begun) await refuseOther(wish, sizeBytes);
    else await makeVdi(gateways, { name, sizeBytes, objectBytes, copies, copyPolicy, storePolicy });
    await writeMark(gateways, { name, kind: "import" }, null);
  }
  const own = left === "unfinished" ? new OwnWrites(name) : null;
  let tagged = false;
  const made = (): void => {
    tagged = true;
  };
  try {
    const done = await fillVdi(wish, { sizeBytes, own, made }, source);
    await clearMark(gateways, { name, kind: "import" });
    return done;
  } catch (thrown) {
    if (tagged) throw allOfIt(wish, thrown);
    if (own?.foreign === true) throw thrown;
    // What somebody else has written to is not ours to delete.
    const keep = resume || asSheepfsError(thrown).code === "busy";
    throw keep ? unfinishedLeft(name, thrown) : await withoutVdi(wish, thrown);
  }
}

function unfinishedLeft(name: string, thrown: unknown): SheepfsError {
  const { code, message } = asSheepfsError(thrown);
  const left = `VDI '${name}' has the beginning of it: go on with '--resume', or delete it`;
  return new SheepfsError(code, `${message}; ${left}`, { cause: thrown });
}

function allOfIt({ name, tag }: ImportWish, thrown: unknown): SheepfsError {
  const { code, message } = asSheepfsError(thrown);
  const text = `${message}; VDI '${name}' has all of the image, and so has its snapshot '${tag}'`;
  return new SheepfsError(code, text, { cause: thrown });
}

/** The error, when the VDI is deleted, or cannot be. */
async function withoutVdi({ gateways, name }: ImportWish, thrown: unknown): Promise<SheepfsError> {
  const error = asSheepfsError(thrown);
  try {
    await deleteOneVdi(gateways, name, () => {});
  } catch (also) {
    const left = `the unfinished VDI '${name}' is still there: ${asSheepfsError(also).message}`;
    const advice = "go on with '--resume', or delete it";
    return new SheepfsError(error.code, `${error.message}; ${left}; ${advice}`, { cause: thrown });
  }
  return error;
}

interface Filling {
  readonly sizeBytes: number;
  /** What an earlier import has left in it; null when it has nothing yet. */
  readonly own: OwnWrites | null;
  /** Told when its snapshot is there. */
  readonly made: () => void;
}

async function fillVdi(
  wish: ImportWish,
  { sizeBytes, own, made }: Filling,
  { pieces, image }: Source,
): Promise<TransferResult> {
  const { gateways, name, progress } = wish;
  const fill = async (core: Core): Promise<TransferResult> => {
    const volume = await openNamed(core, name);
    // Between being made and being attached it is anybody's.
    if (own === null && (await heldBytes(volume)) > 0) {
      throw new SheepfsError("busy", `VDI '${name}' is written to by somebody else`);
    }
    if (image !== null) await own?.refuseForeign(volume, image, progress);
    const write = (piece: DataPiece): Promise<void> =>
      own === null
        ? writeFresh(volume, piece)
        : writeOver(volume, piece, (there) => own.check(there, piece.bytes));
    const sum = new ContentSum();
    const writing = new Writing();
    let dataBytes = 0;
    let endBytes = 0;
    try {
      for await (const piece of pieces) {
        const end = piece.offset + piece.bytes.length;
        if (end > sizeBytes) {
          const text = `there is more than the ${sizeBytes} bytes of '${name}'`;
          throw new SheepfsError("no_space", text);
        }
        endBytes = end;
        sum.add(piece);
        dataBytes += piece.bytes.length;
        progress({ doneBytes: end, totalBytes: sizeBytes });
        await writing.begin(() => write(piece));
      }
    } finally {
      await writing.settled();
    }
    await writing.end();
    if (wish.path === null && endBytes < sizeBytes) throw cutShort(endBytes, sizeBytes);
    await volume.flush(operation());
    // What an earlier one has written is not to be taken for granted.
    if (wish.verify || own !== null) {
      if ((await volumeSum(volume, progress)).value !== sum.value) {
        throw new SheepfsError("corrupt", `VDI '${name}' does not read back as it was written`);
      }
    }
    if (wish.tag !== null) {
      // With that it is no longer the marked one, so that it is never done without.
      await writeMark(gateways, { name, kind: "import" }, wholeNote);
      await tagOpened(core, volume, wish.tag);
      made();
    }
    return { name, sizeBytes, dataBytes, digest: sum.digest(sizeBytes) };
  };
  return await withCore(gateways, false, fill, { imports: true });
}

/** Whoever writes a stream ends it in the same way when it fails. */
function cutShort(bytes: number, sizeBytes: number): SheepfsError {
  const text = `the stream ended after ${bytes} of ${sizeBytes} bytes`;
  const advice = `when that is all of it, give '--size ${bytes}' and make the VDI larger then`;
  return new SheepfsError("corrupt", `${text}; ${advice}`);
}

/** A stream in pieces that begin where holes and digests do. */
async function* inPieces(input: AsyncIterable<Uint8Array>): AsyncGenerator<DataPiece> {
  let buffer = new Uint8Array(limits.backupPieceBytes);
  let filled = 0;
  let offset = 0;
  for await (const bytes of input) {
    for (let rest = bytes; rest.length > 0; ) {
      const taken = rest.subarray(0, buffer.length - filled);
      buffer.set(taken, filled);
      filled += taken.length;
      rest = rest.subarray(taken.length);
      if (filled < buffer.length) continue;
      yield { offset, bytes: buffer };
      offset += filled;
      filled = 0;
      buffer = new Uint8Array(limits.backupPieceBytes);
    }
  }
  if (filled > 0) yield { offset, bytes: buffer.subarray(0, filled) };
}
