import { limits } from "../../base/limits.ts";
import type { HttpResponse } from "../../http/exchange.ts";
import type { FileNode } from "../../tree/node.ts";
import { done, noParent, notAllowed } from "../answers.ts";
import { clutterRefusal } from "../clutter.ts";
import { etagOf } from "../conditions/conditional.ts";
import { checkWriteConditions } from "../conditions/guard.ts";
import { parseContentRange } from "../content/range.ts";
import { storeBody, wholeBody } from "../content/write-file.ts";
import { grows, writeRange } from "../content/write-range.ts";
import { findNode, findParent } from "../paths.ts";
import { refusal } from "../refusal.ts";
import type { DavRequest, Site } from "../site.ts";

/**
 * PUT: the body becomes a file; on a volume it is written from its start, or exactly where
 * `Content-Range` says, and everything else stays as it is. What can be refused is refused before a
 * byte is written or asked for; the answer comes when all is durable.
 * Source: RFC 9110 §9.3.4, §14.5, RFC 4918 §9.7
 */
export async function put(request: DavRequest, site: Site): Promise<HttpResponse> {
  const { path, slash, scope } = request;
  const name = path.at(-1);
  const node = await findNode(site, path, scope);
  if (name === undefined || slash || node?.kind === "dir") {
    return notAllowed(node, await findParent(site, path, scope));
  }
  const refused = checkWriteConditions(request, node);
  if (refused !== null) return refused;
  return node === null ? await make(request, site, name) : await replace(request, site, node);
}

async function make(request: DavRequest, site: Site, name: string): Promise<HttpResponse> {
  const { path, scope, headers } = request;
  const unkept = clutterRefusal(name);
  if (unkept !== null) return unkept;
  const parent = await findParent(site, path, scope);
  if (parent === null) return noParent();
  if (parent.makeFile === undefined) return refusal(403, "no file can be made here");
  if (headers.get("content-range") !== null) {
    return refusal(400, "a file that does not exist has no range to be written");
  }
  const node = await parent.makeFile(name, scope);
  if (!node.traits.extensible) {
    const unsized = await sizeOrUndo(request, node, async () => await parent.remove?.(name, scope));
    if (unsized !== null) return unsized;
  }
  await writeAll(request, site, node);
  return done(201, tagOf(node));
}

async function replace(request: DavRequest, site: Site, node: FileNode): Promise<HttpResponse> {
  if (!node.traits.writable) return refusal(403, "it is for reading only");
  const range = request.headers.get("content-range");
  if (range !== null) return await replaceRange(request, site, { node, range });
  if (!node.traits.seekable) return await command(request, node);
  if (!grows(node)) return await overwrite(request, site, node);
  await node.setSize?.(0, request.scope);
  await writeAll(request, site, node);
  return done(204, tagOf(node));
}

/** The same; what cannot have its size is not left behind. */
async function sizeOrUndo(
  request: DavRequest,
  node: FileNode,
  undo: () => Promise<void>,
): Promise<HttpResponse | null> {
  try {
    const unsized = await giveSize(request, node);
    if (unsized !== null && unsized.status >= 400) await undo();
    return unsized;
  } catch (thrown) {
    await undo();
    throw thrown;
  }
}

/**
 * A file that has the size of what is first written to it, as it is announced. Clients that put an
 * empty file before the content make a name with that, which waits for its size a while.
 */
async function giveSize({ body, scope }: DavRequest, node: FileNode): Promise<HttpResponse | null> {
  const bytes = body.announcedBytes;
  if (bytes === null) return refusal(411, "a file here has a size: send Content-Length");
  if (bytes === 0) return done(201);
  await node.setSize?.(bytes, scope);
  return null;
}

/** A volume from its start; what lies behind the body stays. */
async function overwrite(request: DavRequest, site: Site, node: FileNode): Promise<HttpResponse> {
  const { body, scope } = request;
  const { sizeBytes: bytesNow } = await node.attr(scope);
  if (bytesNow === 0) {
    const unsized = await giveSize(request, node);
    if (unsized !== null) return unsized;
  }
  const file = await node.open("write", request.scope);
  const sizeBytes = file.sizeBytes();
  if (body.announcedBytes !== null && body.announcedBytes > sizeBytes) {
    await file.close();
    return refusal(507, `the body has ${body.announcedBytes} bytes and the file ${sizeBytes}`);
  }
  await storeBody({ body, file, offset: 0, endBytes: sizeBytes, writes: site.writes });
  return done(204);
}

async function writeAll({ body, scope }: DavRequest, site: Site, node: FileNode): Promise<void> {
  const file = await node.open("write", scope);
  const endBytes = Number.POSITIVE_INFINITY;
  await storeBody({ body, file, offset: 0, endBytes, writes: site.writes });
}

async function replaceRange(
  request: DavRequest,
  site: Site,
  { node, range }: { readonly node: FileNode; readonly range: string },
): Promise<HttpResponse> {
  if (!node.traits.seekable) return refusal(400, "it takes whole lines and no ranges");
  const wish = parseContentRange(range);
  if (wish === null) {
    return refusal(400, "the Content-Range is not: bytes FIRST-LAST/TOTAL, or * for the total");
  }
  if (wish.extent.length !== request.body.announcedBytes) {
    return refusal(400, "the body has to be announced as long as its Content-Range says");
  }
  return await writeRange(request, site, { node, ...wish });
}

/**
 * Lines for a control file: they act when they are written, the last one at the close. Some clients
 * put an empty file before the content; that does nothing.
 */
async function command({ body, scope }: DavRequest, node: FileNode): Promise<HttpResponse> {
  const lines = await wholeBody(body, limits.davCommandBytesMax);
  if (lines.length === 0) return done(204);
  const file = await node.open("write", scope);
  try {
    await file.write(lines, 0, scope);
    await file.flush(scope);
  } finally {
    await file.close();
  }
  return done(204);
}

/** Only where the file is now what was sent (RFC 9110 §9.3.4). */
function tagOf(node: FileNode): readonly (readonly [string, string])[] {
  const version = node.version?.();
  return version === undefined ? [] : [["ETag", etagOf(version)]];
}
