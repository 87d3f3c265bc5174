import type { Scope } from "../../base/scope.ts";
import { escapeFirst } from "../names.ts";
import type { Attr, DirEntry, DirNode, Node, NodeId } from "../node.ts";
import type { Families, FamilyList } from "./families.ts";
import { dirAttr } from "./snapshot.ts";
import { VdiFactsDir, type VdiFactsOptions } from "./vdi-facts-dir.ts";

export interface VdiDirOptions extends VdiFactsOptions {
  readonly families: FamilyList;
  /** Files that are about no VDI or any, by name. */
  readonly controls: Readonly<Record<string, Node>>;
}

/**
 * vdi/: what there is for all VDIs, and a directory for each working one. A VDI that is called like
 * one of our own files is listed with its first character escaped, as it can be written everywhere.
 */
export class VdiDir implements DirNode {
  readonly kind = "dir";
  readonly id: NodeId;
  readonly #options: VdiDirOptions;
  readonly #controls: ReadonlyMap<string, Node>;
  /** By the name of the family. */
  readonly #dirs = new Map<string, VdiFactsDir>();
  #seen: Families | null = null;

  constructor(options: VdiDirOptions) {
    this.id = options.ids.next();
    this.#options = options;
    this.#controls = new Map(Object.entries(options.controls));
  }

  attr(): Attr {
    return dirAttr(this.#options.bornMs);
  }

  /** What its own files are asked for needs no cluster. */
  async lookup(title: string, scope: Scope): Promise<Node | null> {
    const control = this.#controls.get(title);
    if (control !== undefined) return control;
    const families = await this.#families(scope);
    const taken = [...this.#controls.keys()].find((name) => escapeFirst(name) === title);
    const name = taken ?? title;
    const working = families.get(name)?.working ?? null;
    return working === null ? null : this.#dir(name, working.name);
  }

  async *list(scope: Scope): AsyncGenerator<DirEntry> {
    for (const [name, { id, kind }] of this.#controls) yield { name, id, kind };
    for (const [name, { working }] of await this.#families(scope)) {
      if (working === null) continue;
      yield { name: this.#titleOf(name), id: this.#dir(name, working.name).id, kind: "dir" };
    }
  }

  /** What VDIs use has changed. */
  changed(): void {
    for (const dir of this.#dirs.values()) dir.changed();
  }

  #titleOf(name: string): string {
    return this.#controls.has(name) ? escapeFirst(name) : name;
  }

  #dir(name: string, bytes: Uint8Array): VdiFactsDir {
    const known = this.#dirs.get(name);
    if (known !== undefined) return known;
    const path = `vdi/${this.#titleOf(name)}`;
    const dir = new VdiFactsDir({ path, family: name, name: bytes }, this.#options);
    this.#dirs.set(name, dir);
    return dir;
  }

  /** What is gone from the cluster is forgotten. */
  async #families(scope: Scope): Promise<Families> {
    const families = await this.#options.families.get(scope);
    if (families === this.#seen) return families;
    this.#seen = families;
    for (const name of this.#dirs.keys()) {
      if ((families.get(name)?.working ?? null) === null) this.#dirs.delete(name);
    }
    return families;
  }
}
