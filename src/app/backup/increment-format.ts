import { SheepfsError } from "../../base/errors.ts";
import { limits } from "../../base/limits.ts";
import { bytes, struct, u32, u64 } from "../../base/struct.ts";
import { sumBytesCount, sumHex } from "./digest.ts";
import { type StateId, stateIdFrom } from "./state-id.ts";

/** An increment, docs/INCREMENT.md: a head, parts, and an end, each sealed together with all before it. */
export const incrementMagic = "SHEEPINC";
const version = 1;
const checksumBytes = 32;

export const IncrementHead = struct(
  { magic: bytes(0, 8), version: u32(8), textBytes: u32(12), checksum: bytes(16, checksumBytes) },
  { size: 48 },
);

export const IncrementPart = struct(
  {
    kind: u32(0),
    offset: u64(8),
    length: u64(16),
    beforeSum: bytes(24, sumBytesCount),
    checksum: bytes(40, checksumBytes),
  },
  { size: 72 },
);

/** What is sealed of a part's header. */
const sealedBytes = IncrementPart.offsets.checksum;

export const partKinds = { data: 1, zeros: 2, end: 3 } as const;

interface HeldState {
  readonly sizeBytes: number;
  /** Bytes of its objects, at the beginning: fewer later are a snapshot that somebody deletes. */
  readonly heldBytes?: number;
}

/** What an increment says of itself, as JSON behind the head. */
export interface IncrementAbout {
  readonly base: StateId & HeldState & { readonly sum: string };
  readonly state: StateId & Pick<HeldState, "heldBytes">;
  readonly sizeBytes: number;
}

/** What is known when all of it was written, as JSON in the last part. */
export interface IncrementEnd {
  readonly parts: number;
  readonly dataBytes: number;
  readonly zeroBytes: number;
  /** Of the state that it makes. */
  readonly sum: string;
  readonly digest: string;
}

export interface PartHead {
  readonly kind: number;
  readonly offset: number;
  readonly length: number;
  /** Of what the base has there. */
  readonly beforeSum: Uint8Array;
}

/** The beginning of a file, and the seal that goes on from it. */
export function encodeHead(about: IncrementAbout): { bytes: Uint8Array; seal: Uint8Array } {
  const text = new TextEncoder().encode(JSON.stringify(about));
  const magic = new TextEncoder().encode(incrementMagic);
  const seal = sha256(text);
  const head = IncrementHead.encode({ magic, version, textBytes: text.length, checksum: seal });
  return { bytes: Buffer.concat([head, text]), seal };
}

/** @throws invalid for another file | not_supported for a later version | corrupt */
export function decodeHead(
  head: Uint8Array,
  path: string,
): { textBytes: number; seal: Uint8Array } {
  const read = head.length === IncrementHead.size ? IncrementHead.read(viewOf(head), 0) : null;
  if (read === null || Buffer.from(read.magic).toString("latin1") !== incrementMagic) {
    const text = `'${path}' is no increment; those are made by 'sheepfs vdi export --since TAG'`;
    throw new SheepfsError("invalid", text);
  }
  if (read.version !== version) {
    const text = `'${path}' has version ${read.version} of the format, and this sheepfs knows ${version}`;
    throw new SheepfsError("not_supported", text);
  }
  if (read.textBytes > limits.incrementTextBytesMax) throw damaged(path, "its head is too long");
  return { textBytes: read.textBytes, seal: read.checksum };
}

/** @throws corrupt */
export function decodeAbout(text: Uint8Array, seal: Uint8Array, path: string): IncrementAbout {
  if (Buffer.compare(sha256(text), seal) !== 0) throw damaged(path, "its head");
  const about = parsed(text, path) as Partial<IncrementAbout>;
  stateIdFrom(about.state, path);
  stateIdFrom(about.base, path);
  const held = [about.base?.heldBytes ?? 0, about.state?.heldBytes ?? 0];
  const sizes = [about.sizeBytes, about.base?.sizeBytes, ...held];
  if (sizes.every(Number.isSafeInteger) && isSum(about.base?.sum)) return about as IncrementAbout;
  throw damaged(path, "its head");
}

/** A part's header and what seals it, which the next one goes on from. */
export function encodePart(
  part: PartHead,
  payload: Uint8Array,
  before: Uint8Array,
): { head: Uint8Array; seal: Uint8Array } {
  const head = IncrementPart.encode(part);
  const seal = sealOf(head, payload, before);
  head.set(seal, sealedBytes);
  return { head, seal };
}

export function decodePart(head: Uint8Array): PartHead & { readonly checksum: Uint8Array } {
  return IncrementPart.read(viewOf(head), 0);
}

export function sealOf(head: Uint8Array, payload: Uint8Array, before: Uint8Array): Uint8Array {
  const hash = new Bun.CryptoHasher("sha256").update(before);
  return hash.update(head.subarray(0, sealedBytes)).update(payload).digest();
}

export function encodeEnd(end: IncrementEnd): Uint8Array {
  return new TextEncoder().encode(JSON.stringify(end));
}

/** @throws corrupt */
export function decodeEnd(text: Uint8Array, path: string): IncrementEnd {
  const end = parsed(text, path) as Partial<IncrementEnd>;
  const counts = [end.parts, end.dataBytes, end.zeroBytes].every(Number.isSafeInteger);
  if (counts && isSum(end.sum) && typeof end.digest === "string") return end as IncrementEnd;
  throw damaged(path, "its end");
}

export function damaged(path: string, where: string): SheepfsError {
  return new SheepfsError("corrupt", `'${path}' is damaged or was cut short: ${where}`);
}

export function sumFrom(hex: string): bigint {
  return BigInt(`0x${hex}`);
}

function isSum(value: unknown): boolean {
  return (
    typeof value === "string" && value.length === sumHex(0n).length && /^[0-9a-f]+$/.test(value)
  );
}

function parsed(text: Uint8Array, path: string): unknown {
  try {
    return JSON.parse(new TextDecoder().decode(text));
  } catch {
    throw damaged(path, "what it says of itself");
  }
}

function sha256(data: Uint8Array): Uint8Array {
  return new Bun.CryptoHasher("sha256").update(data).digest();
}

function viewOf(data: Uint8Array): DataView {
  return new DataView(data.buffer, data.byteOffset, data.byteLength);
}
