/** A name in a namespace; "" is no namespace. */
export interface XmlName {
  readonly namespace: string;
  readonly local: string;
}

export interface XmlAttribute extends XmlName {
  /** As it was written; "" for none. */
  readonly prefix: string;
  readonly value: string;
}

/** An element with what is in it; comments and processing instructions are not kept. */
export interface XmlElement extends XmlName {
  readonly prefix: string;
  readonly attributes: readonly XmlAttribute[];
  readonly children: readonly (XmlElement | string)[];
}

export const davNamespace = "DAV:";

/** One text for a name, by which it can be found. */
export function nameKey({ namespace, local }: XmlName): string {
  return `{${namespace}}${local}`;
}

/** The elements among its children. */
export function elementsOf(element: XmlElement): XmlElement[] {
  return element.children.filter((child) => typeof child !== "string");
}

/** Whether it is that element of `DAV:`. */
export function isDav(element: XmlName, local: string): boolean {
  return element.namespace === davNamespace && element.local === local;
}

/** The first child of that name in `DAV:`. */
export function davChild(element: XmlElement, local: string): XmlElement | null {
  return elementsOf(element).find((child) => isDav(child, local)) ?? null;
}
