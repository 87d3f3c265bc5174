import { SheepfsError } from "../../base/errors.ts";
import type { Scope } from "../../base/scope.ts";
import type { HttpResponse } from "../../http/exchange.ts";
import type { DirNode, Node } from "../../tree/node.ts";
import { done, noParent, notFound } from "../answers.ts";
import { clutterRefusal } from "../clutter.ts";
import { checkLocks, checkWriteConditions } from "../conditions/guard.ts";
import { copyContent, makeLike, takeFreeName } from "../content/copy-node.ts";
import { findNode, findParent, findRequested, parseReference } from "../paths.ts";
import { depthOf } from "../properties/depth.ts";
import { refusal } from "../refusal.ts";
import type { DavRequest, Site } from "../site.ts";

/** What a COPY or MOVE is to do, once everything about it is known to be in order. */
interface Transfer {
  readonly node: Node;
  readonly from: DirNode;
  readonly into: DirNode;
  readonly source: readonly string[];
  readonly target: readonly string[];
  /** What is at the target now. */
  readonly replaced: Node | null;
  readonly deep: boolean;
}

/** COPY: with everything below unless `Depth: 0`; all of it or nothing (RFC 4918 §9.8). */
export async function copy(request: DavRequest, site: Site): Promise<HttpResponse> {
  const cloned = await clone(request, site);
  if (cloned !== null) return cloned;
  const plan = await planTransfer(request, site);
  if ("status" in plan) return plan;
  const { node, into, source, target, replaced, deep } = plan;
  const { scope } = request;
  let made: Node = node;
  await throughFreeName(plan, scope, {
    begin: async (name) => {
      made = await makeLike({ node, into, name }, scope);
    },
    finish: async () => {
      if (deep) await copyContent(node, made, scope);
      site.properties.copy({ source, target, deep });
    },
    undo: async (name) => await into.remove?.(name, scope),
  });
  // A file that was written over is the same for who has locked it.
  if (node.kind === "dir" || replaced?.kind === "dir") site.locks.removeBelow(target);
  return done(replaced === null ? 201 : 204);
}

/**
 * COPY of what never changes to where such things are shared: no byte of it is copied, and nothing
 * that is there is replaced. Null where it is a copy like any other.
 */
async function clone(request: DavRequest, site: Site): Promise<HttpResponse | null> {
  const { scope } = request;
  if (request.headers.get("destination") === null) return null;
  const target = destinationOf(request, site);
  if ("status" in target) return null;
  const into = await findParent(site, target, scope);
  const name = target.at(-1);
  if (into?.link === undefined || name === undefined) return null;
  const node = await findRequested(request, site);
  if (node === null) return notFound();
  if ((await findNode(site, target, scope)) !== null) {
    return refusal(412, "the destination exists; delete it first");
  }
  const blocked =
    clutterRefusal(name) ??
    checkWriteConditions(request, node) ??
    checkLocks(request, site, { path: target, deep: false, membership: true });
  if (blocked !== null) return blocked;
  await into.link(node, name, scope);
  return done(201);
}

/** MOVE: with everything below; locks stay behind and end, what is noted goes along (RFC 4918 §9.9). */
export async function move(request: DavRequest, site: Site): Promise<HttpResponse> {
  const plan = await planTransfer(request, site);
  if ("status" in plan) return plan;
  const { from, into, source, target, replaced } = plan;
  const { scope } = request;
  const name = source.at(-1) ?? "";
  if (replaced === null) {
    await from.move?.(name, into, target.at(-1) ?? "", scope);
  } else {
    await throughFreeName(plan, scope, {
      begin: async (free) => await from.move?.(name, into, free, scope),
      finish: async () => {},
      undo: async (free) => await into.move?.(free, from, name, scope),
    });
  }
  site.locks.removeBelow(source);
  site.locks.removeBelow(target);
  site.properties.move({ source, target });
  return done(replaced === null ? 201 : 204);
}

