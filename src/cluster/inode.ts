import { asSheepfsError, SheepfsError } from "../base/errors.ts";
import type { Scope } from "../base/scope.ts";
import type { SheepCaller } from "../client/caller.ts";
import { objectRequest } from "../wire/header.ts";
import {
  decodeInodeHeader,
  type InodeHeader,
  inodeHeaderBytes,
  wireTimeMs,
} from "../wire/inode.ts";
import type { ObjectKind } from "../wire/oid.ts";

/** A run of bytes of an object that is no data of a VDI. */
export interface ObjectPart {
  readonly kind: ObjectKind;
  readonly vid: number;
  readonly index: number;
  readonly offset: number;
  readonly length: number;
}

/**
 * All of the bytes asked for.
 * @throws stale when there is no such object | corrupt | whatever the cluster can throw
 */
export async function readPart(
  caller: SheepCaller,
  part: ObjectPart,
  scope: Scope,
): Promise<Uint8Array> {
  const { length: receiveBytes, ...object } = part;
  const { data } = await caller.call(objectRequest("readObject", object, { receiveBytes }), scope);
  if (data.length !== receiveBytes) {
    throw new SheepfsError(
      "corrupt",
      `${data.length} bytes of the ${part.kind} object of vid ${hexVid(part.vid)}; ${receiveBytes} were asked for`,
    );
  }
  return data;
}

export function readInodePart(
  caller: SheepCaller,
  { vid, offset, length }: { vid: number; offset: number; length: number },
  scope: Scope,
): Promise<Uint8Array> {
  return readPart(caller, { kind: "inode", vid, index: 0, offset, length }, scope);
}

/** Writes in a VDI's inode, which a sheep refuses for no snapshot. */
export async function writeInodePart(
  caller: SheepCaller,
  { vid, copies, copyPolicy }: InodeHeader,
  { offset, data }: { readonly offset: number; readonly data: Uint8Array },
  scope: Scope,
): Promise<void> {
  const object = { kind: "inode", vid, index: 0, offset, copies, copyPolicy } as const;
  await caller.call(objectRequest("writeObject", object, { data }), scope);
}

/** @throws stale when there is no such inode | corrupt when it is another's | … */
export async function readHeader(
  caller: SheepCaller,
  vid: number,
  scope: Scope,
): Promise<InodeHeader> {
  const data = await readInodePart(caller, { vid, offset: 0, length: inodeHeaderBytes }, scope);
  return checkedHeader(data, vid);
}

/** The same; null when there is no such inode. */
export async function headerIfThere(
  caller: SheepCaller,
  vid: number,
  scope: Scope,
): Promise<InodeHeader | null> {
  try {
    return await readHeader(caller, vid, scope);
  } catch (thrown) {
    if (asSheepfsError(thrown).code === "stale") return null;
    throw thrown;
  }
}

/**
 * The header in the inode of `vid`; a deleted VDI's has an empty name.
 * @throws corrupt
 */
export function checkedHeader(data: Uint8Array, vid: number): InodeHeader {
  const header = decodeInodeHeader(data);
  // A deleted VDI's inode has lost its vid.
  if (header.name.length > 0 && header.vid !== vid) {
    throw new SheepfsError(
      "corrupt",
      `the inode of vid ${hexVid(vid)} says that it is ${hexVid(header.vid)}`,
    );
  }
  return header;
}

/** When it was made, on the wall clock. */
export function createdMs({ createTime }: InodeHeader): number {
  return wireTimeMs(createTime);
}

/** When it became a snapshot, on the wall clock; 0 for a working VDI. */
export function snapshotMs({ snapTime }: InodeHeader): number {
  return wireTimeMs(snapTime);
}

export function hexVid(vid: number): string {
  return vid.toString(16).padStart(6, "0");
}
