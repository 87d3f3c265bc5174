import { asSheepfsError } from "../../base/errors.ts";
import type { MaybePromise } from "../../base/maybe-promise.ts";
import type { HttpResponse } from "../../http/exchange.ts";
import type { Extent, FileNode, Node, OpenFile } from "../../tree/node.ts";
import { notFound, preconditionFailed } from "../answers.ts";
import {
  checkConditions,
  type EntityFacts,
  factsOf,
  ifRangeHolds,
} from "../conditions/conditional.ts";
import { attachment } from "../content/disposition.ts";
import { MultipartBody, multipartType } from "../content/multipart.ts";
import { formatContentRange, parseRange } from "../content/range.ts";
import { FileBody } from "../content/send-file.ts";
import { unsatisfiable } from "../content/write-range.ts";
import { directoryPage } from "../page/page.ts";
import { findRequested } from "../paths.ts";
import { contentTypeOf } from "../properties/properties.ts";
import type { DavRequest, Site } from "../site.ts";
import { errorResponse } from "../status.ts";

/**
 * GET and HEAD: a file or ranges of it, a page for a directory. Of a file only the bytes that were
 * asked for are read. On a volume that is attached all of it is decided without a wait.
 * Source: RFC 9110 §9.3.1, §13.2.2, §14
 */
export function get(request: DavRequest, site: Site): MaybePromise<HttpResponse> {
  const node = findRequested(request, site);
  return node instanceof Promise
    ? node.then((found) => answer(request, site, found))
    : answer(request, site, node);
}

function answer(request: DavRequest, site: Site, node: Node | null): MaybePromise<HttpResponse> {
  if (node === null) return notFound();
  if (node.kind === "dir") return directoryPage(request, site, node);
  const facts = factsOf(node);
  const condition = checkConditions(request.headers, facts, request.method);
  if (condition === 412) return preconditionFailed();
  if (condition === 304) {
    return { status: 304, headers: site.reads.headers.validators(facts), body: null };
  }
  const file = node.open("read", request.scope);
  return file instanceof Promise
    ? file.then((opened) => fileResponse({ request, site, node, facts, file: opened }))
    : fileResponse({ request, site, node, facts, file });
}

interface Answering {
  readonly request: DavRequest;
  readonly site: Site;
  readonly node: FileNode;
  readonly facts: EntityFacts;
  /** Open from now on until the body is released. */
  readonly file: OpenFile;
}

function fileResponse(what: Answering): HttpResponse {
  const { request, site, node, facts, file } = what;
  const sizeBytes = file.sizeBytes();
  const contentType = contentTypeOf(node.traits);
  const field = request.method === "GET" ? request.headers.get("range") : null;
  const wish =
    field !== null && ifRangeHolds(request.headers, facts) ? parseRange(field, sizeBytes) : null;
  if (wish === null || wish.kind === "whole") return wholeFile(what, { sizeBytes, contentType });
  if (wish.kind === "none") {
    closeFile(what);
    return unsatisfiable(sizeBytes);
  }
  const [extent] = wish.ranges;
  if (wish.ranges.length === 1 && extent !== undefined) {
    return {
      status: 206,
      headers: site.reads.headers.ofRange(facts, contentType),
      ownHeaders: [["Content-Range", formatContentRange(extent, sizeBytes)]],
      body: fileBody(what, extent),
    };
  }
  const boundary = site.reads.newBoundary();
  const headers = site.reads.headers.ofRange(facts, multipartType(boundary));
  const { ranges } = wish;
  const body = new MultipartBody({
    ...{ reads: site.reads, file, ranges, sizeBytes, contentType, boundary },
    instead: (thrown) => errorResponse(thrown, site.log),
    over: () => closeFile(what),
  });
  return { status: 206, headers, body };
}

function wholeFile(
  what: Answering,
  { sizeBytes, contentType }: { readonly sizeBytes: number; readonly contentType: string },
): HttpResponse {
  const { request, site, node, facts } = what;
  const headers: (readonly [string, string])[] = [
    ...site.reads.headers.validators(facts),
    ["Accept-Ranges", "bytes"],
    ["Content-Type", contentType],
    ["X-Content-Type-Options", "nosniff"],
  ];
  const name = request.path.at(-1);
  if (node.traits.seekable && name !== undefined) {
    headers.push(["Content-Disposition", attachment(name)]);
  }
  return { status: 200, headers, body: fileBody(what, { offset: 0, length: sizeBytes }) };
}

function fileBody(what: Answering, extent: Extent): FileBody | null {
  if (extent.length === 0) {
    closeFile(what);
    return null;
  }
  const { site, file } = what;
  // Written out: this is made for every request, and a spread costs as much as a range.
  return new FileBody({
    reads: site.reads,
    file,
    extent,
    sent: null,
    instead: (thrown) => errorResponse(thrown, site.log),
    over: () => closeFile(what),
  });
}

function closeFile({ file, site }: Pick<Answering, "file" | "site">): void {
  file.close().catch((thrown: unknown) => {
    site.log.error("closing a file failed", asSheepfsError(thrown));
  });
}
