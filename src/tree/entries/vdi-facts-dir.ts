import { SheepfsError } from "../../base/errors.ts";
import type { Scope } from "../../base/scope.ts";
import { sizeBytesOf } from "../../base/size.ts";
import type { VdiFacts } from "../../cluster/vdis.ts";
import type { AttachedVolumes } from "../../volume/attach.ts";
import { Fresh } from "../fresh.ts";
import { escapeName } from "../names.ts";
import type { Attr, DirEntry, DirNode, FileNode, NodeId } from "../node.ts";
import { SettingNode } from "../setting.ts";
import { TextNode } from "../text.ts";
import { growWorking } from "./attaching.ts";
import type { EntryBase } from "./entry.ts";
import type { Families, Family, FamilyList } from "./families.ts";
import type { VdiHeader, VdiLife } from "./life.ts";
import { dirAttr } from "./snapshot.ts";
import { listedJson, policyText, vdiJson } from "./vdi-json.ts";

export interface VdiFactsOptions extends EntryBase {
  readonly families: FamilyList;
  readonly volumes: AttachedVolumes;
  readonly life: VdiLife;
  readonly facts: { vdi(vid: number, scope: Scope): Promise<VdiFacts | null> };
}

/** Which VDI, and where it is in the tree. */
interface Which {
  readonly path: string;
  /** Its name among the families. */
  readonly family: string;
  readonly name: Uint8Array;
}

/** What the headers alone tell. */
interface Known {
  readonly header: VdiHeader;
  readonly family: Family;
  readonly families: Families;
}

type Fact =
  | { readonly from: "header"; readonly text: (known: Known) => string }
  /** A look at the whole index. */
  | { readonly from: "index"; readonly text: (facts: VdiFacts) => string };

/** Files by name. Each has one line, or nothing where there is nothing to tell. */
const factFiles: Readonly<Record<string, Fact>> = {
  copies: { from: "header", text: ({ header }) => line(header.copies) },
  copy_policy: { from: "header", text: ({ header }) => line(policyText(header)) },
  created: { from: "header", text: ({ header }) => line(vdiJson(header).createdAt) },
  info: { from: "index", text: (facts) => line(JSON.stringify(listedJson(facts), null, 2)) },
  object_size: { from: "header", text: ({ header }) => line(vdiJson(header).objectBytes) },
  parent: { from: "header", text: (known) => line(parentOf(known)) },
  shared: { from: "index", text: (facts) => line(listedJson(facts).sharedBytes) },
  size: { from: "header", text: ({ header }) => line(header.vdiSize) },
  snapshots: { from: "header", text: ({ family }) => line(family.snapshots.size) },
  tag: { from: "header", text: ({ header }) => line(escapeName(header.tag)) },
  used: { from: "index", text: (facts) => line(listedJson(facts).usedBytes) },
  vid: { from: "header", text: ({ header }) => line(vdiJson(header).vid) },
};

const factNames = Object.keys(factFiles);

/** vdi/VDI/: what is known of a working VDI, one fact a file; its size can be written. */
export class VdiFactsDir implements DirNode {
  readonly kind = "dir";
  readonly id: NodeId;
  readonly #which: Which;
  readonly #options: VdiFactsOptions;
  /** The first of as many as there are facts: with ten thousand directories only numbers are kept. */
  readonly #firstId: NodeId;
  #counted: Fresh<VdiFacts> | null = null;

  constructor(which: Which, options: VdiFactsOptions) {
    const { ids } = options;
    this.id = ids.next();
    this.#which = which;
    this.#options = options;
    const [first = 0] = factNames.map(() => ids.next());
    this.#firstId = first;
  }

  attr(): Attr {
    return dirAttr(this.#options.bornMs);
  }

  /** A file keeps nothing, so one that was made before is the same. */
  lookup(name: string): FileNode | null {
    const at = factNames.indexOf(name);
    const fact = factFiles[name];
    if (at < 0 || fact === undefined) return null;
    const text = {
      ...this.#options,
      ...{ id: this.#firstId + at, path: `${this.#which.path}/${name}` },
      // What it is made of is kept for its time already.
      freshMs: 0,
      render: async (scope: Scope): Promise<string> =>
        fact.from === "header"
          ? fact.text(await this.#known(scope))
          : fact.text(await this.#facts(scope)),
    };
    if (name !== "size") return new TextNode(text);
    return new SettingNode({ ...text, act: (written, scope) => this.#grow(written, scope) });
  }

  async *list(): AsyncGenerator<DirEntry> {
    for (const [at, name] of factNames.entries()) {
      yield { name, id: this.#firstId + at, kind: "file" };
    }
  }

  changed(): void {
    this.#counted?.invalidate();
  }

  #facts(scope: Scope): Promise<VdiFacts> {
    const { clock, patience } = this.#options;
    this.#counted ??= new Fresh({
      what: this.#which.path,
      make: async (within) => this.#count(within),
      ...{ clock, patience },
    });
    return this.#counted.get(scope);
  }

  async #grow(written: Uint8Array, scope: Scope): Promise<string> {
    const text = new TextDecoder().decode(written);
    const bytes = sizeBytesOf(text);
    if (bytes === null) {
      const advice = "write bytes or a number with K, M, G, T or P, like 10G";
      throw new SheepfsError("invalid", `'${text}' is no size; ${advice}`);
    }
    await growWorking(this.#options, this.#which.name, bytes, scope);
    return `size: ${bytes}`;
  }

  /** @throws stale when there is no such VDI any more */
  async #known(scope: Scope): Promise<Known> {
    const families = await this.#options.families.get(scope);
    const family = families.get(this.#which.family);
    const header = family?.working ?? null;
    if (family === undefined || header === null) throw this.#gone();
    return { header, family, families };
  }

  async #count(scope: Scope): Promise<VdiFacts> {
    const { header } = await this.#known(scope);
    const facts = await this.#options.facts.vdi(header.vid, scope);
    if (facts === null) throw this.#gone();
    return facts;
  }

  #gone(): SheepfsError {
    return new SheepfsError("stale", `${this.#which.path}: the VDI was deleted`);
  }
}

function line(value: string | number): string {
  return value === "" ? "" : `${value}\n`;
}

/** What it was made from, as commands take it; nothing when that is gone. */
function parentOf({ header, family, families }: Known): string {
  if (header.parentVid === 0) return "";
  // It is nearly always one of its own snapshots.
  for (const [name, { snapshots }] of [[escapeName(family.name), family] as const, ...families]) {
    for (const [title, { vid }] of snapshots) {
      if (vid === header.parentVid) return `${name}@${title}`;
    }
  }
  return "";
}
