import { asSheepfsError, SheepfsError } from "../../base/errors.ts";
import { limits } from "../../base/limits.ts";
import type { HttpResponse } from "../../http/exchange.ts";
import type { Node, SpaceInfo } from "../../tree/node.ts";
import { conditionFailed, notFound } from "../answers.ts";
import { findRequested, hrefOf } from "../paths.ts";
import { depthOf } from "../properties/depth.ts";
import { Multistatus, type PropStat } from "../properties/multistatus.ts";
import {
  liveNames,
  liveValue,
  needsOf,
  ownNames,
  type PropertySubject,
} from "../properties/properties.ts";
import type { DavRequest, Site } from "../site.ts";
import {
  davChild,
  elementsOf,
  isDav,
  nameKey,
  type XmlElement,
  type XmlName,
} from "../xml/element.ts";
import { writeNamed } from "../xml/write.ts";
import { readXmlBody } from "../xml/xml-body.ts";

/** What is asked about each node (RFC 4918 §14.20). */
type PropfindWish =
  | { readonly what: "names" }
  | { readonly what: "all"; readonly include: readonly XmlName[] }
  | { readonly what: "some"; readonly names: readonly XmlName[] };

/**
 * PROPFIND of a node, and of what is in a directory (RFC 4918 §9.1). No answer goes through the
 * whole tree: its end is not known.
 */
export async function propfind(request: DavRequest, site: Site): Promise<HttpResponse> {
  const { path, headers, scope } = request;
  const node = await findRequested(request, site);
  if (node === null) return notFound();
  const depth = depthOf(headers, ["0", "1", "infinity"]);
  const wish = parsePropfind(await readXmlBody(request, site.clock));
  if (node.kind === "dir" && depth === "infinity") {
    return conditionFailed(403, "propfind-finite-depth");
  }
  const asking = await askingOf(wish, request, site);
  using answer = new Multistatus(site.answers);
  const own = await answerOf({ path, node }, asking);
  if (own === null) return notFound();
  own(answer);
  if (node.kind === "dir" && depth === "1") {
    // A window of nodes is asked at once; the order is the directory's.
    for await (const members of windowsOf(node.list(scope), limits.davAttrsInflightMax)) {
      const answers = members.map(async ({ name }) => {
        const member = await node.lookup(name, scope);
        return member === null ? null : answerOf({ path: [...path, name], node: member }, asking);
      });
      for (const add of await Promise.all(answers)) add?.(answer);
    }
  }
  return answer.response();
}

/** @throws invalid for what asks for nothing, or for two things at once */
function parsePropfind(body: XmlElement | null): PropfindWish {
  // No body asks for everything (RFC 4918 §9.1).
  if (body === null) return { what: "all", include: [] };
  const prop = davChild(body, "prop");
  const all = davChild(body, "allprop");
  const names = davChild(body, "propname");
  const asked = [prop, all, names].filter((one) => one !== null);
  if (!isDav(body, "propfind") || asked.length !== 1) {
    throw new SheepfsError(
      "invalid",
      "the body of PROPFIND is no propfind with one of prop, allprop and propname",
    );
  }
  if (prop !== null) return { what: "some", names: namesIn(prop) };
  if (names !== null) return { what: "names" };
  const include = davChild(body, "include");
  return { what: "all", include: include === null ? [] : namesIn(include) };
}

/** Each name once. @throws too_large */
function namesIn(element: XmlElement): XmlName[] {
  const named = elementsOf(element).map(({ namespace, local }) => ({ namespace, local }));
  const names = [...new Map(named.map((name) => [nameKey(name), name])).values()];
  const most = limits.davPropertiesAskedMax;
  if (names.length <= most) return names;
  throw new SheepfsError("too_large", `PROPFIND asks for more than ${most} properties`);
}

/** What is asked of every node, and what is the same for all of them. */
interface Asking {
  readonly wish: PropfindWish;
  readonly request: DavRequest;
  readonly site: Site;
  readonly needsAttr: boolean;
  readonly space: SpaceInfo | null;
}

