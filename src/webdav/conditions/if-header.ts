import { SheepfsError } from "../../base/errors.ts";
import { limits } from "../../base/limits.ts";

/** One condition of a list: on a lock, or on the entity tag. */
export interface IfCondition {
  readonly not: boolean;
  readonly what: "token" | "etag";
  /** The URI of the token, or the tag with its quotes and `W/`. */
  readonly text: string;
}

/** Conditions that must all hold, of the resource that is named before them. */
export interface IfList {
  /** As it was written; null is the resource that the request is about. */
  readonly resource: string | null;
  readonly conditions: readonly IfCondition[];
}

/** White space, then one of: `(`, `)`, `<…>`, `[…]`, `Not`. */
const lexeme =
  /[ \t]*(?:(\()|(\))|<([^<>\s]+)>|\[[ \t]*((?:W\/)?"[\x21\x23-\x7e\x80-\xff]*")[ \t]*\]|(Not)(?=[ \t<[]))/iy;

type Lexeme =
  | { readonly is: "(" | ")" | "not" }
  | { readonly is: "uri" | "etag"; readonly text: string };

/**
 * Parses an `If` header field (RFC 4918 §10.4): lists without a resource, or each with one.
 * @returns at least one list; the condition holds when one of them does
 * @throws invalid
 */
export function parseIf(field: string): IfList[] {
  const lists: IfList[] = [];
  let resource: string | null = null;
  let conditions: IfCondition[] | null = null;
  let not = false;
  let count = 0;
  for (const one of lexemes(field)) {
    if (conditions === null) {
      if (one.is === "(") conditions = [];
      else if (one.is === "uri" && mayName(lists, resource)) resource = one.text;
      else throw malformed(field);
      continue;
    }
    if (one.is === "not" && !not) not = true;
    else if (one.is === "uri" || one.is === "etag") {
      count += 1;
      if (count > limits.davConditionsMax) throw malformed(field);
      conditions.push({ not, what: one.is === "uri" ? "token" : "etag", text: one.text });
      not = false;
    } else if (one.is === ")" && !not && conditions.length > 0) {
      lists.push({ resource, conditions });
      conditions = null;
    } else throw malformed(field);
  }
  const last = lists.at(-1);
  // A resource must have a list of its own.
  if (conditions !== null || last === undefined || last.resource !== resource) {
    throw malformed(field);
  }
  return lists;
}

/** All tokens that a request shows to have, whatever it says about them. */
export function tokensIn(lists: readonly IfList[]): ReadonlySet<string> {
  const tokens = new Set<string>();
  for (const { conditions } of lists) {
    for (const { what, text } of conditions) if (what === "token") tokens.add(text);
  }
  return tokens;
}

/** Either all lists have a resource or none; two resources in a row leave one without a list. */
function mayName(lists: readonly IfList[], resource: string | null): boolean {
  if (lists.length === 0) return resource === null;
  return resource !== null && lists.at(-1)?.resource === resource;
}

function* lexemes(field: string): Generator<Lexeme> {
  const text = field.trimEnd();
  lexeme.lastIndex = 0;
  let at = 0;
  while (at < text.length) {
    // Others may have used it while we were suspended.
    lexeme.lastIndex = at;
    const parts = lexeme.exec(text);
    if (parts === null) throw malformed(field);
    at = lexeme.lastIndex;
    const [, open, close, uri, etag] = parts;
    if (open !== undefined) yield { is: "(" };
    else if (close !== undefined) yield { is: ")" };
    else if (uri !== undefined) yield { is: "uri", text: uri };
    else if (etag !== undefined) yield { is: "etag", text: etag };
    else yield { is: "not" };
  }
}

function malformed(field: string): SheepfsError {
  const shown = field.length > 200 ? `${field.slice(0, 200)}…` : field;
  return new SheepfsError("invalid", `the header field 'If: ${shown}' cannot be understood`);
}
