import { SheepfsError } from "../../base/errors.ts";
import { limits } from "../../base/limits.ts";
import type { HttpResponse, ResponseHeaders } from "../../http/exchange.ts";
import {
  conditionFailed,
  davCondition,
  noParent,
  notFound,
  othersLock,
  xmlType,
} from "../answers.ts";
import { clutterRefusal } from "../clutter.ts";
import { checkLocks, checkWriteConditions, submittedTokens } from "../conditions/guard.ts";
import { writeLock } from "../locks/lock-xml.ts";
import type { Lock, LockWish } from "../locks/locks.ts";
import { parseTimeout } from "../locks/timeout.ts";
import { findNode, findParent, hrefOf } from "../paths.ts";
import { depthOf } from "../properties/depth.ts";
import { Multistatus } from "../properties/multistatus.ts";
import { refusal } from "../refusal.ts";
import type { DavRequest, Site } from "../site.ts";
import { davChild, isDav, type XmlElement } from "../xml/element.ts";
import { writeDocument, writeElement } from "../xml/write.ts";
import { readXmlBody } from "../xml/xml-body.ts";

/**
 * LOCK: a new lock when there is a body, else more time for one (RFC 4918 §9.10). A name that is
 * free is locked by making an empty file of it, where that can be.
 */
export async function lock(request: DavRequest, site: Site): Promise<HttpResponse> {
  const body = await readXmlBody(request, site.clock);
  if (body === null) return refresh(request, site);
  const { path, slash, headers, scope, user } = request;
  site.departures.watch(path, await findParent(site, path, scope));
  const node = await findNode(site, path, scope);
  const wish: LockWish = {
    path,
    user,
    kind: node?.kind ?? "file",
    ...parseLockInfo(body),
    deep: depthOf(headers, ["0", "infinity"]) === "infinity",
    timeoutSeconds: parseTimeout(headers.get("timeout")) ?? limits.davLockSecondsDefault,
  };
  if (node?.kind === "file" && slash) return notFound();
  const refused = checkWriteConditions(request, node);
  if (refused !== null) return refused;
  if (node !== null) return answer(site.locks.create(wish), wish, 200, site);
  return await lockFree(request, site, wish);
}

/** Locks a name that is free (RFC 4918 §7.3). */
async function lockFree(request: DavRequest, site: Site, wish: LockWish): Promise<HttpResponse> {
  const { path, scope } = request;
  const parent = await findParent(site, path, scope);
  const name = path.at(-1);
  if (parent === null || name === undefined) return noParent();
  if (parent.makeFile === undefined || site.readOnly) {
    return refusal(403, "no file can be made here, so the name cannot be locked");
  }
  const unkept = clutterRefusal(name);
  if (unkept !== null) return unkept;
  const blocked = checkLocks(request, site, { path, deep: false, membership: true });
  if (blocked !== null) return blocked;
  const made = site.locks.create(wish);
  if (!isLock(made)) return answer(made, wish, 201, site);
  try {
    await parent.makeFile(name, scope);
  } catch (thrown) {
    site.locks.remove(made);
    throw thrown;
  }
  return answer(made, wish, 201, site);
}

function refresh(request: DavRequest, site: Site): HttpResponse {
  const { path, headers, user } = request;
  const tokens = submittedTokens(request);
  if (tokens.size === 0) {
    return refusal(
      400,
      "LOCK without a body gives a lock more time: name it in an If header field",
    );
  }
  const timeout = parseTimeout(headers.get("timeout"));
  for (const token of tokens) {
    const held = site.locks.named(token, path);
    if (held === null) continue;
    if (held.user !== user) return othersLock();
    return lockAnswer(site.locks.refresh(held, timeout), 200, site, []);
  }
  return conditionFailed(412, "lock-token-matches-request-uri");
}

/** @throws invalid for what is no wish for a lock that we have | too_large */
function parseLockInfo(body: XmlElement): Pick<LockWish, "exclusive" | "owner"> {
  const scope = isDav(body, "lockinfo") ? davChild(body, "lockscope") : null;
  const type = davChild(body, "locktype");
  const exclusive = scope !== null && davChild(scope, "exclusive") !== null;
  const shared = scope !== null && davChild(scope, "shared") !== null;
  if (exclusive === shared || type === null || davChild(type, "write") === null) {
    throw new SheepfsError(
      "invalid",
      "the body of LOCK asks for no lock that there is; write lockinfo with a lockscope, exclusive or shared, and the locktype write",
    );
  }
  const owner = davChild(body, "owner");
  if (owner !== null && 2 * writeElement(owner).length > limits.davLockOwnerBytesMax) {
    throw new SheepfsError("too_large", "the owner of the lock is too long; say less about it");
  }
  return { exclusive, owner };
}

function isLock(made: Lock | readonly Lock[]): made is Lock {
  return "token" in made;
}

function answer(
  made: Lock | readonly Lock[],
  wish: LockWish,
  status: 200 | 201,
  site: Site,
): HttpResponse {
  if (!isLock(made)) return conflict(made, wish, site);
  return lockAnswer(made, status, site, [["Lock-Token", `<${made.token}>`]]);
}

function lockAnswer(
  lock: Lock,
  status: 200 | 201,
  site: Site,
  headers: ResponseHeaders,
): HttpResponse {
  const discovery = writeLock(lock, site.basePath, site.clock.nowMs());
  const body = writeDocument("prop", `<D:lockdiscovery>${discovery}</D:lockdiscovery>`);
  return { status, headers: [xmlType, ...headers], body };
}

/** 423, or which ones below keep it from being locked (RFC 4918 §9.10.9). */
function conflict(others: readonly Lock[], { path }: LockWish, site: Site): HttpResponse {
  const hrefs = (locks: readonly Lock[]): string[] => [
    ...new Set(locks.map((lock) => hrefOf(site.basePath, lock.path, lock.kind))),
  ];
  const direct = others.filter((lock) => lock.path.length <= path.length);
  if (direct.length > 0) return conditionFailed(423, "no-conflicting-lock", hrefs(direct));
  using parts = new Multistatus(site.answers);
  for (const href of hrefs(others)) {
    parts.addStatus(href, 423, davCondition("no-conflicting-lock", [href]));
  }
  parts.addStatus(hrefOf(site.basePath, path, "dir"), 424);
  return parts.response();
}
