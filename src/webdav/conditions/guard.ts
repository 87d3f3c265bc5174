import type { HttpResponse } from "../../http/exchange.ts";
import type { Node } from "../../tree/node.ts";
import { conditionFailed, davCondition, preconditionFailed } from "../answers.ts";
import type { WriteReach } from "../locks/locks.ts";
import { findNode, hrefOf, parseReference } from "../paths.ts";
import { Multistatus } from "../properties/multistatus.ts";
import type { DavRequest, Site } from "../site.ts";
import { checkConditions, type EntityFacts, factsOf, isPresentTag } from "./conditional.ts";
import { type IfCondition, type IfList, parseIf, tokensIn } from "./if-header.ts";

/** A resource as an `If` list sees it. */
interface IfFacts {
  /** Null when it lies outside of the tree: no lock of ours holds for it. */
  readonly path: readonly string[] | null;
  readonly facts: EntityFacts;
}

/**
 * Whether the `If` header field, if any, lets a request go on; it counts for every method.
 * @returns 412 when it does not
 * @throws invalid for one that cannot be understood
 */
export async function checkIf(request: DavRequest, site: Site): Promise<HttpResponse | null> {
  const field = request.headers.get("if");
  if (field === null) return null;
  const known = new Map<string | null, IfFacts>();
  for (const list of parseIf(field)) {
    let facts = known.get(list.resource);
    if (facts === undefined) {
      facts = await ifFacts(list.resource, request, site);
      known.set(list.resource, facts);
    }
    if (holds(list, facts, site)) return null;
  }
  return preconditionFailed();
}

async function ifFacts(resource: string | null, request: DavRequest, site: Site): Promise<IfFacts> {
  const path = resource === null ? request.path : pathOf(resource, request, site);
  const node = path === null ? null : await findNode(site, path, request.scope);
  return { path, facts: factsOf(node) };
}

function pathOf(resource: string, request: DavRequest, site: Site): readonly string[] | null {
  const reference = parseReference(resource, request, site);
  return reference.at === "here" ? reference.target.path : null;
}

function holds(list: IfList, { path, facts }: IfFacts, site: Site): boolean {
  const isTrue = ({ what, text }: IfCondition): boolean =>
    what === "token"
      ? path !== null && site.locks.named(text, path) !== null
      : isPresentTag(text, facts);
  return list.conditions.every((condition) => isTrue(condition) !== condition.not);
}

/** Tokens that a request shows to have (RFC 4918 §6.4). */
export function submittedTokens({ headers }: Pick<DavRequest, "headers">): ReadonlySet<string> {
  const field = headers.get("if");
  return field === null ? noTokens : tokensIn(parseIf(field));
}

const noTokens: ReadonlySet<string> = new Set();

/**
 * Refuses a request that writes what is locked and has not the token; null when it may go on. Where
 * only something below is locked, an answer of many parts says what (RFC 4918 §9.6.1).
 */
export function checkLocks(
  request: DavRequest,
  site: Site,
  ...reaches: readonly WriteReach[]
): HttpResponse | null {
  const holder = { user: request.user, tokens: submittedTokens(request) };
  const below: string[] = [];
  const direct: string[] = [];
  for (const reach of reaches) {
    for (const { path, kind } of site.locks.inTheWay(reach, holder)) {
      const list = path.length > reach.path.length ? below : direct;
      list.push(hrefOf(site.basePath, path, kind));
    }
  }
  // Somebody else has locked something there (RFC 4918 §11.3).
  if (direct.length > 0) return conditionFailed(423, "lock-token-submitted", direct);
  if (below.length === 0) return null;
  using answer = new Multistatus(site.answers);
  for (const href of below) {
    answer.addStatus(href, 423, davCondition("lock-token-submitted", [href]));
  }
  return answer.response();
}

/** 412 when a condition on what the request is about does not hold. */
export function checkWriteConditions(
  { headers, method }: DavRequest,
  node: Node | null,
): HttpResponse | null {
  return checkConditions(headers, factsOf(node), method) === null ? null : preconditionFailed();
}
