import type { HttpResponse } from "../../http/exchange.ts";
import type { Extent, FileNode } from "../../tree/node.ts";
import { notAllowed, notFound } from "../answers.ts";
import { checkWriteConditions } from "../conditions/guard.ts";
import { grows, writeRange } from "../content/write-range.ts";
import { findNode, findParent } from "../paths.ts";
import { refusal } from "../refusal.ts";
import type { DavRequest, Site } from "../site.ts";

/** The one kind of patch that is understood. */
export const patchType = "application/x-sabredav-partialupdate";

const updateRange = /^bytes=(?:(\d{1,16})-(\d{1,16})?|-(\d{1,16}))$/i;

/**
 * PATCH with `X-Update-Range`: the body is written where that says: `bytes=FIRST-LAST`,
 * `bytes=FIRST-`, `bytes=-COUNT` from the end, or `append`. The rest of the file stays as it is.
 */
export async function patch(request: DavRequest, site: Site): Promise<HttpResponse> {
  const { path, slash, scope, headers, body } = request;
  const node = await findNode(site, path, scope);
  if (node === null) return notFound();
  if (node.kind === "dir" || slash) {
    return notAllowed(node, await findParent(site, path, scope));
  }
  const refused = checkWriteConditions(request, node);
  if (refused !== null) return refused;
  if (!node.traits.writable) return refusal(403, "it is for reading only");
  if (!node.traits.seekable) return refusal(400, "it takes whole lines and no ranges");
  const type = (headers.get("content-type") ?? "").split(";")[0]?.trim().toLowerCase();
  if (type !== patchType) {
    return refusal(415, `the body of a PATCH has to be ${patchType}`, [
      ["Accept-Patch", patchType],
    ]);
  }
  const length = body.announcedBytes;
  if (length === null) return refusal(411, "the body of a PATCH has to be announced");
  const extent = await extentOf(request, node, length);
  if (extent === null) {
    return refusal(
      400,
      "the X-Update-Range is not: bytes=FIRST-LAST as long as the body, or append",
    );
  }
  return await writeRange(request, site, { node, extent, totalBytes: null });
}

async function extentOf(
  { headers, scope }: DavRequest,
  node: FileNode,
  length: number,
): Promise<Extent | null> {
  const field = (headers.get("x-update-range") ?? "").trim();
  const parts = updateRange.exec(field);
  if (parts === null && field.toLowerCase() !== "append") return null;
  const [, first, last, fromEnd] = parts ?? [];
  if (first !== undefined) {
    const offset = Number(first);
    const exact = last === undefined || Number(last) - offset + 1 === length;
    return exact && Number.isSafeInteger(offset + length) ? { offset, length } : null;
  }
  const { sizeBytes } = await node.attr(scope);
  const back = fromEnd === undefined ? 0 : Number(fromEnd);
  // What would begin before the file, or go beyond the end that it was counted from.
  if (back > sizeBytes || (back < length && !grows(node) && fromEnd !== undefined)) return null;
  return { offset: sizeBytes - back, length };
}
