import type { HttpResponse, ResponseHeaders } from "../http/exchange.ts";
import type { DirNode, Node } from "../tree/node.ts";
import { refusal } from "./refusal.ts";
import { escapeText, writeDocument, writeNamed } from "./xml/write.ts";

/** Preconditions and postconditions that a client is told by name (RFC 4918 §16). */
export type DavCondition =
  | "propfind-finite-depth"
  | "lock-token-submitted"
  | "lock-token-matches-request-uri"
  | "no-conflicting-lock"
  | "cannot-modify-protected-property";

export const xmlType: ResponseHeaders[number] = ["Content-Type", "application/xml; charset=utf-8"];

/** Done, and nothing to be told about it. */
export function done(status: 200 | 201 | 204, headers: ResponseHeaders = []): HttpResponse {
  return { status, headers, body: null };
}

export function notFound(): HttpResponse {
  return refusal(404, "there is nothing of that name");
}

export function preconditionFailed(): HttpResponse {
  return refusal(412, "it is not as the condition of the request has it");
}

/** Its token does not make it the lock of whoever shows it (RFC 4918 §6.4). */
export function othersLock(): HttpResponse {
  return refusal(403, "another user has made this lock");
}

export function noParent(): HttpResponse {
  return refusal(409, "the directory that it would be in does not exist");
}

/** A refusal with its reason by name, and the places that are concerned. */
export function conditionFailed(
  status: 403 | 409 | 412 | 423,
  condition: DavCondition,
  hrefs: readonly string[] = [],
): HttpResponse {
  return {
    status,
    headers: [xmlType],
    body: writeDocument("error", davCondition(condition, hrefs)),
  };
}

/** The same as a part of another document. */
export function davCondition(condition: DavCondition, hrefs: readonly string[] = []): string {
  const places = hrefs.map((href) => `<D:href>${escapeText(href)}</D:href>`).join("");
  return writeNamed({ namespace: "DAV:", local: condition }, places);
}

/** 405 with what can be done there instead. */
export function notAllowed(
  node: Node | null,
  parent: DirNode | null,
  why = "that cannot be done to it",
): HttpResponse {
  return refusal(405, why, [["Allow", allowOf(node, parent)]]);
}

/** What can be done to a node, or to a name that is free. */
export function allowOf(node: Node | null, parent: DirNode | null): string {
  const methods = ["OPTIONS"];
  if (node === null) {
    if (parent?.makeDir !== undefined) methods.push("MKCOL");
    if (parent?.makeFile !== undefined) methods.push("PUT", "LOCK");
    return methods.join(", ");
  }
  methods.push("GET", "HEAD");
  if (node.kind === "file" && node.traits.writable) {
    methods.push("PUT");
    if (node.traits.seekable) methods.push("PATCH");
  }
  if (parent?.remove !== undefined) methods.push("DELETE");
  if (parent?.move !== undefined) methods.push("COPY", "MOVE");
  else if (node.kind === "file" && node.traits.immutable) methods.push("COPY");
  methods.push("PROPFIND", "PROPPATCH", "LOCK", "UNLOCK");
  return methods.join(", ");
}
