import { sameBytes } from "../base/bytes.ts";
import { asSheepfsError, SheepfsError } from "../base/errors.ts";
import { limits } from "../base/limits.ts";
import type { Scope } from "../base/scope.ts";
import type { SheepCaller } from "../client/caller.ts";
import { objectRequest, VdiReplyHeader, vdiRequest } from "../wire/header.ts";
import { unpadded } from "../wire/inode.ts";
import { requestFlag } from "../wire/opcode.ts";
import { results } from "../wire/result.ts";
import { AttrRecord, nameField } from "../wire/vdi.ts";
import { readPart } from "./inode.ts";
import { resolveVdi } from "./resolve.ts";

/** Which attribute of which name; attributes hang on names, and stay when a snapshot is made. */
export interface AttributeName {
  readonly vdi: Uint8Array;
  readonly key: string;
}

/** Where an attribute is. */
export interface AttributePlace {
  readonly vid: number;
  readonly attrId: number;
}

const at = AttrRecord.offsets;

/**
 * Makes an attribute that is not there: of all who try at once, at whatever sheep, one succeeds.
 * @returns where it is; null when it was there
 * @throws not_found when there is no such VDI | …, inDoubt when it may have been made
 * Source: protocol §10.2, capture vdi-attr
 */
export async function createAttribute(
  caller: SheepCaller,
  name: AttributeName,
  value: Uint8Array,
  scope: Scope,
): Promise<AttributePlace | null> {
  const flags = requestFlag.attrCreate | requestFlag.attrExclusive;
  const { result, place } = await ask(caller, { name, value, flags }, scope);
  return result === results.vdiExists.code ? null : place;
}

/** @throws not_found when there is no such VDI */
export async function findAttribute(
  caller: SheepCaller,
  name: AttributeName,
  scope: Scope,
): Promise<AttributePlace | null> {
  const { result, place } = await ask(caller, { name, value: new Uint8Array(0), flags: 0 }, scope);
  return result === results.noObject.code ? null : place;
}

/** The value of the attribute at a place; null when it is no longer there. */
export async function readAttribute(
  caller: SheepCaller,
  name: AttributeName,
  { vid, attrId }: AttributePlace,
  scope: Scope,
): Promise<Uint8Array | null> {
  const length = at.value + limits.attributeBytesMax;
  const part = { kind: "attr", vid, index: attrId, offset: 0, length } as const;
  let data: Uint8Array;
  try {
    data = await readPart(caller, part, scope);
  } catch (thrown) {
    if (asSheepfsError(thrown).code === "stale") return null;
    throw thrown;
  }
  const sameName = sameBytes(unpadded(data.subarray(at.name, at.tag)), name.vdi);
  const sameKey = sameBytes(unpadded(data.subarray(at.key, at.value)), encoded(name.key));
  // One that was removed as `dog` does it has lost its name.
  if (!sameName || !sameKey) return null;
  const valueBytes = new DataView(data.buffer, data.byteOffset).getUint32(at.valueBytes, true);
  return data.slice(at.value, at.value + Math.min(valueBytes, limits.attributeBytesMax));
}

/**
 * Gives the attribute at a place another value, in one write.
 * @throws stale when it is not there | …
 */
export async function writeAttribute(
  caller: SheepCaller,
  name: AttributeName,
  { vid, attrId }: AttributePlace,
  value: Uint8Array,
  scope: Scope,
): Promise<void> {
  const record = recordOf(name, value);
  const data = record.slice(at.valueBytes, at.value + value.length);
  const fields = { kind: "attr", vid, index: attrId, offset: at.valueBytes } as const;
  await caller.call(objectRequest("writeObject", fields, { data }), scope);
}

/**
 * Removes the attribute at a place; one that is not there is no error. As an object: one that is
 * marked as removed, as `dog` does it, stays for ever, and every later one of its name costs more.
 */
export async function removeAttribute(
  caller: SheepCaller,
  { vid, attrId }: AttributePlace,
  scope: Scope,
): Promise<void> {
  const request = objectRequest("removeObject", { kind: "attr", vid, index: attrId }, {});
  await caller.call(request, scope, [results.noObject.code]);
}

async function ask(
  caller: SheepCaller,
  {
    name,
    value,
    flags,
  }: { readonly name: AttributeName; readonly value: Uint8Array; readonly flags: number },
  scope: Scope,
): Promise<{ readonly result: number; readonly place: AttributePlace }> {
  const request = vdiRequest("getVdiAttr", {}, { data: recordOf(name, value), flags });
  const { vdiExists, noObject, noVdi } = results;
  const expected = [vdiExists.code, noObject.code, noVdi.code];
  const { header, result } = await caller.call(request, scope, expected);
  if (result === noVdi.code) {
    // It says what there is instead.
    await resolveVdi(caller, { name: name.vdi, snapshot: null }, scope);
    throw new SheepfsError("busy", "the VDI is just being made; try again");
  }
  const { vid, attrId } = VdiReplyHeader.read(header, 0);
  return { result, place: { vid, attrId } };
}

function recordOf({ vdi, key }: AttributeName, value: Uint8Array): Uint8Array<ArrayBuffer> {
  if (value.length > limits.attributeBytesMax) {
    const text = `a value of ${value.length} bytes for '${key}', where at most`;
    throw new SheepfsError("invalid", `${text} ${limits.attributeBytesMax} are read again`);
  }
  const room = new Uint8Array(AttrRecord.size - at.value);
  room.set(value);
  return AttrRecord.encode({
    name: nameField(vdi),
    key: nameField(encoded(key)),
    valueBytes: value.length,
    value: room,
  });
}

function encoded(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}
