import { davNamespace, type XmlElement, type XmlName } from "./element.ts";

const escapes: Readonly<Record<string, string>> = {
  "&": "&amp;",
  "<": "&lt;",
  ">": "&gt;",
  '"': "&quot;",
  // White space that a parser would make a space of in an attribute, or a newline of anywhere.
  "\t": "&#9;",
  "\n": "&#10;",
  "\r": "&#13;",
};

/** Characters that no XML document can have, however written (XML 1.0 §2.2). */
// biome-ignore lint/suspicious/noControlCharactersInRegex: these are meant
const impossible = /[\u0000-\u0008\u000b\u000c\u000e-\u001f\ufffe\uffff]|\p{Surrogate}/gu;

/** Text as the content of an element. */
export function escapeText(text: string): string {
  return text
    .replace(impossible, "\ufffd")
    .replace(/[&<>\r]/g, (character) => escapes[character] ?? character);
}

function escapeAttribute(text: string): string {
  return text
    .replace(impossible, "\ufffd")
    .replace(/[&<>"\t\n\r]/g, (character) => escapes[character] ?? character);
}

const xmlNamespace = "http://www.w3.org/XML/1998/namespace";

/** An element of a client as it goes back to one, inside a document of ours. */
export function writeElement(element: XmlElement): string {
  // What every document of ours declares at its root, and that it has no default namespace.
  return write(
    element,
    new Prefixes([
      ["D", davNamespace],
      ["xml", xmlNamespace],
      ["", ""],
    ]),
  );
}

/** Prefixes that are declared at one place of a document, whatever they are called. */
class Prefixes {
  readonly #namespaces: Map<string, string>;
  /** What they meant before, latest last. */
  readonly #before: [prefix: string, namespace: string | undefined][] = [];

  constructor(namespaces: readonly (readonly [prefix: string, namespace: string])[]) {
    this.#namespaces = new Map(namespaces);
  }

  get declared(): number {
    return this.#before.length;
  }

  /** @returns the declaration that is needed for it, or "" */
  bind(prefix: string, namespace: string): string {
    const before = this.#namespaces.get(prefix);
    if (before === namespace) return "";
    this.#before.push([prefix, before]);
    this.#namespaces.set(prefix, namespace);
    return ` xmlns${prefix === "" ? "" : `:${prefix}`}="${escapeAttribute(namespace)}"`;
  }

  /** Behind an element what was declared in it means nothing any more. */
  backTo(declared: number): void {
    for (const [prefix, before] of this.#before.splice(declared).reverse()) {
      if (before === undefined) this.#namespaces.delete(prefix);
      else this.#namespaces.set(prefix, before);
    }
  }
}

function write(element: XmlElement, prefixes: Prefixes): string {
  const outside = prefixes.declared;
  let declared = prefixes.bind(element.prefix, element.namespace);
  let attributes = "";
  for (const { prefix, local, namespace, value } of element.attributes) {
    if (prefix !== "") declared += prefixes.bind(prefix, namespace);
    attributes += ` ${prefix === "" ? local : `${prefix}:${local}`}="${escapeAttribute(value)}"`;
  }
  const name = element.prefix === "" ? element.local : `${element.prefix}:${element.local}`;
  const content = element.children
    .map((child) => (typeof child === "string" ? escapeText(child) : write(child, prefixes)))
    .join("");
  prefixes.backTo(outside);
  const start = `<${name}${declared}${attributes}`;
  return content === "" ? `${start}/>` : `${start}>${content}</${name}>`;
}

/** What needs no declaration in a document of ours, which has no default namespace. */
const boundPrefixes: ReadonlyMap<string, string> = new Map([
  [davNamespace, "D:"],
  ["", ""],
  // No other prefix may be bound to it (Namespaces in XML §3).
  [xmlNamespace, "xml:"],
]);

/** An empty element, or one around `content`, which is XML already. */
export function writeNamed({ namespace, local }: XmlName, content: string): string {
  const bound = boundPrefixes.get(namespace);
  const name = `${bound ?? "x:"}${local}`;
  const start =
    bound === undefined ? `<${name} xmlns:x="${escapeAttribute(namespace)}"` : `<${name}`;
  return content === "" ? `${start}/>` : `${start}>${content}</${name}>`;
}

/** A whole document around the content of its root. */
export function writeDocument(root: string, content: string): string {
  return `<?xml version="1.0" encoding="utf-8"?>\n<D:${root} xmlns:D="DAV:">${content}</D:${root}>\n`;
}
