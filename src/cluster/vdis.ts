import { SheepfsError } from "../base/errors.ts";
import { limits } from "../base/limits.ts";
import type { Scope } from "../base/scope.ts";
import type { SheepCaller } from "../client/caller.ts";
import { vdiRequest } from "../wire/header.ts";
import type { InodeHeader } from "../wire/inode.ts";
import type { OpcodeName } from "../wire/opcode.ts";
import { hasVid, vidBitmapBytes, vidsOf } from "../wire/vdi.ts";
import { type BlockCounts, countBlocks, isOfOneObject, objectBytesOf } from "./blocks.ts";
import { mapBounded } from "./bounded.ts";
import { vidsMeanSince } from "./info.ts";
import { checkedHeader, headerIfThere, readInodePart } from "./inode.ts";

/** One VDI or snapshot, and what its index says of its blocks. */
export interface VdiFacts {
  readonly header: InodeHeader;
  /** Of one block. */
  readonly objectBytes: number;
  /** How it is spread when it is erasure-coded; null for plain copies. */
  readonly strips: { readonly data: number; readonly parity: number } | null;
  /** Blocks in objects of its own. */
  readonly ownBlocks: number;
  /** Blocks that it has from the VDIs it was made of. */
  readonly sharedBlocks: number;
}

/**
 * Every VDI and snapshot, by ascending vid. What is deleted while we look, or cannot be read, is
 * left out.
 * @throws unavailable | not_ready | timed_out | cancelled
 * Source: protocol §10.1, capture dog-vdi-list
 */
export async function listVdis(caller: SheepCaller, scope: Scope): Promise<VdiFacts[]> {
  const vids = await listVids(caller, scope);
  const facts = await mapBounded(vids, limits.inodeReadsInflightMax, (vid) =>
    vdiFacts(caller, vid, scope),
  );
  return facts.filter((one) => one !== null);
}

export interface ListedHeaders {
  readonly headers: readonly InodeHeader[];
  /** A vid means what it means here as long as this is the same; null: no longer than it was read. */
  readonly vidsSince: number | null;
}

/**
 * The headers alone, which cost no look at an index; of the same VDIs, in the same order.
 * @param known an earlier listing: snapshots in it are not read again, as long as they are there
 */
export async function listHeaders(
  caller: SheepCaller,
  scope: Scope,
  known: ListedHeaders | null = null,
): Promise<ListedHeaders> {
  // First: a format that comes later makes what is read here no older than it is said to be.
  const vidsSince = await vidsMeanSince(caller, scope);
  const holds = known !== null && vidsSince !== null && known.vidsSince === vidsSince;
  const before = new Map(holds ? known.headers.map((header) => [header.vid, header]) : []);
  return { headers: await readHeaders(caller, before, scope), vidsSince };
}

/** VDIs that are marked as deleted and still have a name: DEL_VDI came while slots were set. */
export async function listHalfDeleted(caller: SheepCaller, scope: Scope): Promise<InodeHeader[]> {
  const deleted = await readBitmap(caller, "readDeletedVdis", scope);
  return await headersOf(caller, [...vidsOf(deleted)], new Map(), scope);
}

async function readHeaders(
  caller: SheepCaller,
  known: ReadonlyMap<number, InodeHeader>,
  scope: Scope,
): Promise<InodeHeader[]> {
  return await headersOf(caller, await listVids(caller, scope), known, scope);
}

async function headersOf(
  caller: SheepCaller,
  vids: readonly number[],
  known: ReadonlyMap<number, InodeHeader>,
  scope: Scope,
): Promise<InodeHeader[]> {
  const headers = await mapBounded(vids, limits.inodeReadsInflightMax, async (vid) => {
    const before = known.get(vid);
    if (before?.isSnapshot === true) return before;
    try {
      return await headerIfThere(caller, vid, scope);
    } catch (thrown) {
      if (isOfOneObject(thrown)) return null;
      throw thrown;
    }
  });
  return headers.filter((header) => header !== null).filter(({ name }) => name.length > 0);
}

async function listVids(caller: SheepCaller, scope: Scope): Promise<number[]> {
  const [used, deleted] = await Promise.all([
    readBitmap(caller, "readVdis", scope),
    readBitmap(caller, "readDeletedVdis", scope),
  ]);
  return [...vidsOf(used)].filter((vid) => !hasVid(deleted, vid));
}

/** @throws corrupt | whatever the cluster can throw */
export async function readBitmap(
  caller: SheepCaller,
  opcode: OpcodeName & ("readVdis" | "readDeletedVdis"),
  scope: Scope,
): Promise<Uint8Array> {
  const { data } = await caller.call(
    vdiRequest(opcode, {}, { receiveBytes: vidBitmapBytes }),
    scope,
  );
  if (data.length === vidBitmapBytes) return data;
  throw new SheepfsError("corrupt", `a bitmap of vids of ${data.length} bytes`);
}

/** The same of one vid; null when it is deleted or cannot be read. */
export async function vdiFacts(
  caller: SheepCaller,
  vid: number,
  scope: Scope,
): Promise<VdiFacts | null> {
  try {
    const first = await readInodePart(
      caller,
      { vid, offset: 0, length: limits.inodeFirstBytes },
      scope,
    );
    const header = checkedHeader(first, vid);
    if (header.name.length === 0) return null;
    return factsOf(header, await countBlocks(caller, header, first, scope));
  } catch (thrown) {
    if (isOfOneObject(thrown)) return null;
    throw thrown;
  }
}

/** How blocks are spread that are erasure-coded; null for plain copies. */
export function stripsOf({ copyPolicy }: Pick<InodeHeader, "copyPolicy">): VdiFacts["strips"] {
  return copyPolicy === 0 ? null : { data: (copyPolicy >>> 4) * 2, parity: copyPolicy & 0xf };
}

function factsOf(header: InodeHeader, counts: BlockCounts): VdiFacts {
  return {
    header,
    objectBytes: objectBytesOf(header),
    strips: stripsOf(header),
    ownBlocks: counts.own,
    sharedBlocks: counts.shared,
  };
}
