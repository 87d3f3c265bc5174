import { SheepfsError } from "../base/errors.ts";
import type { Scope } from "../base/scope.ts";
import type { SheepCaller } from "../client/caller.ts";
import { type InodeHeader, wireTimeText } from "../wire/inode.ts";
import {
  type AttributePlace,
  createAttribute,
  findAttribute,
  readAttribute,
  removeAttribute,
  writeAttribute,
} from "./attributes.ts";
import { hexVid } from "./inode.ts";
import { nameText } from "./name.ts";
import { findVdi } from "./resolve.ts";

/**
 * Attributes of a VDI, so that it is known for what it is: one that an import fills, and how far a copy
 * of another cluster's has come.
 */
const keys = { import: "sheepfs.import", copy: "sheepfs.copy" } as const;

export type MarkKind = keyof typeof keys;

export interface MarkPlace {
  readonly name: Uint8Array;
  readonly kind: MarkKind;
}

/** A VDI that was marked, and what was noted with it. */
export interface VdiMark {
  /** Names are given to others: whoever has the name now may not be the one that was marked. */
  readonly vid: string;
  readonly created: string;
  readonly about: unknown;
}

/** Marks the working VDI of a name, in place of what was noted there before. */
export async function writeMark(
  caller: SheepCaller,
  { name, kind }: MarkPlace,
  about: unknown,
  scope: Scope,
): Promise<void> {
  const attribute = { vdi: name, key: keys[kind] };
  const header = await findVdi(caller, { name, snapshot: null }, scope);
  if (header === null) return;
  const mark: VdiMark = { ...markedBy(header), about };
  const value = new TextEncoder().encode(JSON.stringify(mark));
  if ((await createAttribute(caller, attribute, value, scope)) !== null) return;
  const found = await findAttribute(caller, attribute, scope);
  if (found !== null) await writeAttribute(caller, attribute, found, value, scope);
}

/** The mark of a name, of whichever VDI; null when there is none, or no such VDI. */
export async function readMark(
  caller: SheepCaller,
  place: MarkPlace,
  scope: Scope,
): Promise<VdiMark | null> {
  const working = { name: place.name, snapshot: null };
  return (await findVdi(caller, working, scope)) === null
    ? null
    : await markOf(caller, place, scope);
}

async function markOf(
  caller: SheepCaller,
  { name, kind }: MarkPlace,
  scope: Scope,
): Promise<VdiMark | null> {
  const attribute = { vdi: name, key: keys[kind] };
  const found = await findAttribute(caller, attribute, scope);
  if (found === null) return null;
  const value = await readAttribute(caller, attribute, found, scope);
  return value === null ? null : markFrom(value);
}

/** Whether it is this VDI or snapshot that was marked. */
export function isMarked(mark: VdiMark, header: InodeHeader): boolean {
  const { vid, created } = markedBy(header);
  return mark.vid === vid && mark.created === created;
}

export async function clearMark(
  caller: SheepCaller,
  { name, kind }: MarkPlace,
  scope: Scope,
): Promise<void> {
  const place = await findAttribute(caller, { vdi: name, key: keys[kind] }, scope);
  if (place !== null) await removeAttribute(caller, place, scope);
}

/** Where the mark is that an import has left at a name; null when there is none. */
export async function importMarkPlace(
  caller: SheepCaller,
  name: Uint8Array,
  scope: Scope,
): Promise<AttributePlace | null> {
  return await findAttribute(caller, { vdi: name, key: keys.import }, scope);
}

/** Whether a VDI or snapshot has only what an import has written until it was ended. */
export async function isHalfImport(
  caller: SheepCaller,
  header: InodeHeader,
  scope: Scope,
): Promise<boolean> {
  const mark = await readMark(caller, { name: header.name, kind: "import" }, scope);
  if (mark === null || !isMarked(mark, header)) return false;
  return !(header.isSnapshot && isWhole(mark));
}

/** Noted at a VDI that has all of its image just before its snapshot is made. */
export const wholeNote = { whole: true } as const;

export function isWhole({ about }: VdiMark): boolean {
  return (about as { readonly whole?: unknown } | null)?.whole === true;
}

/** @throws busy for a VDI that an import fills, or has left before it ended */
export async function refuseHalfImport(
  caller: SheepCaller,
  name: Uint8Array,
  scope: Scope,
): Promise<void> {
  const mark = await markOf(caller, { name, kind: "import" }, scope);
  if (mark === null) return;
  const header = await findVdi(caller, { name, snapshot: null }, scope);
  if (header === null || !isMarked(mark, header)) return;
  const title = nameText(name);
  const goOn = `go on with 'sheepfs vdi import IMAGE ${title} --resume', or delete it`;
  const text = `VDI '${title}' has only a part of an image, as its import did not end: ${goOn}`;
  throw new SheepfsError("busy", `${text}; it is taken as it is once a snapshot of it was made`);
}

function markedBy({ vid, createTime }: InodeHeader): Pick<VdiMark, "vid" | "created"> {
  return { vid: hexVid(vid), created: wireTimeText(createTime) };
}

function markFrom(value: Uint8Array): VdiMark | null {
  try {
    const { vid, created, about } = JSON.parse(new TextDecoder().decode(value)) as VdiMark;
    return { vid, created, about };
  } catch {
    return null;
  }
}
