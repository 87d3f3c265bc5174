import { asSheepfsError } from "../../base/errors.ts";
import { limits } from "../../base/limits.ts";
import type { Scope } from "../../base/scope.ts";
import { impatient } from "../../base/waiting.ts";
import type { HttpResponse } from "../../http/exchange.ts";
import type { DirEntry, DirNode, FileNode } from "../../tree/node.ts";
import { hrefOf } from "../paths.ts";
import type { DavRequest, Site } from "../site.ts";
import { type PageModel, type PageRow, type PageText, pageHtml } from "./page-html.ts";
import { pageStyleHash } from "./page-style.ts";

type PageRequest = Pick<DavRequest, "path" | "slash" | "query" | "origin" | "scope">;
type PageSite = Pick<Site, "tree" | "clock" | "log" | "readOnly" | "basePath">;

const policy = [
  "default-src 'none'",
  `style-src '${pageStyleHash}'`,
  "img-src data:",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
].join("; ");

/**
 * What a browser is shown of a directory; at the root with the state of everything at a glance. A
 * directory that was asked for without its slash is answered with where it is.
 */
export async function directoryPage(
  request: PageRequest,
  site: PageSite,
  node: DirNode,
): Promise<HttpResponse> {
  if (!request.slash) return moved(request, site);
  const model = await pageModel(request, site, node);
  return {
    status: 200,
    headers: [
      ["Content-Type", "text/html; charset=utf-8"],
      ["Content-Security-Policy", policy],
      ["X-Content-Type-Options", "nosniff"],
      ["Referrer-Policy", "no-referrer"],
      ["Cache-Control", "no-store"],
    ],
    body: pageHtml(model),
  };
}

function moved({ path, query }: PageRequest, site: PageSite): HttpResponse {
  const to = hrefOf(site.basePath, path, "dir");
  return {
    status: 301,
    headers: [
      ["Location", query === "" ? to : `${to}?${query}`],
      ["Content-Type", "text/plain; charset=utf-8"],
    ],
    body: `this is a directory: ${to}\n`,
  };
}

async function pageModel(request: PageRequest, site: PageSite, node: DirNode): Promise<PageModel> {
  const { path, query, origin } = request;
  const scope = impatient(request.scope, site.clock, limits.pagePatienceMs);
  const entries: DirEntry[] = [];
  for await (const entry of node.list(request.scope)) entries.push(entry);
  entries.sort(byKindAndName);
  const pages = Math.max(1, Math.ceil(entries.length / limits.pageEntriesMax));
  const page = Math.min(pages, pageNumber(query));
  const first = (page - 1) * limits.pageEntriesMax;
  const shown = entries.slice(first, first + limits.pageEntriesMax);
  const looked: Looked[] = [];
  for (let at = 0; at < shown.length; at += limits.pageLooksMax) {
    const some = shown.slice(at, at + limits.pageLooksMax);
    looked.push(...(await Promise.all(some.map((entry) => look(site, path, node, entry, scope)))));
  }
  return {
    path,
    crumbs: [[], ...path.map((_, at) => path.slice(0, at + 1))].map((names) =>
      hrefOf(site.basePath, names, "dir"),
    ),
    summary: path.length === 0 ? await site.tree.summary(scope) : [],
    rows: looked.map(({ row }) => row),
    texts: await textsOf(looked, { origin, readOnly: site.readOnly }, scope),
    ...{ page, pages, entries: entries.length },
  };
}

/** Directories first, numbers in names by their value. */
const names = new Intl.Collator("en", { numeric: true });

function byKindAndName(one: DirEntry, other: DirEntry): number {
  if (one.kind !== other.kind) return one.kind === "dir" ? -1 : 1;
  return names.compare(one.name, other.name) || (one.name < other.name ? -1 : 1);
}

function pageNumber(query: string): number {
  const page = Number(new URLSearchParams(query).get("page") ?? "1");
  return Number.isSafeInteger(page) && page >= 1 ? page : 1;
}

interface Looked {
  readonly row: PageRow;
  /** Null for directories, volumes, and what is gone. */
  readonly text: FileNode | null;
}

/** What cannot be found out in time is left open: a page of a cluster in trouble is still a page. */
async function look(
  site: PageSite,
  path: readonly string[],
  dir: DirNode,
  entry: DirEntry,
  scope: Scope,
): Promise<Looked> {
  const { name } = entry;
  const href = hrefOf(site.basePath, [...path, name], entry.kind);
  const unknown = { name, href, sizeBytes: null, modifiedMs: null };
  try {
    const node = await dir.lookup(name, scope);
    if (node === null) return { row: { ...unknown, kind: kindOf(entry, null) }, text: null };
    const file = node.kind === "file" ? node : null;
    const kind = kindOf(entry, file);
    const text = kind === "text" ? file : null;
    try {
      const { sizeBytes, mtimeMs } = await node.attr(scope);
      const size = kind === "dir" ? null : sizeBytes;
      return { row: { name, href, kind, sizeBytes: size, modifiedMs: mtimeMs }, text };
    } catch (thrown) {
      site.log.debug(`page: ${name}: ${asSheepfsError(thrown).message}`);
      return { row: { ...unknown, kind }, text };
    }
  } catch (thrown) {
    site.log.debug(`page: ${name}: ${asSheepfsError(thrown).message}`);
    return { row: { ...unknown, kind: kindOf(entry, null) }, text: null };
  }
}

function kindOf({ kind }: DirEntry, file: FileNode | null): PageRow["kind"] {
  if (kind === "dir") return "dir";
  return file?.traits.seekable === true ? "volume" : "text";
}

async function textsOf(
  looked: readonly Looked[],
  about: { readonly origin: string; readonly readOnly: boolean },
  scope: Scope,
): Promise<PageText[]> {
  const shown = looked.filter(({ text }) => text !== null).slice(0, limits.pageTextsMax);
  return await Promise.all(
    shown.map(async ({ row: { name, href }, text }) => {
      const writable = text?.traits.writable === true && !about.readOnly;
      const howToWrite = writable ? `echo LINE | curl -T - ${about.origin}${href}` : null;
      const { text: content, cut } = await beginningOf(text, scope);
      return { name, href, text: content, cut, howToWrite };
    }),
  );
}

async function beginningOf(
  node: FileNode | null,
  scope: Scope,
): Promise<{ readonly text: string; readonly cut: boolean }> {
  if (node === null) return { text: "", cut: false };
  try {
    const file = await node.open("read", scope);
    try {
      const size = file.sizeBytes();
      const bytes = new Uint8Array(Math.min(size, limits.pageTextBytesMax));
      const length = await file.read(bytes, 0, scope);
      const text = new TextDecoder().decode(bytes.subarray(0, length));
      return { text, cut: size > bytes.length };
    } finally {
      await file.close();
    }
  } catch (thrown) {
    return { text: asSheepfsError(thrown).message, cut: false };
  }
}
