import { httpDate } from "../../http/date.ts";
import type { Attr, Node, SpaceInfo } from "../../tree/node.ts";
import { factsOf } from "../conditions/conditional.ts";
import { supportedLock, writeLock } from "../locks/lock-xml.ts";
import type { Site } from "../site.ts";
import { davNamespace, nameKey, type XmlName } from "../xml/element.ts";
import { escapeText } from "../xml/write.ts";

/** Facts about a file that only we have: what `FileNode.details` tells. */
const ownNamespace = "urn:sheepfs:file";

/** One node, with what is known about it. */
export interface PropertySubject {
  readonly site: Site;
  readonly path: readonly string[];
  readonly node: Node;
  /** Null when nothing that was asked for needs it. */
  readonly attr: Attr | null;
  /** Null when it was not asked for or nobody knows. */
  readonly space: SpaceInfo | null;
}

interface LiveProperty {
  /** What makes it costly to know. */
  readonly needs: "nothing" | "attr" | "space";
  /** Told to whoever asks for everything; the others have to be asked for by name (RFC 4331 §2). */
  readonly common: boolean;
  /** Its content as XML; null where a node has no such property. */
  value(subject: PropertySubject): string | null;
}

const cheap = { needs: "nothing", common: true } as const;
const ofAttr = { needs: "attr", common: true } as const;
const ofSpace = { needs: "space", common: false } as const;

/** The properties of `DAV:` that we keep ourselves (RFC 4918 §15, RFC 4331 §3). */
const davProperties: Readonly<Record<string, LiveProperty>> = {
  resourcetype: {
    ...cheap,
    value: ({ node }) => (node.kind === "dir" ? "<D:collection/>" : ""),
  },
  displayname: { ...cheap, value: ({ path }) => escapeText(path.at(-1) ?? "/") },
  getcontentlength: {
    ...ofAttr,
    value: ({ attr }) => (attr?.kind === "file" ? String(attr.sizeBytes) : null),
  },
  getcontenttype: {
    ...cheap,
    value: ({ node }) => (node.kind === "file" ? contentTypeOf(node.traits) : null),
  },
  getetag: {
    ...cheap,
    value: ({ node }) => {
      const { etag } = factsOf(node);
      return etag === null ? null : escapeText(etag);
    },
  },
  getlastmodified: {
    ...ofAttr,
    value: ({ node, attr }) => {
      const modifiedMs = factsOf(node).modifiedMs ?? attr?.mtimeMs;
      return modifiedMs === undefined ? null : httpDate(modifiedMs);
    },
  },
  creationdate: {
    ...ofAttr,
    value: ({ attr }) => (attr === null ? null : isoDate(attr.birthtimeMs)),
  },
  lockdiscovery: {
    ...cheap,
    value: ({ site, path }) => {
      const { locks, basePath, clock } = site;
      const now = clock.nowMs();
      return locks
        .at(path)
        .map((lock) => writeLock(lock, basePath, now))
        .join("");
    },
  },
  supportedlock: { ...cheap, value: () => supportedLock },
  "quota-available-bytes": {
    ...ofSpace,
    value: ({ node, space }) =>
      node.kind === "dir" && space !== null ? String(space.freeBytes) : null,
  },
  "quota-used-bytes": {
    ...ofSpace,
    value: ({ node, attr, space }) => {
      if (node.kind === "file") return attr === null ? null : String(attr.allocatedBytes);
      return space === null ? null : String(space.totalBytes - space.freeBytes);
    },
  },
};

const liveProperties: ReadonlyMap<string, { readonly name: XmlName } & LiveProperty> = new Map(
  Object.entries(davProperties).map(([local, property]) => {
    const name = { namespace: davNamespace, local };
    return [nameKey(name), { name, ...property }];
  }),
);

/** Names that every node's properties are taken from; `common` are those told to everybody. */
export function liveNames({ common }: { readonly common: boolean }): XmlName[] {
  const rows = [...liveProperties.values()];
  return rows.filter((row) => !common || row.common).map(({ name }) => name);
}

/** Names of the facts that only we have about a node. */
export function ownNames(node: Node): XmlName[] {
  const details = node.kind === "file" ? node.details?.() : undefined;
  return [...(details?.keys() ?? [])].map((local) => ({ namespace: ownNamespace, local }));
}

/** What has to be found out before these properties can be told. */
export function needsOf(names: readonly XmlName[]): { attr: boolean; space: boolean } {
  const needs = new Set(names.map((name) => liveProperties.get(nameKey(name))?.needs));
  return { attr: needs.has("attr") || needs.has("space"), space: needs.has("space") };
}

/** Whether only we can change it (RFC 4918 §15). */
export function isProtected(name: XmlName): boolean {
  return name.namespace === ownNamespace || liveProperties.has(nameKey(name));
}

/** The content of a property as XML; null where the node has none of that name. */
export function liveValue(name: XmlName, subject: PropertySubject): string | null {
  const { node } = subject;
  if (name.namespace !== ownNamespace) {
    return liveProperties.get(nameKey(name))?.value(subject) ?? null;
  }
  const text = node.kind === "file" ? node.details?.().get(name.local) : undefined;
  return text === undefined ? null : escapeText(text);
}

/** What a file's bytes are, as far as we know. */
export function contentTypeOf({ seekable }: { readonly seekable: boolean }): string {
  return seekable ? "application/octet-stream" : "text/plain; charset=utf-8";
}

/** RFC 3339 without fractions, as `creationdate` has it (RFC 4918 §15.1). */
function isoDate(ms: number): string {
  return `${new Date(ms).toISOString().slice(0, 19)}Z`;
}
