import { assert } from "../base/assert.ts";
import { fnv1a64, vidOfName } from "../wire/hash.ts";
import { VdiReplyHeader } from "../wire/header.ts";
import { unpadded } from "../wire/inode.ts";
import { indexMax } from "../wire/oid.ts";
import { requestFlag } from "../wire/opcode.ts";
import { results } from "../wire/result.ts";
import { AttrRecord } from "../wire/vdi.ts";
import type { Cluster } from "./cluster.ts";
import { objectKinds } from "./record.ts";
import { headerReply, type Reply, type Request, refusal } from "./request.ts";
import type { Vdi } from "./vdis.ts";

const at = AttrRecord.offsets;

/** 0x89: finds, makes or deletes one attribute of a VDI. Source: protocol §10.2 */
export function getVdiAttr(cluster: Cluster, { data, flags }: Request): Reply {
  if (data.length !== AttrRecord.size) return refusal(results.invalidParameters);
  const view = new DataView(data.buffer, data.byteOffset, data.byteLength);
  const name = unpadded(data.subarray(at.name, at.tag));
  const tag = unpadded(data.subarray(at.tag, at.ctimeNanoseconds));
  const snapId = view.getUint32(at.snapId, true);
  const answer = cluster.vdis.find({ name, tag, snapId });
  if (answer.found === "no_tag") return refusal(results.noTag);
  if (answer.found === "nothing") return refusal(results.noVdi);
  const vid = vidOfName(name);
  const place = findPlace(cluster, vid, data);
  const result = change(cluster, answer.vdi, place, data, flags);
  const { copies } = answer.vdi.facts;
  return headerReply(VdiReplyHeader.encode({ vid, attrId: place.attrId, copies }), result.code);
}

interface Place {
  readonly vid: number;
  readonly attrId: number;
  /** What is there: the attribute itself, one that was deleted, or nothing yet. */
  readonly holds: "this" | "deleted" | "nothing";
}

function change(
  cluster: Cluster,
  vdi: Vdi,
  place: Place,
  data: Uint8Array,
  flags: number,
): { readonly code: number } {
  const name = { kind: objectKinds.attr, vid: place.vid, index: place.attrId } as const;
  const { store } = cluster;
  if ((flags & requestFlag.attrDelete) !== 0) {
    if (place.holds !== "this") return results.noObject;
    store.write(name, new Uint8Array(1), 0);
    return results.success;
  }
  if ((flags & requestFlag.attrCreate) === 0) {
    return place.holds === "this" ? results.success : results.noObject;
  }
  const isExclusive = (flags & requestFlag.attrExclusive) !== 0;
  if (place.holds === "this" && isExclusive) return results.vdiExists;
  const record = data.slice();
  const { createNanoseconds, createSeconds } = vdi.facts;
  const view = new DataView(record.buffer);
  view.setUint32(at.ctimeNanoseconds, createNanoseconds, true);
  view.setUint32(at.ctimeSeconds, createSeconds, true);
  store.create(name, { data: record, offset: 0, objectBytes: record.length });
  return results.success;
}

/** Where the attribute is, else where it would go: the ids behind its hash are tried in turn. */
function findPlace(cluster: Cluster, vid: number, record: Uint8Array): Place {
  const known = new Uint8Array(at.value);
  let free: Place | null = null;
  let attrId = attrIdOf(record);
  for (let tries = 0; tries <= indexMax; tries += 1, attrId = (attrId + 1) >>> 0) {
    const name = { kind: objectKinds.attr, vid, index: attrId } as const;
    if (!cluster.store.read(name, known, 0, known.length, 0)) {
      return free ?? { vid, attrId, holds: "nothing" };
    }
    if (known[0] === 0) free ??= { vid, attrId, holds: "deleted" };
    else if (isSameAttribute(known, record)) return { vid, attrId, holds: "this" };
  }
  assert(free !== null, "a disk does not hold 2^32 attributes");
  return free;
}

/** The parts of a record that say which attribute it is. */
const identity = [
  [at.name, at.ctimeNanoseconds],
  [at.snapId, at.valueBytes],
  [at.key, at.value],
] as const;

function attrIdOf(record: Uint8Array): number {
  let hash: bigint | null = null;
  for (const [from, end] of identity) {
    const part = record.subarray(from, end);
    hash = hash === null ? fnv1a64(part) : fnv1a64(part, hash);
  }
  return Number((hash ?? 0n) & 0xffff_ffffn);
}

function isSameAttribute(a: Uint8Array, b: Uint8Array): boolean {
  return identity.every(
    ([from, end]) => Buffer.compare(a.subarray(from, end), b.subarray(from, end)) === 0,
  );
}
