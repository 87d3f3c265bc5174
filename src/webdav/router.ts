import { SheepfsError } from "../base/errors.ts";
import type { MaybePromise } from "../base/maybe-promise.ts";
import type { HttpRequest, HttpResponse } from "../http/exchange.ts";
import { notFound } from "./answers.ts";
import { checkIf, checkLocks } from "./conditions/guard.ts";
import { copy, move } from "./methods/copy-move.ts";
import { remove } from "./methods/delete.ts";
import { get } from "./methods/get.ts";
import { lock } from "./methods/lock.ts";
import { makeCollection } from "./methods/mkcol.ts";
import { options, serverOptions } from "./methods/options.ts";
import { patch } from "./methods/patch.ts";
import { post } from "./methods/post.ts";
import { propfind } from "./methods/propfind.ts";
import { proppatch } from "./methods/proppatch.ts";
import { put } from "./methods/put.ts";
import { unlock } from "./methods/unlock.ts";
import { findNode, parseTarget, type Target } from "./paths.ts";
import { refusal } from "./refusal.ts";
import type { DavRequest, Site } from "./site.ts";
import { errorResponse } from "./status.ts";

type Method = (request: DavRequest, site: Site) => MaybePromise<HttpResponse>;

interface MethodRow {
  readonly run: Method;
  /** Refused as a whole on a read-only server. */
  readonly writes: boolean;
  /** Writes the node itself and nothing around it: its locks can be looked at before. */
  readonly guarded: boolean;
}

const reading = { writes: false, guarded: false };
const writing = { writes: true, guarded: false };
const guarded = { writes: true, guarded: true };

/** All that is understood; what is not here is not implemented (RFC 9110 §15.6.2). */
const methods: ReadonlyMap<string, MethodRow> = new Map([
  ["GET", { run: get, ...reading }],
  ["HEAD", { run: get, ...reading }],
  ["OPTIONS", { run: options, ...reading }],
  ["PROPFIND", { run: propfind, ...reading }],
  ["PUT", { run: put, ...guarded }],
  ["PATCH", { run: patch, ...guarded }],
  ["PROPPATCH", { run: proppatch, ...guarded }],
  ["MKCOL", { run: makeCollection, ...writing }],
  ["DELETE", { run: remove, ...writing }],
  ["COPY", { run: copy, ...writing }],
  ["MOVE", { run: move, ...writing }],
  // A lock changes nothing; the file that it would make is refused where it is made.
  ["LOCK", { run: lock, ...reading }],
  ["UNLOCK", { run: unlock, ...reading }],
  ["POST", { run: post, ...reading }],
]);

/**
 * Answers a request that may see the tree. Whatever fails is an answer too.
 * @param user null where nobody logs in
 */
export function route(
  request: HttpRequest,
  user: string | null,
  site: Site,
): MaybePromise<HttpResponse> {
  try {
    const response = dispatch(request, user, site);
    return response instanceof Promise
      ? response.catch((thrown: unknown) => failed(thrown, request, site))
      : response;
  } catch (thrown) {
    return failed(thrown, request, site);
  }
}

function failed(thrown: unknown, { body }: HttpRequest, site: Site): HttpResponse {
  const { failure } = body;
  // It was the client that was waited for, and not the cluster.
  if (failure?.code === "timed_out" && thrown === failure) return refusal(408, failure.message);
  return errorResponse(thrown, site.log);
}

function dispatch(
  request: HttpRequest,
  user: string | null,
  site: Site,
): MaybePromise<HttpResponse> {
  const row = methods.get(request.method);
  if (row === undefined) {
    return refusal(501, `the method ${request.method} is not known here`);
  }
  if (request.target === "*") {
    if (request.method === "OPTIONS") return serverOptions([...methods.keys()]);
    throw new SheepfsError("invalid", `'*' can be the target of OPTIONS only`);
  }
  const target = takeApart(request.target, site);
  if (target === null) return notFound();
  const { method, headers, body, secure, scope } = request;
  const origin = `${secure ? "https" : "http"}://${headers.get("host") ?? ""}`;
  const { path, slash, query } = target;
  const dav: DavRequest = {
    ...{ method, path, slash, query, headers, body },
    ...{ secure, user, origin, scope },
  };
  if (row.writes && site.readOnly) {
    throw new SheepfsError("read_only", "this server is for reading only");
  }
  // The path of most requests, and of all that have to be fast, ends here.
  if (!row.guarded && headers.get("if") === null) return row.run(dav, site);
  return guard(dav, site, row);
}

/** Of each site the target that was asked for last: a client mostly reads one file on and on. */
const lastTargets = new WeakMap<Site, { readonly text: string; readonly target: Target | null }>();

function takeApart(text: string, site: Site): Target | null {
  const last = lastTargets.get(site);
  if (last?.text === text) return last.target;
  const target = parseTarget(text, site.basePath);
  lastTargets.set(site, { text, target });
  return target;
}

async function guard(request: DavRequest, site: Site, row: MethodRow): Promise<HttpResponse> {
  const failed = await checkIf(request, site);
  if (failed !== null) return failed;
  if (row.guarded) {
    const { path, scope } = request;
    const isNew = (await findNode(site, path, scope)) === null;
    const blocked = checkLocks(request, site, { path, deep: false, membership: isNew });
    if (blocked !== null) return blocked;
  }
  return await row.run(request, site);
}
