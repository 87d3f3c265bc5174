import { limits } from "../../base/limits.ts";
import type { Scope } from "../../base/scope.ts";
import type { ListedHeaders } from "../../cluster/vdis.ts";
import { Fresh } from "../fresh.ts";
import { escapeName, escapeTag, fittedName } from "../names.ts";
import type { EntryBase } from "./entry.ts";
import type { VdiHeader } from "./life.ts";

/** All that has one name. */
export interface Family {
  readonly name: Uint8Array;
  /** Null when only snapshots are left. */
  readonly working: VdiHeader | null;
  /** By the name under which they are listed, the oldest first. */
  readonly snapshots: ReadonlyMap<string, VdiHeader>;
}

export type Families = ReadonlyMap<string, Family>;

interface LastListing {
  readonly listed: ListedHeaders | null;
  /** When all of it was read. */
  readonly readMs: number;
}

const nothingListed: LastListing = { listed: null, readMs: 0 };

/**
 * The VDIs of a cluster by name, looked at once a second at most, and less often where that takes long. What is a snapshot stays as it is,
 * but for a tag that somebody changes, so of many only the working ones are read each time.
 */
export class FamilyList {
  readonly #fresh: Fresh<Families>;
  #last = nothingListed;

  constructor(
    list: (scope: Scope, known: ListedHeaders | null) => Promise<ListedHeaders>,
    { clock, patience }: Pick<EntryBase, "clock" | "patience">,
  ) {
    this.#fresh = new Fresh({
      what: "snapshot",
      restFactor: limits.listingRestFactor,
      make: async (scope) => {
        const last = this.#last;
        const startedMs = clock.nowMs();
        const isRecent = startedMs - last.readMs < limits.snapshotHeadersMs;
        const listed = await list(scope, isRecent ? last.listed : null);
        const readMs = isRecent && last.listed !== null ? last.readMs : startedMs;
        // What was begun before something was forgotten is not to be remembered.
        if (this.#last === last) this.#last = { listed, readMs };
        return familiesOf(listed.headers);
      },
      ...{ clock, patience },
    });
  }

  get(scope: Scope): Promise<Families> {
    return this.#fresh.get(scope);
  }

  /** It may be another cluster. */
  forget(): void {
    this.#last = { ...nothingListed };
    this.invalidate();
  }

  /** A snapshot has another tag. */
  forgetOne(vid: number): void {
    const { listed, readMs } = this.#last;
    const headers = listed?.headers.filter((header) => header.vid !== vid) ?? [];
    this.#last = { listed: listed === null ? null : { ...listed, headers }, readMs };
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
    const working = members.find(({ isSnapshot }) => !isSnapshot) ?? null;
    families.set(title, { name: first.name, working, snapshots: titled(snapshots) });
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
