import { SheepfsError } from "../../base/errors.ts";
import { limits } from "../../base/limits.ts";
import { pathKey } from "../paths.ts";
import { nameKey, type XmlElement, type XmlName } from "../xml/element.ts";
import { writeElement } from "../xml/write.ts";

/** One property that a client has set and that means nothing to us. */
export interface DeadProperty {
  readonly name: XmlName;
  /** The whole element, to be put into a document of ours. */
  readonly xml: string;
}

/** One instruction of a PROPPATCH, in the order in which they are carried out (RFC 4918 §9.2). */
export type PropertyChange =
  | { readonly what: "set"; readonly element: XmlElement }
  | { readonly what: "remove"; readonly name: XmlName };

type Properties = ReadonlyMap<string, DeadProperty>;

const none: Properties = new Map();

/** What clients have noted about nodes: in memory while the server runs, and bounded. */
export class DeadProperties {
  readonly #byPath = new Map<string, Properties>();
  #bytes = 0;

  of(path: readonly string[]): Iterable<DeadProperty> {
    return this.#at(path).values();
  }

  get(path: readonly string[], name: XmlName): DeadProperty | null {
    return this.#at(path).get(nameKey(name)) ?? null;
  }

  /**
   * Carries out all changes or none.
   * @throws no_space when there would be too many, or too much in them
   */
  change(path: readonly string[], changes: readonly PropertyChange[]): void {
    const properties = new Map(this.#at(path));
    for (const change of changes) {
      if (change.what === "remove") properties.delete(nameKey(change.name));
      else {
        const { namespace, local } = change.element;
        const property = { name: { namespace, local }, xml: writeElement(change.element) };
        properties.set(nameKey(property.name), property);
      }
    }
    const key = pathKey(path);
    this.#checkRoom(sizeOf(key, properties) - sizeOf(key, this.#at(path)));
    this.#put(path, properties);
  }

  /**
   * What is noted about a tree of nodes is noted about its copy too, instead of what was there.
   * @throws no_space
   */
  copy({ source, target, deep }: PropertyCopy): void {
    const originals = deep ? this.#below(source) : [[source, this.#at(source)] as const];
    const copies = originals.map(
      ([path, properties]) => [[...target, ...path.slice(source.length)], properties] as const,
    );
    this.#checkRoom(copies.reduce((sum, [path, one]) => sum + sizeOf(pathKey(path), one), 0));
    this.removeBelow(target);
    for (const [path, properties] of copies) this.#put(path, properties);
  }

  /** The same, and nothing is left about the original. */
  move({
    source,
    target,
  }: {
    readonly source: readonly string[];
    readonly target: readonly string[];
  }): void {
    this.removeBelow(target);
    const moved = this.#below(source);
    this.removeBelow(source);
    for (const [path, properties] of moved) {
      this.#put([...target, ...path.slice(source.length)], properties);
    }
  }

  removeBelow(path: readonly string[]): void {
    for (const [at] of this.#below(path)) this.#put(at, none);
  }

  #at(path: readonly string[]): Properties {
    return this.#byPath.get(pathKey(path)) ?? none;
  }

  /** Of the node and everything below it. */
  #below(path: readonly string[]): [string[], Properties][] {
    const key = pathKey(path);
    const inside = key === "" ? "" : `${key}/`;
    return [...this.#byPath]
      .filter(([at]) => at === key || at.startsWith(inside))
      .map(([at, properties]) => [at === "" ? [] : at.split("/"), properties]);
  }

  #checkRoom(moreBytes: number): void {
    if (moreBytes <= 0 || this.#bytes + moreBytes <= limits.davPropertiesBytesMax) return;
    throw new SheepfsError("no_space", "there is no room for more properties");
  }

  #put(path: readonly string[], properties: Properties): void {
    const key = pathKey(path);
    this.#bytes += sizeOf(key, properties) - sizeOf(key, this.#at(path));
    if (properties.size === 0) this.#byPath.delete(key);
    else this.#byPath.set(key, properties);
  }
}

export interface PropertyCopy {
  readonly source: readonly string[];
  readonly target: readonly string[];
  readonly deep: boolean;
}

/** Memory that they take, by estimate: two bytes a character, and something for each. */
function sizeOf(key: string, properties: Properties): number {
  if (properties.size === 0) return 0;
  let bytes = 2 * key.length + propertyOverheadBytes;
  for (const [name, { xml }] of properties) {
    bytes += 2 * (2 * name.length + xml.length) + propertyOverheadBytes;
  }
  return bytes;
}

const propertyOverheadBytes = 200;