interface Placing {
  /** Puts it, or the beginning of it, under that name. @throws exists when that is not free */
  begin(name: string): Promise<void>;
  finish(): Promise<void>;
  /** Leaves nothing under that name, as if it had not been begun. */
  undo(name: string): Promise<void>;
}

/**
 * Puts something beside the target first, under a name that is free, and in its place then: what
 * fails leaves everything as it was.
 */
async function throughFreeName(
  { into, target, replaced }: Transfer,
  scope: Scope,
  { begin, finish, undo }: Placing,
): Promise<void> {
  const free = await takeFreeName(into, begin, scope);
  const name = target.at(-1) ?? "";
  try {
    await finish();
    // Somebody may have removed what is to be replaced, or made what was not there: that is kept.
    if (replaced !== null && (await into.lookup(name, scope)) === replaced) {
      await into.remove?.(name, scope);
    }
    await into.move?.(free, into, name, scope);
  } catch (thrown) {
    await undo(free);
    throw thrown;
  }
}

async function planTransfer(request: DavRequest, site: Site): Promise<Transfer | HttpResponse> {
  const { path: source, method, scope } = request;
  const node = await findRequested(request, site);
  if (node === null) return notFound();
  const from = await findParent(site, source, scope);
  if (from?.move === undefined) return refusal(403, "it cannot be copied or moved over HTTP");
  const target = destinationOf(request, site);
  if ("status" in target) return target;
  const overwrite = overwriteOf(request);
  const deep =
    node.kind === "file" ||
    depthOf(request.headers, method === "COPY" ? ["0", "infinity"] : ["infinity"]) === "infinity";
  if (isWithin(source, target) || isWithin(target, source)) {
    return refusal(403, "source and destination are the same, or one of them is in the other");
  }
  const into = await findParent(site, target, scope);
  if (into === null) return noParent();
  const takes = method === "COPY" ? into.makeFile : into.move;
  if (takes === undefined || into.move === undefined) {
    return refusal(403, "nothing can be put there");
  }
  const unkept = clutterRefusal(target.at(-1) ?? "");
  if (unkept !== null) return unkept;
  const replaced = await findNode(site, target, scope);
  if (replaced !== null && !overwrite) return refusal(412, "the destination exists");
  if (replaced !== null && into.removalIsFinal === true) {
    return refusal(412, "the destination exists; delete it first");
  }
  const plan = { node, from, into, source, target, replaced, deep };
  return checkWriteConditions(request, node) ?? checkTransferLocks(plan, request, site) ?? plan;
}

function checkTransferLocks(
  { source, target, replaced }: Transfer,
  request: DavRequest,
  site: Site,
): HttpResponse | null {
  const exists = replaced !== null;
  const written = { path: target, deep: exists, membership: !exists };
  if (request.method === "COPY") return checkLocks(request, site, written);
  return checkLocks(request, site, { path: source, deep: true, membership: true }, written);
}

/** @throws invalid when there is none, or it is no URL */
function destinationOf(request: DavRequest, site: Site): readonly string[] | HttpResponse {
  const field = request.headers.get("destination");
  if (field === null) {
    throw new SheepfsError("invalid", `${request.method} needs the header field Destination`);
  }
  const reference = parseReference(field.trim(), request, site);
  if (reference.at === "here") return reference.target.path;
  return refusal(502, "the destination is not in the tree that this server has");
}

/** @throws invalid */
function overwriteOf({ headers }: DavRequest): boolean {
  const field = headers.get("overwrite")?.trim().toUpperCase() ?? "T";
  if (field === "T" || field === "F") return field === "T";
  throw new SheepfsError("invalid", "Overwrite is T or F");
}

function isWithin(outer: readonly string[], inner: readonly string[]): boolean {
  return outer.length <= inner.length && outer.every((name, at) => inner[at] === name);
}
