import { sameBytes } from "../base/bytes.ts";
import { asSheepfsError, SheepfsError } from "../base/errors.ts";
import { limits } from "../base/limits.ts";
import type { Scope } from "../base/scope.ts";
import type { SheepCaller } from "../client/caller.ts";
import { decodeCopyPolicy } from "../wire/ec.ts";
import {
  ClusterDefaultReplyHeader,
  clusterRequest,
  type VdiFields,
  VdiReplyHeader,
  vdiRequest,
} from "../wire/header.ts";
import { type InodeHeader, inodeSlots } from "../wire/inode.ts";
import { results } from "../wire/result.ts";
import { nameField } from "../wire/vdi.ts";
import { objectBytesOf } from "./blocks.ts";
import { refuseOtherPolicy } from "./derive-vdi.ts";
import { readHeader } from "./inode.ts";
import { checkName, nameText } from "./name.ts";
import { findVdi, newestOf } from "./resolve.ts";

export interface NewVdi extends VdiLayout {
  /** 1 to 255 bytes, no NUL. */
  readonly name: Uint8Array;
  readonly sizeBytes: number;
}

/** How a VDI is kept. */
export interface VdiLayout {
  /** Null for the cluster's default, as with `copies`. */
  readonly objectBytes: number | null;
  readonly copies: number | null;
  /** An erasure code; it decides over `copies`. 0 or none for plain copies. */
  readonly copyPolicy?: number;
  /** 1 for a hypervolume. */
  readonly storePolicy?: 0 | 1;
}

const objectBytesMin = 2 ** 20;
const objectBytesMax = 2 ** 30;
const hypervolumeShift = 22;
const copiesMax = 31;

/**
 * Creates an empty VDI. An answer that was lost is looked into, so that what was created is not
 * told as a failure.
 * @throws invalid | name_too_long | too_large | exists | no_space | not_ready | …
 * Source: protocol §7.1, §7.7
 */
export async function createVdi(
  caller: SheepCaller,
  wish: NewVdi,
  scope: Scope,
): Promise<InodeHeader> {
  checkWish(wish);
  checkSize(wish, await shiftOf(caller, wish, scope));
  // Looked at before, so that one found after a lost answer is known to be new.
  if ((await findVdi(caller, { name: wish.name, snapshot: null }, scope)) !== null) {
    throw exists(wish);
  }
  refuseOtherPolicy(await newestOf(caller, wish.name, scope), await policyOf(caller, wish, scope));
  for (let look = 1; ; look += 1) {
    try {
      return await create(caller, wish, scope);
    } catch (thrown) {
      const error = asSheepfsError(thrown);
      if (!error.inDoubt && !(error.code === "exists" && look > 1)) throw error;
      const made = await findVdi(caller, { name: wish.name, snapshot: null }, scope);
      if (made !== null && isAsWished(made, wish)) return made;
      if (made !== null) throw exists(wish);
      // A copy that is still under way makes the next one fail as existing, and is found then.
      if (look >= limits.vdiLooksMax) throw error;
    }
  }
}

async function create(caller: SheepCaller, wish: NewVdi, scope: Scope): Promise<InodeHeader> {
  const data = nameField(wish.name);
  const request = vdiRequest("newVdi", fieldsOf(wish), { data });
  const { header, result } = await caller.call(request, scope, [results.vdiExists.code]);
  if (result === results.vdiExists.code) throw exists(wish);
  const { vid } = VdiReplyHeader.read(header, 0);
  const made = await readHeader(caller, vid, scope);
  if (sameBytes(made.name, wish.name) && made.vdiSize === wish.sizeBytes) return made;
  throw new SheepfsError("corrupt", `VDI '${nameText(wish.name)}' was created as another`);
}

function fieldsOf(wish: NewVdi): VdiFields {
  const { sizeBytes, objectBytes, copyPolicy = 0, storePolicy = 0 } = wish;
  // With copies 0 the sheep would put the cluster's policy in place of ours.
  const code = decodeCopyPolicy(copyPolicy);
  const copies = code === null ? (wish.copies ?? 0) : code.dataStrips + code.parityStrips;
  const shift = storePolicy === 1 ? hypervolumeShift : Math.log2(objectBytes ?? 1);
  return { vdiSize: sizeBytes, copies, copyPolicy, storePolicy, blockSizeShift: shift };
}

