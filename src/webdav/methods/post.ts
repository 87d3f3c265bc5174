import type { HttpResponse } from "../../http/exchange.ts";
import { notAllowed, notFound } from "../answers.ts";
import { findParent, findRequested } from "../paths.ts";
import type { DavRequest, Site } from "../site.ts";

/** POST: nothing here processes what is posted to it, but everybody knows the method. */
export async function post(request: DavRequest, site: Site): Promise<HttpResponse> {
  const node = await findRequested(request, site);
  if (node === null) return notFound();
  return notAllowed(node, await findParent(site, request.path, request.scope));
}
