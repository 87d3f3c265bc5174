import type { SheepfsError } from "../base/errors.ts";
import { limits } from "../base/limits.ts";
import type { Scope } from "../base/scope.ts";
import type { VolumeCore } from "./core.ts";
import { cutBlocks } from "./plan.ts";
import type { WritePath } from "./writes.ts";

/** Bytes of a volume. */
export interface Extent {
  readonly offset: number;
  readonly length: number;
}

/**
 * Makes an extent within the volume read as zeros. Whole blocks become holes by writing their slots,
 * never by DISCARD_OBJ, which takes a shared object away from everybody; in the others zeros are
 * written where there is an object.
 * Source: protocol §8.6
 */
export async function discard(
  core: VolumeCore,
  writes: WritePath,
  extent: Extent,
  scope: Scope,
): Promise<void> {
  const { objectBytes, sizeBytes } = core.geometry;
  const cut = cutBlocks(extent, { objectBytes, sizeBytes });
  const errors: unknown[] = [];
  const partial = [cut.head, cut.tail].filter((part) => part.length > 0);
  const results = await Promise.allSettled([
    ...partial.map((part) => zero(writes, part, "zeros", scope)),
    clearBlocks(core, writes, { from: cut.firstBlock, end: cut.endBlock }, scope),
  ]);
  for (const result of results) if (result.status === "rejected") errors.push(result.reason);
  if (errors.length > 0) throw errors[0];
}

/** Finds the blocks that have an object, or may have one, and clears them, some at a time. */
async function clearBlocks(
  core: VolumeCore,
  writes: WritePath,
  range: { readonly from: number; readonly end: number },
  scope: Scope,
): Promise<void> {
  const { objectBytes, sizeBytes } = core.geometry;
  let { from } = range;
  while (from < range.end) {
    const found: number[] = [];
    const visit = (index: number): boolean => found.push(index) < limits.indexRunSlotsMax;
    const rest = { from, end: range.end };
    await core.whileOurs((index) => {
      found.length = 0;
      return index.scan(rest, visit, scope);
    });
    const last = found.length < limits.indexRunSlotsMax ? undefined : found[found.length - 1];
    const end = last === undefined ? range.end : last + 1;
    const begun = [...core.touched.owedWithin(from, end), ...writes.begunWithin(from, end)];
    const blocks = new Set([...found, ...begun]);
    from = end;
    const next = blocks.values();
    const clearNext = async (): Promise<void> => {
      for (const index of next) {
        const offset = index * objectBytes;
        const length = Math.min(objectBytes, sizeBytes - offset);
        await zero(writes, { offset, length }, "clear", scope);
      }
    };
    const lanes = Math.min(blocks.size, limits.discardBlocksInflightMax);
    const results = await Promise.allSettled(Array.from({ length: lanes }, clearNext));
    for (const result of results) if (result.status === "rejected") throw result.reason;
  }
}

function zero(
  writes: WritePath,
  extent: Extent,
  mode: "zeros" | "clear",
  scope: Scope,
): Promise<void> {
  return new Promise<void>((resolve, reject) => {
    const done = (error: SheepfsError | null): void => {
      if (error === null) resolve();
      else reject(error);
    };
    writes.submitZeros({ ...extent, scope, done }, mode);
  });
}
