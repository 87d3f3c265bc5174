import { SheepfsError } from "../base/errors.ts";
import type { MaybePromise } from "../base/maybe-promise.ts";
import type { Scope } from "../base/scope.ts";
import type { DirNode, Node } from "../tree/node.ts";
import type { DavRequest, Site } from "./site.ts";

/** The target of a request, taken apart. */
export interface Target {
  /** Decoded names from the tree's root. */
  readonly path: readonly string[];
  readonly slash: boolean;
  /** Behind the `?`, as it came. */
  readonly query: string;
}

/** Neither a name of the tree nor of anything else: a path's own characters and controls. */
const forbiddenInName = /[/\p{Cc}]/u;
const plainTarget = /^[\x21-\x7e]*$/;

/**
 * Takes a target in origin or absolute form apart. It is decoded once; empty names are passed over,
 * as `//` means no other place than `/`.
 * @returns null when it lies outside `basePath`
 * @throws invalid for what no client of ours can mean: `.` and `..`, an encoded slash or NUL, bytes
 * that are no UTF-8, a fragment (RFC 3986 §3.3, RFC 9112 §3.2)
 */
export function parseTarget(target: string, basePath: string): Target | null {
  const whole = withoutAuthority(target);
  if (!plainTarget.test(whole) || whole.includes("#")) throw badTarget(target);
  const mark = whole.indexOf("?");
  const encoded = mark < 0 ? whole : whole.slice(0, mark);
  const query = mark < 0 ? "" : whole.slice(mark + 1);
  if (!encoded.startsWith("/")) throw badTarget(target);
  const path = decodePath(encoded, target);
  const base = basePath === "" ? [] : decodePath(basePath, basePath);
  if (base.some((name, at) => path[at] !== name)) return null;
  return {
    path: base.length === 0 ? path : path.slice(base.length),
    slash: encoded.endsWith("/"),
    query,
  };
}

/** `http://host/path` may stand where `/path` does (RFC 9112 §3.2.2). */
function withoutAuthority(target: string): string {
  if (target.startsWith("/")) return target;
  const parts = /^https?:\/\/[^/?#]*(.*)$/i.exec(target);
  if (parts === null) return target;
  const rest = parts[1] ?? "";
  return rest.startsWith("/") ? rest : `/${rest}`;
}

function decodePath(encoded: string, target: string): string[] {
  const names: string[] = [];
  for (const piece of encoded.split("/")) {
    if (piece === "") continue;
    // What is not encoded has no control characters: those were refused with the target.
    names.push(piece.includes("%") ? decodeName(piece, target) : checkDots(piece, target));
  }
  return names;
}

function decodeName(piece: string, target: string): string {
  let name: string;
  try {
    name = decodeURIComponent(piece);
  } catch {
    throw badTarget(target);
  }
  return checkName(name, target);
}

function checkName(name: string, target: string): string {
  if (forbiddenInName.test(name)) throw badTarget(target);
  return checkDots(name, target);
}

function checkDots(name: string, target: string): string {
  if (name === "." || name === "..") throw badTarget(target);
  return name;
}

function badTarget(target: string): SheepfsError {
  const shown = target.length > 200 ? `${target.slice(0, 200)}…` : target;
  return new SheepfsError(
    "invalid",
    `the path ${JSON.stringify(shown)} names nothing: write each name in UTF-8 with %XX, without '.', '..', slashes or control characters in it`,
  );
}

/** Where a node is, as it stands in `href`: encoded, with a slash behind a directory. */
export function hrefOf(basePath: string, path: readonly string[], kind: Node["kind"]): string {
  let href = basePath;
  for (const name of path) href += `/${encodeURIComponent(name)}`;
  return kind === "dir" ? `${href}/` : href;
}

/** One text for a path, by which it can be found: names have no slash. */
export function pathKey(path: readonly string[]): string {
  return path.join("/");
}

/** The node at a path; null when there is none. At once where all look-ups are. */
export function findNode(
  site: Pick<Site, "tree">,
  path: readonly string[],
  scope: Scope,
): MaybePromise<Node | null> {
  let node: Node = site.tree.root;
  for (let at = 0; at < path.length; at += 1) {
    if (node.kind !== "dir") return null;
    const found: MaybePromise<Node | null> = node.lookup(path[at] ?? "", scope);
    if (found instanceof Promise) return findRest(found, path.slice(at + 1), scope);
    if (found === null) return null;
    node = found;
  }
  return node;
}

async function findRest(
  first: Promise<Node | null>,
  path: readonly string[],
  scope: Scope,
): Promise<Node | null> {
  let node = await first;
  for (const name of path) {
    if (node?.kind !== "dir") return null;
    node = await node.lookup(name, scope);
  }
  return node;
}

/** The node that a request is about. A file is not found under its name with a slash. */
export function findRequested(
  request: Pick<DavRequest, "path" | "slash" | "scope">,
  site: Pick<Site, "tree">,
): MaybePromise<Node | null> {
  const found = findNode(site, request.path, request.scope);
  if (!request.slash) return found;
  return found instanceof Promise ? found.then(onlyDir) : onlyDir(found);
}

function onlyDir(node: Node | null): Node | null {
  return node?.kind === "dir" ? node : null;
}

/** The directory that a path lies in; null when that is none, and for the root. */
export async function findParent(
  site: Pick<Site, "tree">,
  path: readonly string[],
  scope: Scope,
): Promise<DirNode | null> {
  if (path.length === 0) return null;
  const node = await findNode(site, path.slice(0, -1), scope);
  return node?.kind === "dir" ? node : null;
}

/** Where a URL in a header field leads. */
export type Reference =
  | { readonly at: "here"; readonly target: Target }
  /** This server, but not the tree. */
  | { readonly at: "outside" }
  | { readonly at: "elsewhere" };

/**
 * Takes the URL in `Destination` or `If` apart: absolute, or a path (RFC 4918 §8.3). A proxy may
 * have changed the scheme, so only host and port tell whose it is.
 * @throws invalid
 */
export function parseReference(
  url: string,
  { origin }: Pick<DavRequest, "origin">,
  { basePath }: Pick<Site, "basePath">,
): Reference {
  const [, scheme = null, host = ""] = /^([a-z][a-z0-9+.-]*):\/\/([^/?#]*)/i.exec(url) ?? [];
  if (scheme === null && !url.startsWith("/")) throw badTarget(url);
  if (scheme !== null && (!/^https?$/i.test(scheme) || !isOrigin(host, scheme, origin))) {
    return { at: "elsewhere" };
  }
  const target = parseTarget(url, basePath);
  return target === null ? { at: "outside" } : { at: "here", target };
}

const defaultPort: Readonly<Record<string, string>> = { http: "80", https: "443" };

function isOrigin(host: string, scheme: string, origin: string): boolean {
  const [ownScheme = "", ownHost = ""] = origin.split("://");
  const given = withoutDefaultPort(host, scheme);
  return given === withoutDefaultPort(ownHost, ownScheme) || given === ownHost.toLowerCase();
}

function withoutDefaultPort(host: string, scheme: string): string {
  const end = `:${defaultPort[scheme.toLowerCase()]}`;
  const name = host.toLowerCase();
  return name.endsWith(end) ? name.slice(0, -end.length) : name;
}
