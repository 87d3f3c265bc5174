import type { RequestHeaders } from "../../http/exchange.ts";
import type { FileVersion, Node } from "../../tree/node.ts";
import { parseHttpDate } from "./http-date.ts";

/** What conditions are judged by. */
export interface EntityFacts {
  readonly exists: boolean;
  /** As the header field has it, e.g. `W/"5"`; null where a node has none. */
  readonly etag: string | null;
  readonly strong: boolean;
  readonly modifiedMs: number | null;
}

/** One entity tag of a header field. */
interface EntityTag {
  readonly weak: boolean;
  readonly opaque: string;
}

/** The entity tag of a version as header fields and properties have it. */
export function etagOf(version: FileVersion): string {
  return version.strong ? `"${version.tag}"` : `W/"${version.tag}"`;
}

/** By version, which is mostly the same for one request after the other. */
const knownFacts = new WeakMap<FileVersion, EntityFacts>();

/** What is known of a node at no cost; texts, which are rendered for each reader, have no tag. */
export function factsOf(node: Node | null): EntityFacts {
  const version = node?.kind === "file" ? node.version?.() : undefined;
  if (version === undefined) {
    return { exists: node !== null, etag: null, strong: false, modifiedMs: null };
  }
  const known = knownFacts.get(version);
  if (known !== undefined) return known;
  const { strong, modifiedMs } = version;
  const facts = { exists: true, etag: etagOf(version), strong, modifiedMs };
  knownFacts.set(version, facts);
  return facts;
}

/**
 * All preconditions of RFC 9110 §13 but `If-Range`, in the order of §13.2.2. One thing is not as
 * there: `If-Match` is judged by the weak comparison where our tag is weak, as far as changes can be
 * known. Else davfs2, which sends a weak tag back as a strong one, could upload nothing.
 * @returns the status to answer with instead of carrying out the method; null when it may go on
 */
export function checkConditions(
  headers: RequestHeaders,
  facts: EntityFacts,
  method: string,
): 304 | 412 | null {
  const reading = method === "GET" || method === "HEAD";
  const match = headers.get("if-match");
  if (match !== null) {
    if (!matches(match, facts, facts.strong ? strongly : weakly)) return 412;
  } else if (isAfter(headers.get("if-unmodified-since"), facts) === true) {
    return 412;
  }
  const noneMatch = headers.get("if-none-match");
  if (noneMatch !== null) {
    // Whoever guards a write by a list that cannot be read must not have it carried out.
    const listed = matches(noneMatch, facts, weakly) || (!reading && !isTagList(noneMatch));
    return listed ? (reading ? 304 : 412) : null;
  }
  if (!reading) return null;
  return isAfter(headers.get("if-modified-since"), facts) === false ? 304 : null;
}

/**
 * Whether the ranges of a request count (RFC 9110 §13.1.5). A date never holds: nobody knows that
 * the file did not change twice in its second.
 */
export function ifRangeHolds(headers: RequestHeaders, facts: EntityFacts): boolean {
  const field = headers.get("if-range");
  if (field === null) return true;
  const tags = parseTags(field);
  const own = ownTag(facts);
  const [tag] = tags ?? [];
  return tags?.length === 1 && tag !== undefined && own !== null && strongly(tag, own);
}

/** Whether the tag, as `If` has it in brackets, is the present one (RFC 4918 §10.4.4). */
export function isPresentTag(text: string, facts: EntityFacts): boolean {
  const [tag] = parseTags(text) ?? [];
  const own = ownTag(facts);
  return tag !== undefined && own !== null && weakly(tag, own);
}

type Compare = (a: EntityTag, b: EntityTag) => boolean;

const strongly: Compare = (a, b) => !a.weak && !b.weak && a.opaque === b.opaque;
const weakly: Compare = (a, b) => a.opaque === b.opaque;

function matches(field: string, facts: EntityFacts, compare: Compare): boolean {
  if (field.trim() === "*") return facts.exists;
  const own = ownTag(facts);
  return own !== null && (parseTags(field) ?? []).some((tag) => compare(tag, own));
}

function ownTag({ etag }: EntityFacts): EntityTag | null {
  return etag === null ? null : (parseTags(etag)?.[0] ?? null);
}

function isTagList(field: string): boolean {
  return field.trim() === "*" || parseTags(field) !== null;
}

const tagForm = /[ \t]*(W\/)?"([\x21\x23-\x7e\x80-\xff]*)"[ \t]*(?:,|$)/y;

/** A list of entity tags (RFC 9110 §8.8.3); null when it is none. */
function parseTags(field: string): EntityTag[] | null {
  const tags: EntityTag[] = [];
  tagForm.lastIndex = 0;
  while (tagForm.lastIndex < field.length) {
    const parts = tagForm.exec(field);
    if (parts === null) return null;
    tags.push({ weak: parts[1] !== undefined, opaque: parts[2] ?? "" });
  }
  return tags.length === 0 ? null : tags;
}

/** Whether it was changed after that date; null when either is not known. */
function isAfter(field: string | null, { modifiedMs }: EntityFacts): boolean | null {
  if (field === null || modifiedMs === null) return null;
  const dateMs = parseHttpDate(field, modifiedMs);
  // Dates have whole seconds.
  return dateMs === null ? null : Math.floor(modifiedMs / 1000) * 1000 > dateMs;
}
