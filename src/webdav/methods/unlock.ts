import type { HttpResponse } from "../../http/exchange.ts";
import { conditionFailed, done, notFound, othersLock } from "../answers.ts";
import { findNode } from "../paths.ts";
import { refusal } from "../refusal.ts";
import type { DavRequest, Site } from "../site.ts";

/** UNLOCK: ends a lock, also one whose node has gone meanwhile (RFC 4918 §9.11). */
export async function unlock(request: DavRequest, site: Site): Promise<HttpResponse> {
  const { path, headers, scope, user } = request;
  const token = /^[ \t]*<([^<>\s]+)>[ \t]*$/.exec(headers.get("lock-token") ?? "")?.[1];
  if (token === undefined) {
    return refusal(400, "UNLOCK needs the header field Lock-Token with a token in angle brackets");
  }
  const held = site.locks.named(token, path);
  if (held !== null) {
    if (held.user !== user) return othersLock();
    site.locks.remove(held);
    return done(204);
  }
  if ((await findNode(site, path, scope)) === null) return notFound();
  return conditionFailed(409, "lock-token-matches-request-uri");
}
