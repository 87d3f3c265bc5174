import { type SaxesAttributeNS, SaxesParser, type SaxesTagNS } from "saxes";
import { SheepfsError } from "../../base/errors.ts";
import { limits } from "../../base/limits.ts";
import type { XmlAttribute, XmlElement } from "./element.ts";

/** An element whose end has not come yet. */
interface Growing extends XmlElement {
  readonly children: (XmlElement | string)[];
}

/**
 * Parses a document. Document types are refused, and with them every entity but XML's own five, so
 * that nothing can grow or be fetched; depth and number of elements are bounded.
 * @throws invalid for what is no well-formed XML 1.0 with namespaces | too_large beyond a bound
 */
export function parseXml(bytes: Uint8Array): XmlElement {
  const text = decode(bytes);
  // XML 1.1 has characters that our answers, which are XML 1.0, could not give back.
  const parser = new SaxesParser({
    xmlns: true,
    position: false,
    defaultXMLVersion: "1.0",
    forceXMLVersion: true,
  });
  const tree = new TreeBuilder();
  parser.on("error", ({ message }) => {
    throw wrong(message);
  });
  parser.on("doctype", () => {
    throw wrong("a document type is not taken");
  });
  parser.on("xmldecl", ({ encoding }) => checkEncoding(encoding));
  parser.on("opentag", (tag) => tree.open(tag));
  parser.on("closetag", () => tree.close());
  parser.on("text", (content) => tree.text(content));
  parser.on("cdata", (content) => tree.text(content));
  parser.write(text).close();
  if (tree.root === null) throw wrong("it is empty");
  return tree.root;
}

class TreeBuilder {
  root: XmlElement | null = null;
  readonly #open: Growing[] = [];
  #count = 0;

  open(tag: SaxesTagNS): void {
    this.#count += 1;
    if (this.#count > limits.davXmlElementsMax) {
      throw tooLarge(`has more than ${limits.davXmlElementsMax} elements`);
    }
    if (this.#open.length >= limits.davXmlDepthMax) {
      throw tooLarge(`is more than ${limits.davXmlDepthMax} elements deep`);
    }
    const { uri, local, prefix } = tag;
    if (prefix === "xmlns") throw wrong("an element cannot have the prefix xmlns");
    const attributes = Object.values(tag.attributes).filter(isAttribute).map(attributeOf);
    const element: Growing = { namespace: uri, local, prefix, attributes, children: [] };
    for (const { namespace } of [element, ...attributes]) checkNamespace(namespace);
    this.#open.at(-1)?.children.push(element);
    this.root ??= element;
    this.#open.push(element);
  }

  close(): void {
    this.#open.pop();
  }

  text(content: string): void {
    // Around the root there may be white space.
    this.#open.at(-1)?.children.push(content);
  }
}

/** A declaration of a namespace is none: names have their namespaces already. */
function isAttribute({ name, prefix }: SaxesAttributeNS): boolean {
  return name !== "xmlns" && prefix !== "xmlns";
}

function attributeOf({ uri, local, prefix, value }: SaxesAttributeNS): XmlAttribute {
  return { namespace: uri, local, prefix, value };
}

/** It is said once and for all, and comes back with each name: without a bound it would multiply. */
function checkNamespace({ length }: string): void {
  const most = limits.davXmlNamespaceMax;
  if (length > most) throw tooLarge(`has a namespace of more than ${most} characters`);
}

/** UTF-8, or UTF-16 with its mark, as every parser must take (XML 1.0 §4.3.3, RFC 4918 §8.2). */
function decode(bytes: Uint8Array): string {
  const mark = ((bytes[0] ?? 0) << 8) | (bytes[1] ?? 0);
  const encoding = mark === 0xfeff ? "utf-16be" : mark === 0xfffe ? "utf-16le" : "utf-8";
  try {
    return new TextDecoder(encoding, { fatal: true }).decode(bytes);
  } catch {
    throw wrong(`it is no ${encoding.toUpperCase()}`);
  }
}

function checkEncoding(encoding: string | undefined): void {
  if (encoding === undefined || /^(?:utf-?8|utf-?16(?:le|be)?|us-ascii)$/i.test(encoding)) return;
  throw wrong(`its encoding '${encoding.slice(0, 40)}' is not taken; use UTF-8`);
}

function wrong(why: string): SheepfsError {
  return new SheepfsError("invalid", `the XML of the request cannot be read: ${why}`);
}

function tooLarge(what: string): SheepfsError {
  return new SheepfsError("too_large", `the XML of the request ${what}`);
}
