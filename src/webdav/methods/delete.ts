import type { HttpResponse } from "../../http/exchange.ts";
import { done, notFound } from "../answers.ts";
import { checkLocks, checkWriteConditions } from "../conditions/guard.ts";
import { findParent, findRequested } from "../paths.ts";
import { depthOf } from "../properties/depth.ts";
import { refusal } from "../refusal.ts";
import type { DavRequest, Site } from "../site.ts";

/**
 * DELETE: a node with everything below it, or nothing of it (RFC 4918 §9.6); 428 for a volume or snapshot
 * without a condition (RFC 6585 §3).
 */
export async function remove(request: DavRequest, site: Site): Promise<HttpResponse> {
  const { path, headers, scope } = request;
  const node = await findRequested(request, site);
  if (node === null) return notFound();
  const parent = await findParent(site, path, scope);
  const name = path.at(-1);
  if (parent?.remove === undefined || name === undefined) {
    return refusal(403, "it cannot be deleted");
  }
  if (node.kind === "dir") depthOf(headers, ["infinity"]);
  // Clients delete by themselves what they could not write: a disk is not to go that way.
  if (parent.removalIsFinal === true && headers.get("if-match") === null) {
    return refusal(428, "this destroys all data of it: ask with If-Match, its ETag or *");
  }
  const blocked =
    checkWriteConditions(request, node) ??
    checkLocks(request, site, { path, deep: true, membership: true });
  if (blocked !== null) return blocked;
  await parent.remove(name, scope);
  site.locks.removeBelow(path);
  site.properties.removeBelow(path);
  return done(204);
}
