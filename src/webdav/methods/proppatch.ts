import { asSheepfsError, SheepfsError } from "../../base/errors.ts";
import { limits } from "../../base/limits.ts";
import type { HttpResponse } from "../../http/exchange.ts";
import { davCondition, notFound } from "../answers.ts";
import { checkWriteConditions } from "../conditions/guard.ts";
import { findParent, findRequested, hrefOf } from "../paths.ts";
import type { PropertyChange } from "../properties/dead-properties.ts";
import { Multistatus, type PartStatus, type PropStat } from "../properties/multistatus.ts";
import { isProtected } from "../properties/properties.ts";
import type { DavRequest, Site } from "../site.ts";
import { elementsOf, isDav, nameKey, type XmlElement, type XmlName } from "../xml/element.ts";
import { writeNamed } from "../xml/write.ts";
import { readXmlBody } from "../xml/xml-body.ts";

/**
 * PROPPATCH: all changes or none (RFC 4918 §9.2). What a client notes is kept while the server
 * runs; what we keep ourselves cannot be changed.
 */
export async function proppatch(request: DavRequest, site: Site): Promise<HttpResponse> {
  const body = await readXmlBody(request, site.clock);
  const { path, scope } = request;
  site.departures.watch(path, await findParent(site, path, scope));
  const node = await findRequested(request, site);
  if (node === null) return notFound();
  const changes = parseProppatch(body);
  const refused = checkWriteConditions(request, node);
  if (refused !== null) return refused;
  using answer = new Multistatus(site.answers);
  answer.addProps(hrefOf(site.basePath, path, node.kind), carryOut(changes, path, site));
  return answer.response();
}

function carryOut(
  changes: readonly PropertyChange[],
  path: readonly string[],
  site: Site,
): PropStat[] {
  const names = [...new Map(changes.map((one) => [nameKey(nameOf(one)), nameOf(one)])).values()];
  const kept = names.filter(isProtected);
  const others = names.filter((name) => !isProtected(name));
  if (kept.length > 0) {
    const reason = davCondition("cannot-modify-protected-property");
    return [...group(403, kept, reason), ...group(424, others)];
  }
  try {
    site.properties.change(path, changes);
  } catch (thrown) {
    if (asSheepfsError(thrown).code !== "no_space") throw thrown;
    return group(507, names);
  }
  return group(200, names);
}

function group(status: PartStatus, names: readonly XmlName[], condition = ""): PropStat[] {
  if (names.length === 0) return [];
  return [{ status, props: names.map((name) => writeNamed(name, "")), condition }];
}

function nameOf(change: PropertyChange): XmlName {
  return change.what === "set" ? change.element : change.name;
}

/** @throws invalid for what changes nothing */
function parseProppatch(body: XmlElement | null): PropertyChange[] {
  const changes: PropertyChange[] = [];
  const update = body !== null && isDav(body, "propertyupdate") ? body : null;
  for (const part of update === null ? [] : elementsOf(update)) {
    const what = isDav(part, "set") ? "set" : isDav(part, "remove") ? "remove" : null;
    // What is not known is passed over (RFC 4918 §17).
    if (what === null) continue;
    for (const prop of elementsOf(part).filter((child) => isDav(child, "prop"))) {
      for (const property of elementsOf(prop)) {
        const outer = [prop, part, update].filter((one) => one !== null);
        changes.push(changeOf(what, property, outer));
      }
    }
  }
  if (changes.length > 0) return changes;
  throw new SheepfsError(
    "invalid",
    "the body of PROPPATCH is no propertyupdate with a property to set or remove",
  );
}

function changeOf(
  what: "set" | "remove",
  property: XmlElement,
  outer: readonly XmlElement[],
): PropertyChange {
  const { namespace, local } = property;
  if (what === "remove") return { what, name: { namespace, local } };
  return { what, element: withLanguage(property, outer) };
}

/** The language that holds for a property belongs to it, wherever it was said (RFC 4918 §4.3). */
function withLanguage(property: XmlElement, outer: readonly XmlElement[]): XmlElement {
  const isLanguage = ({ prefix, local }: { prefix: string; local: string }): boolean =>
    prefix === "xml" && local === "lang";
  if (property.attributes.some(isLanguage)) return property;
  const language = outer.flatMap(({ attributes }) => attributes).find(isLanguage);
  if (language === undefined) return property;
  if (language.value.length > limits.davXmlLanguageMax) {
    const most = limits.davXmlLanguageMax;
    throw new SheepfsError("too_large", `an xml:lang of more than ${most} characters is not taken`);
  }
  return { ...property, attributes: [...property.attributes, language] };
}
