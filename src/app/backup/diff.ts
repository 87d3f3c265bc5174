import type { Address } from "../../base/address.ts";
import { openNamed, withCore } from "../verbs/core.ts";
import { type Difference, differences } from "./differences.ts";

export interface DiffWish {
  readonly gateways: readonly Address[];
  /** NAME, NAME@TAG or NAME@ID. */
  readonly before: string;
  readonly after: string;
}

/** What two indexes tell, beside the differences themselves. */
export interface DiffSummary {
  readonly before: { readonly name: string; readonly sizeBytes: number };
  readonly after: { readonly name: string; readonly sizeBytes: number };
  readonly changedBytes: number;
  readonly addedBytes: number;
  readonly removedBytes: number;
  /** Of which both have the same objects. */
  readonly sharedBytes: number;
}

/**
 * Tells where two VDIs or snapshots differ, without reading what they hold.
 * @throws not_found | … and what `take` throws
 */
export async function diffVdis(
  { gateways, before, after }: DiffWish,
  take: (difference: Difference) => Promise<void>,
): Promise<DiffSummary> {
  return await withCore(gateways, true, async (core) => {
    const [a, b] = [await openNamed(core, before), await openNamed(core, after)];
    const bytes = { changed: 0, added: 0, removed: 0 };
    let sharedBytes = 0;
    const shared = (length: number): void => {
      sharedBytes += length;
    };
    for await (const difference of differences(a, b, shared)) {
      bytes[difference.kind] += difference.length;
      await take(difference);
    }
    return {
      before: { name: before, sizeBytes: a.sizeBytes },
      after: { name: after, sizeBytes: b.sizeBytes },
      ...{ changedBytes: bytes.changed, addedBytes: bytes.added, removedBytes: bytes.removed },
      sharedBytes,
    };
  });
}