function checkWish({ name, sizeBytes, objectBytes, copies, ...wish }: NewVdi): void {
  checkName(name, "VDI");
  const title = `VDI '${nameText(name)}'`;
  const invalid = (text: string): SheepfsError => new SheepfsError("invalid", `${title}: ${text}`);
  if (!Number.isSafeInteger(sizeBytes) || sizeBytes < 1) {
    throw invalid(`a size of ${sizeBytes} bytes; give 1 to ${Number.MAX_SAFE_INTEGER}`);
  }
  if (objectBytes !== null && !isObjectSize(objectBytes)) {
    throw invalid(`objects of ${objectBytes} bytes; give a power of two from 1M to 1G`);
  }
  if (copies !== null && !(Number.isInteger(copies) && copies >= 1 && copies <= copiesMax)) {
    throw invalid(`${copies} copies; give 1 to ${copiesMax}`);
  }
  const { copyPolicy = 0, storePolicy = 0 } = wish;
  if (copyPolicy !== 0 && decodeCopyPolicy(copyPolicy) === null) {
    throw invalid(`copy policy ${copyPolicy}; give 2, 4, 8 or 16 data strips and 1 to 15 more`);
  }
  if (storePolicy === 1 && objectBytes !== null && objectBytes !== 2 ** hypervolumeShift) {
    throw invalid("a hypervolume has objects of 4M; leave the object size away");
  }
}

function isObjectSize(bytes: number): boolean {
  return bytes >= objectBytesMin && bytes <= objectBytesMax && Number.isInteger(Math.log2(bytes));
}

/** The shift that the VDI will have. */
async function shiftOf(caller: SheepCaller, wish: NewVdi, scope: Scope): Promise<number> {
  if (wish.storePolicy === 1) return hypervolumeShift;
  if (wish.objectBytes !== null) return Math.log2(wish.objectBytes);
  const { blockSizeShift } = await defaults(caller, scope);
  return blockSizeShift === 0 ? hypervolumeShift : blockSizeShift;
}

/** How the VDI will be kept. */
async function policyOf(
  caller: SheepCaller,
  { copies, copyPolicy = 0 }: NewVdi,
  scope: Scope,
): Promise<number> {
  if (copyPolicy !== 0 || copies !== null) return copyPolicy;
  return (await defaults(caller, scope)).copyPolicy;
}

async function defaults(caller: SheepCaller, scope: Scope) {
  const { header } = await caller.call(clusterRequest("getClusterDefault", {}, {}), scope);
  return ClusterDefaultReplyHeader.read(header, 0);
}

/** @throws too_large; every size that is a safe integer fits a hypervolume */
function checkSize({ name, sizeBytes, storePolicy }: NewVdi, shift: number): void {
  const bytesMax = inodeSlots * 2 ** shift;
  if (storePolicy === 1 || sizeBytes <= bytesMax) return;
  const needed = 2 ** Math.ceil(Math.log2(sizeBytes / inodeSlots));
  const advice =
    needed <= objectBytesMax
      ? `give objects of ${needed / objectBytesMin}M or more`
      : "only a hypervolume can be so large (sheepfs vdi create --hypervolume)";
  throw new SheepfsError(
    "too_large",
    `VDI '${nameText(name)}' of ${sizeBytes} bytes: objects of ${2 ** shift / objectBytesMin}M hold ` +
      `${bytesMax} at most; ${advice}`,
  );
}

function isAsWished(made: InodeHeader, wish: NewVdi): boolean {
  const { vdiSize, copies, copyPolicy, storePolicy } = fieldsOf(wish);
  return (
    made.vdiSize === vdiSize &&
    made.storePolicy === storePolicy &&
    (wish.objectBytes === null || objectBytesOf(made) === wish.objectBytes) &&
    (copies === 0 || (made.copies === copies && made.copyPolicy === copyPolicy))
  );
}

function exists({ name }: NewVdi): SheepfsError {
  const text = `VDI '${nameText(name)}' exists already; choose another name or delete it`;
  return new SheepfsError("exists", text);
}