async function askingOf(wish: PropfindWish, request: DavRequest, site: Site): Promise<Asking> {
  const named =
    wish.what === "some"
      ? wish.names
      : wish.what === "all"
        ? [...liveNames({ common: true }), ...wish.include]
        : [];
  const needs = needsOf(named);
  const space = needs.space ? await spaceOf(request, site) : null;
  return { wish, request, site, needsAttr: needs.attr, space };
}

/** A cluster that does not say how much space it has leaves the nodes without that property. */
async function spaceOf({ scope }: DavRequest, { tree, log }: Site): Promise<SpaceInfo | null> {
  try {
    return await tree.space(scope);
  } catch (thrown) {
    log.debug(`quota: ${asSheepfsError(thrown).message}`);
    return null;
  }
}

interface Asked {
  readonly path: readonly string[];
  readonly node: Node;
}

/** One node's part of the answer; null when it has just gone. */
async function answerOf(
  { path, node }: Asked,
  asking: Asking,
): Promise<((answer: Multistatus) => void) | null> {
  const { site, request, needsAttr, space } = asking;
  const href = hrefOf(site.basePath, path, node.kind);
  try {
    const attr = needsAttr ? await node.attr(request.scope) : null;
    const propstats = propstatsOf(asking.wish, { site, path, node, attr, space });
    return (answer) => answer.addProps(href, propstats);
  } catch (thrown) {
    const { code, message } = asSheepfsError(thrown);
    if (code === "stale" || code === "not_found") return null;
    // One node in trouble must not hide the others.
    site.log.debug(`PROPFIND ${href}: ${message}`);
    return (answer) => answer.addStatus(href, 503);
  }
}

function propstatsOf(wish: PropfindWish, subject: PropertySubject): PropStat[] {
  if (wish.what === "names") return [found(namesOf(subject).map((name) => writeNamed(name, "")))];
  const { properties } = subject.site;
  if (wish.what === "some") return some(wish.names, subject);
  const told = liveNames({ common: true });
  const known = new Set(told.map(nameKey));
  const common = told.flatMap((name) => {
    const value = liveValue(name, subject);
    return value === null ? [] : [writeNamed(name, value)];
  });
  const dead = [...properties.of(subject.path)];
  for (const { name } of dead) known.add(nameKey(name));
  const included = wish.include.filter((name) => !known.has(nameKey(name)));
  const [first, ...others] = some(included, subject);
  const all = [...common, ...dead.map(({ xml }) => xml)];
  // With nothing more asked for there is one group only, of what was found.
  if (first === undefined || first.status !== 200) {
    return [found(all), ...(first === undefined ? [] : [first]), ...others];
  }
  return [found([...all, ...first.props]), ...others];
}

/** Properties by name: those that are there, then those that are not; no group that is empty. */
function some(names: readonly XmlName[], subject: PropertySubject): PropStat[] {
  const { path, site } = subject;
  const here: string[] = [];
  const missing: string[] = [];
  for (const name of names) {
    const value = liveValue(name, subject);
    const xml = value === null ? site.properties.get(path, name)?.xml : writeNamed(name, value);
    if (xml === undefined) missing.push(writeNamed(name, ""));
    else here.push(xml);
  }
  const groups: PropStat[] = [];
  if (here.length > 0 || names.length === 0) groups.push(found(here));
  if (missing.length > 0) groups.push({ status: 404, props: missing, condition: "" });
  return groups;
}

function found(props: readonly string[]): PropStat {
  return { status: 200, props, condition: "" };
}

/** Of all properties that a node has, whether or not their values can be had at the moment. */
function namesOf({ node, path, site }: PropertySubject): XmlName[] {
  const filesOnly = new Set(["getcontentlength", "getcontenttype", "getetag"]);
  const live = liveNames({ common: false }).filter(
    ({ local }) => node.kind === "file" || !filesOnly.has(local),
  );
  return [...live, ...ownNames(node), ...[...site.properties.of(path)].map(({ name }) => name)];
}

async function* windowsOf<T>(items: AsyncIterable<T>, count: number): AsyncGenerator<T[]> {
  let window: T[] = [];
  for await (const item of items) {
    window.push(item);
    if (window.length < count) continue;
    yield window;
    window = [];
  }
  if (window.length > 0) yield window;
}
