import { limits } from "../../base/limits.ts";
import type { Extent } from "../../tree/node.ts";

/** What a `Range` field asks of a file: all of it, some extents in it, or nothing that can be had. */
export type RangeWish =
  | { readonly kind: "whole" }
  | { readonly kind: "ranges"; readonly ranges: readonly Extent[] }
  | { readonly kind: "none" };

const whole: RangeWish = { kind: "whole" };
const none: RangeWish = { kind: "none" };

const single = /^bytes=(\d*)-(\d*)$/i;
const unit = /^bytes=/i;
const spec = /^(\d*)-(\d*)$/;

/**
 * Ranges that touch or overlap become one; those outside the file are left out. A unit that is not
 * `bytes` is ignored, as it must be; ranges that are malformed or too many are refused, as answering
 * them with a whole volume would be worse.
 * Source: RFC 9110 §14.1.2, §14.2, §15.5.17
 */
export function parseRange(field: string, sizeBytes: number): RangeWish {
  const plain = plainExtent(field, sizeBytes);
  if (plain !== null) return { kind: "ranges", ranges: [plain] };
  const one = single.exec(field);
  if (one !== null) {
    const extent = extentOf(one[1] ?? "", one[2] ?? "", sizeBytes);
    return extent === null ? none : { kind: "ranges", ranges: [extent] };
  }
  if (!unit.test(field)) return whole;
  const specs = field
    .slice(field.indexOf("=") + 1)
    .split(",")
    .map((text) => text.trim())
    .filter((text) => text !== "");
  if (specs.length === 0 || specs.length > limits.davRangesMax) return none;
  const extents: Extent[] = [];
  for (const text of specs) {
    const parts = spec.exec(text);
    if (parts === null || isMalformed(parts[1] ?? "", parts[2] ?? "")) return none;
    const extent = extentOf(parts[1] ?? "", parts[2] ?? "", sizeBytes);
    if (extent !== null) extents.push(extent);
  }
  return extents.length === 0 ? none : { kind: "ranges", ranges: coalesce(extents) };
}

const plainPrefix = "bytes=";
/** More digits may be more than a number holds exactly. */
const exactDigitsMax = 15;
const zero = 0x30;

/** What is asked for most, `bytes=FIRST-LAST` within the file; null when it is not that. */
function plainExtent(field: string, sizeBytes: number): Extent | null {
  if (!field.startsWith(plainPrefix)) return null;
  const dashAt = field.indexOf("-", plainPrefix.length);
  const first = digits(field, plainPrefix.length, dashAt);
  const last = digits(field, dashAt + 1, field.length);
  if (first < 0 || last < first || last >= sizeBytes) return null;
  return { offset: first, length: last - first + 1 };
}

/** @returns -1 for what is not one digit to `exactDigitsMax` of them */
function digits(text: string, from: number, to: number): number {
  if (to <= from || to - from > exactDigitsMax) return -1;
  let value = 0;
  for (let at = from; at < to; at += 1) {
    const digit = text.charCodeAt(at) - zero;
    if (digit < 0 || digit > 9) return -1;
    value = value * 10 + digit;
  }
  return value;
}

function isMalformed(first: string, last: string): boolean {
  if (first === "") return last === "";
  return last !== "" && Number(last) < Number(first);
}

/** @returns null for a range that is malformed or holds nothing of the file */
function extentOf(first: string, last: string, sizeBytes: number): Extent | null {
  if (isMalformed(first, last)) return null;
  // Numbers too long to be exact are beyond every file all the same.
  if (first === "") {
    const length = Math.min(Number(last), sizeBytes);
    return length === 0 ? null : { offset: sizeBytes - length, length };
  }
  const offset = Number(first);
  if (offset >= sizeBytes) return null;
  const end = last === "" ? sizeBytes : Math.min(Number(last) + 1, sizeBytes);
  return { offset, length: end - offset };
}

/** In the order asked for, as long as nothing overlaps; else in the file's. */
function coalesce(extents: readonly Extent[]): readonly Extent[] {
  const sorted = [...extents].sort((a, b) => a.offset - b.offset);
  const joined: Extent[] = [];
  for (const extent of sorted) {
    const last = joined.at(-1);
    if (last === undefined || extent.offset > last.offset + last.length) {
      joined.push(extent);
      continue;
    }
    const end = Math.max(last.offset + last.length, extent.offset + extent.length);
    joined[joined.length - 1] = { offset: last.offset, length: end - last.offset };
  }
  return joined.length === extents.length ? extents : joined;
}

/** A `Content-Range` in a request, complete: which bytes the body is, and of how many. */
export interface ContentRange {
  readonly extent: Extent;
  /** Null when the client does not say (`*`). */
  readonly totalBytes: number | null;
}

const contentRange = /^bytes (\d{1,16})-(\d{1,16})\/(\d{1,16}|\*)$/i;

/** @returns null for what is not complete, exact and consistent (RFC 9110 §14.4) */
export function parseContentRange(field: string): ContentRange | null {
  const parts = contentRange.exec(field.trim());
  if (parts === null) return null;
  const first = Number(parts[1]);
  const last = Number(parts[2]);
  const totalBytes = parts[3] === "*" ? null : Number(parts[3]);
  if (!Number.isSafeInteger(last) || last < first) return null;
  if (totalBytes !== null && (!Number.isSafeInteger(totalBytes) || last >= totalBytes)) return null;
  return { extent: { offset: first, length: last - first + 1 }, totalBytes };
}

export function formatContentRange({ offset, length }: Extent, sizeBytes: number): string {
  return `bytes ${offset}-${offset + length - 1}/${sizeBytes}`;
}
