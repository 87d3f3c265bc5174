import type { HttpResponse, ResponseHeaders } from "../../http/exchange.ts";
import { allowOf, done, notFound } from "../answers.ts";
import { findParent, findRequested } from "../paths.ts";
import type { DavRequest, Site } from "../site.ts";
import { patchType } from "./patch.ts";

const abilities: ResponseHeaders = [
  ["DAV", "1, 2, 3"],
  // Without it Windows looks for an extension of its own instead.
  ["MS-Author-Via", "DAV"],
  ["Accept-Ranges", "bytes"],
];

/** What a server for reading only does not do. */
const writing: ReadonlySet<string> = new Set(
  "PUT PATCH PROPPATCH MKCOL DELETE COPY MOVE".split(" "),
);

/**
 * OPTIONS: what can be done to a node, or to a name that is free (RFC 4918 §10.1). Files that take
 * a range say so: `Accept-Patch` for PATCH, and PUT takes `Content-Range`.
 */
export async function options(request: DavRequest, site: Site): Promise<HttpResponse> {
  const node = await findRequested(request, site);
  const parent = await findParent(site, request.path, request.scope);
  const able = allowOf(node, parent).split(", ");
  const methods = able.filter((method) => !site.readOnly || !writing.has(method));
  if (node === null && able.length === 1) return notFound();
  const headers: ResponseHeaders = [...abilities, ["Allow", methods.join(", ")]];
  if (!methods.includes("PATCH")) return done(200, headers);
  return done(200, [...headers, ["Accept-Patch", patchType]]);
}

/** `OPTIONS *`: what can be done to any node at all. */
export function serverOptions(methods: readonly string[]): HttpResponse {
  return done(200, [...abilities, ["Allow", methods.filter((one) => one !== "POST").join(", ")]]);
}
