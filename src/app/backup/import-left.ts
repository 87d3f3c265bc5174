import { sameBytes } from "../../base/bytes.ts";
import { SheepfsError } from "../../base/errors.ts";
import { headerIfThere } from "../../cluster/inode.ts";
import { findVdi } from "../../cluster/resolve.ts";
import { isMarked, isWhole, readMark } from "../../cluster/vdi-mark.ts";
import { vdiFacts } from "../../cluster/vdis.ts";
import { escapeTag, unescapeName } from "../../tree/names.ts";
import type { Volume } from "../../volume/volume.ts";
import { withCluster } from "../verbs/cluster.ts";
import { showVdi } from "../verbs/vdis.ts";
import { type DataPiece, readAll } from "./data.ts";
import { isZero, runsOf } from "./digest.ts";
import type { ImageReader } from "./image-file.ts";
import type { ImportWish } from "./import.ts";

/**
 * What there is of the name: an import that did not end, or a VDI of that size without any data.
 * @throws exists for one that was snapshotted before its import had ended
 */
export async function leftOf(
  { gateways, name: written }: ImportWish,
  sizeBytes: number,
): Promise<"unfinished" | "untouched" | null> {
  const name = unescapeName(written);
  return await withCluster(gateways, async (caller, scope) => {
    const header = await findVdi(caller, { name, snapshot: null }, scope);
    if (header === null) return null;
    const mark = await readMark(caller, { name, kind: "import" }, scope);
    if (mark !== null && isMarked(mark, header)) return "unfinished";
    const half = mark === null || isWhole(mark) ? null : Number.parseInt(mark.vid, 16);
    const snapshot = half === null ? null : await headerIfThere(caller, half, scope);
    if (mark !== null && snapshot?.isSnapshot === true && isMarked(mark, snapshot)) {
      if (sameBytes(snapshot.name, name)) throw snapshotted(written, snapshot.tag);
    }
    const facts = await vdiFacts(caller, header.vid, scope);
    const empty = facts !== null && facts.ownBlocks + facts.sharedBlocks === 0;
    return empty && header.vdiSize === sizeBytes ? "untouched" : null;
  });
}

function snapshotted(name: string, tag: Uint8Array): SheepfsError {
  const half = `'${name}@${escapeTag(tag)}' has only a part of an image`;
  const text = `VDI '${name}' exists, and was snapshotted before its import had ended: ${half}`;
  return new SheepfsError("exists", `${text}; choose another name, or delete both`);
}

export function unfinishedExists(name: string): SheepfsError {
  const text = `VDI '${name}' exists, of an import that did not end`;
  return new SheepfsError("exists", `${text}: go on with '--resume', or delete it`);
}

/** What is to be gone on with has to be what would be made. */
export async function refuseOther(wish: ImportWish, sizeBytes: number): Promise<void> {
  const { name } = wish;
  const shown = await showVdi(wish.gateways, name);
  const sameSize = shown.sizeBytes === sizeBytes;
  const sameObjects = (wish.objectBytes ?? shown.objectBytes) === shown.objectBytes;
  const { copies, copyPolicy = 0 } = wish;
  const sameCopies =
    copies === null || (shown.copies === copies && shown.copyPolicy === copyPolicy);
  const sameIndex = wish.storePolicy !== 1 || shown.hypervolume;
  if (sameSize && sameObjects && sameCopies && sameIndex) return;
  const kind = shown.hypervolume ? "is a hypervolume and " : "";
  const kept = shown.copyPolicy === 0 ? `${shown.copies} copies` : `${shown.copies} strips`;
  const is = `VDI '${name}' ${kind}has ${shown.sizeBytes} bytes in objects of ${shown.objectBytes}, ${kept} of each`;
  throw new SheepfsError("invalid", `${is}: it was begun as another; delete it to begin anew`);
}

/** What a disk writes as a whole, whenever it is cut off. */
const sectorBytes = 512;

/**
 * Knows what an import of an image can have written to a VDI from what others have: each sector has what
 * the image has there, or nothing yet, or, where a stream was cut off, first that and then nothing.
 */
export class OwnWrites {
  readonly #name: string;
  /** What somebody else has written was seen. */
  foreign = false;

  constructor(name: string) {
    this.#name = name;
  }

  /**
   * Compares all that the VDI has, before anything more is written.
   * @throws invalid when somebody else has written, or another image was begun with
   */
  async refuseForeign(
    volume: Volume,
    image: ImageReader,
    progress: ImportWish["progress"],
  ): Promise<void> {
    await readAll(volume, { from: 0, progress }, async (there) => {
      const wanted = new Uint8Array(there.bytes.length);
      const length = Math.min(wanted.length, image.sizeBytes - there.offset);
      if (length > 0) wanted.set(await image.read(there.offset, length));
      this.check(there, wanted);
    });
  }

  /** The same for a piece. @param wanted the image's bytes there */
  check(there: DataPiece, wanted: Uint8Array): void {
    for (const run of runsOf(there)) {
      const from = run.offset - there.offset;
      if (isOwn(run.bytes, wanted.subarray(from, from + run.bytes.length))) continue;
      for (let at = 0; at < run.bytes.length; at += sectorBytes) {
        const sector = run.bytes.subarray(at, at + sectorBytes);
        if (isOwnSector(sector, wanted.subarray(from + at, from + at + sector.length))) continue;
        throw this.#notOurs(run.offset + at);
      }
    }
  }

  #notOurs(offset: number): SheepfsError {
    this.foreign = true;
    const text = `VDI '${this.#name}' has at offset ${offset} what the image has not`;
    const why = "somebody has written to it since, or it was begun from another image";
    const advice = `import under another name, or delete '${this.#name}' to begin anew`;
    return new SheepfsError("invalid", `${text}: ${why}; ${advice}`);
  }
}

function isOwn(there: Uint8Array, wanted: Uint8Array): boolean {
  return isZero(there) || Buffer.compare(there, wanted) === 0;
}

function isOwnSector(there: Uint8Array, wanted: Uint8Array): boolean {
  const same = there.findIndex((byte, at) => byte !== wanted[at]);
  return same < 0 || isZero(there.subarray(same));
}
