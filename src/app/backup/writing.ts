import { limits } from "../../base/limits.ts";
import type { Volume } from "../../volume/volume.ts";
import { operation } from "../verbs/core.ts";
import type { DataPiece } from "./data.ts";
import { isZero, joined, joinedRuns, runsOf } from "./digest.ts";

/** Does things to volumes, with as many under way as a cluster needs to be busy. */
export class Writing {
  readonly #underWay = new Set<Promise<void>>();
  readonly #failures: unknown[] = [];

  /**
   * Returns when another one can be begun. Things that overlap must not be under way together.
   * @throws what one of those before has thrown
   */
  async begin(work: () => Promise<void>): Promise<void> {
    this.#check();
    const one = this.#run(work).finally(() => this.#underWay.delete(one));
    this.#underWay.add(one);
    if (this.#underWay.size >= limits.backupInflightMax) await Promise.race(this.#underWay);
  }

  /** Returns when all have ended, whichever way. */
  async settled(): Promise<void> {
    await Promise.all(this.#underWay);
  }

  /** The same. @throws what one has thrown */
  async end(): Promise<void> {
    await this.settled();
    this.#check();
  }

  #check(): void {
    if (this.#failures.length > 0) throw this.#failures[0];
  }

  async #run(work: () => Promise<void>): Promise<void> {
    try {
      await work();
    } catch (thrown) {
      this.#failures.push(thrown);
    }
  }
}

/** Writes a piece to where zeros are; its own zeros are left out. */
export async function writeFresh(volume: Volume, piece: DataPiece): Promise<void> {
  for (const { offset, bytes } of joinedRuns(piece)) await volume.write(bytes, offset, operation());
}

/**
 * Writes a piece, zeros too, to where anything may be; what is as it shall be is not written.
 * @param look told what is there; nothing is written when it throws
 */
export async function writeOver(
  volume: Volume,
  piece: DataPiece,
  look: (there: DataPiece) => void = () => {},
): Promise<void> {
  const there = new Uint8Array(piece.bytes.length);
  await volume.read(there, piece.offset, operation());
  look({ offset: piece.offset, bytes: there });
  for (const { offset, bytes } of joined(piece, changedRuns(piece, there))) {
    if (isZero(bytes)) await clear(volume, offset, bytes.length);
    else await volume.write(bytes, offset, operation());
  }
}

/** Makes an extent read as zeros; whole objects in it are given back. */
export async function clear(volume: Volume, offset: number, length: number): Promise<void> {
  const step = volume.objectBytes * limits.discardBlocksInflightMax;
  for (let done = 0; done < length; ) {
    const at = offset + done;
    // So many at once that each time is short, and ends where a block does.
    const next = Math.min(length - done, step - (at % step));
    await volume.discard({ offset: at, length: next }, operation());
    done += next;
  }
}

/** The runs of a piece that are not what was there before. */
export function* changedRuns(piece: DataPiece, before: Uint8Array): Generator<DataPiece> {
  for (const run of runsOf(piece)) {
    const at = run.offset - piece.offset;
    const old = before.subarray(at, at + run.bytes.length);
    if (Buffer.compare(run.bytes, old) !== 0) yield run;
  }
}
