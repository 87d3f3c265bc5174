import type { Scope } from "../../base/scope.ts";
import { Fresh } from "../fresh.ts";
import { escapeName, escapeTag, fittedName } from "../names.ts";
import type { EntryBase } from "./entry.ts";
import type { VdiHeader } from "./life.ts";

/** All snapshots of one name, and whether there is a working VDI of it. */
export interface Family {
  readonly name: Uint8Array;
  /** By the name under which they are listed, the oldest first. */
  readonly snapshots: ReadonlyMap<string, VdiHeader>;
}

export type Families = ReadonlyMap<string, Family>;

/**
 * The VDIs of a cluster by name, looked at once a second at most. What is a snapshot stays as it is,
 * so of many only the working ones are read again.
 */
export class FamilyList {
  readonly #fresh: Fresh<Families>;
  #known = new Map<number, VdiHeader>();

  constructor(
    list: (scope: Scope, known: ReadonlyMap<number, VdiHeader>) => Promise<readonly VdiHeader[]>,
    { clock, patience }: Pick<EntryBase, "clock" | "patience">,
  ) {
    this.#fresh = new Fresh({
      what: "snapshot",
      make: async (scope) => {
        const known = this.#known;
        const headers = await list(scope, known);
        const next = new Map(headers.map((header) => [header.vid, header]));
        if (this.#known === known) this.#known = next;
        return familiesOf(headers);
      },
      clock,
      patience,
    });
  }

  get(scope: Scope): Promise<Families> {
    return this.#fresh.get(scope);
  }

  /** It may be another cluster. */
  forget(): void {
    this.#known = new Map();
    this.invalidate();
  }

  /** Something was made or deleted. */
  invalidate(): void {
    this.#fresh.invalidate();
  }
}

/** @param headers by ascending vid */
export function familiesOf(headers: readonly VdiHeader[]): Families {
  const groups = Map.groupBy(headers, ({ name }) => fittedName(escapeName(name)));
  const families = new Map<string, Family>();
  for (const [title, members] of groups) {
    const [first] = members;
    if (first === undefined) continue;
    const snapshots = members.filter(({ isSnapshot }) => isSnapshot);
    snapshots.sort((a, b) => a.snapId - b.snapId);
    families.set(title, { name: first.name, snapshots: titled(snapshots) });
  }
  return families;
}

/** A tag names a snapshot unless there is none, an older one has it, or it reads as an id. */
function titled(snapshots: readonly VdiHeader[]): ReadonlyMap<string, VdiHeader> {
  const titles = new Map<string, VdiHeader>();
  for (const header of snapshots) {
    const tag = fittedName(escapeTag(header.tag));
    const usable = tag !== "" && !/^[0-9]+$/.test(tag) && !titles.has(tag);
    titles.set(usable ? tag : String(header.snapId), header);
  }
  return titles;
}
