import type { HttpResponse } from "../../http/exchange.ts";
import { done, noParent, notAllowed } from "../answers.ts";
import { clutterRefusal } from "../clutter.ts";
import { checkLocks, checkWriteConditions } from "../conditions/guard.ts";
import { findNode, findParent } from "../paths.ts";
import { refusal } from "../refusal.ts";
import type { DavRequest, Site } from "../site.ts";

/** MKCOL: a directory, where its parent can make one (RFC 4918 §9.3). */
export async function makeCollection(request: DavRequest, site: Site): Promise<HttpResponse> {
  const { path, scope } = request;
  if (await hasBody(request)) return refusal(415, "MKCOL takes no body");
  const parent = await findParent(site, path, scope);
  const node = await findNode(site, path, scope);
  const name = path.at(-1);
  if (node !== null || name === undefined) {
    return notAllowed(node, parent, "it exists already");
  }
  if (parent === null) return noParent();
  if (parent.makeDir === undefined) return refusal(403, "no directory can be made here");
  const blocked =
    clutterRefusal(name) ??
    checkWriteConditions(request, null) ??
    checkLocks(request, site, { path, deep: false, membership: true });
  if (blocked !== null) return blocked;
  await parent.makeDir(name, scope);
  return done(201);
}

async function hasBody({ body }: DavRequest): Promise<boolean> {
  if (body.announcedBytes !== null) return body.announcedBytes > 0;
  for (let part = await body.next(); part !== null; part = await body.next()) {
    if (part.length > 0) return true;
  }
  return false;
}
