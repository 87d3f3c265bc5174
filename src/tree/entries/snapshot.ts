import { SheepfsError } from "../../base/errors.ts";
import { limits } from "../../base/limits.ts";
import { deadlineScope, type Scope } from "../../base/scope.ts";
import type { AttachedVolumes } from "../../volume/attach.ts";
import { TreeDir } from "../dir.ts";
import { escapeName, escapeTag, fittedName, newNameBytes } from "../names.ts";
import type { Attr, DirEntry, DirNode, Node, NodeId } from "../node.ts";
import type { EntryBase } from "./entry.ts";
import type { Families, Family, FamilyList } from "./families.ts";
import type { VdiHeader, VdiLife } from "./life.ts";
import { SnapshotFile } from "./snapshot-file.ts";

export interface SnapshotDirOptions extends EntryBase {
  readonly families: FamilyList;
  readonly volumes: AttachedVolumes;
  readonly life: VdiLife;
}

/** Everything that is the same for all directories here. */
interface Shared extends SnapshotDirOptions {
  readonly files: Map<number, SnapshotFile>;
}

/** snapshot/: a directory for each VDI, and in it a file for each of its snapshots. */
export class SnapshotDir implements DirNode {
  readonly kind = "dir";
  readonly id: NodeId;
  readonly #shared: Shared;
  readonly #dirs = new Map<string, VdiSnapshots>();
  #seen: Families | null = null;

  constructor(options: SnapshotDirOptions) {
    this.id = options.ids.next();
    this.#shared = { ...options, files: new Map() };
  }

  attr(): Attr {
    return dirAttr(this.#shared.bornMs);
  }

  async lookup(name: string, scope: Scope): Promise<Node | null> {
    const family = (await this.#families(scope)).get(name);
    return family === undefined ? null : this.#dir(name, family);
  }

  async *list(scope: Scope): AsyncGenerator<DirEntry> {
    for (const [name, family] of await this.#families(scope)) {
      yield { name, id: this.#dir(name, family).id, kind: "dir" };
    }
  }

  /** To be called when a snapshot may have been made in another way than in its directory. */
  made(name: Uint8Array, tag: Uint8Array): void {
    this.#dirs.get(fittedName(escapeName(name)))?.changed(fittedName(escapeTag(tag)));
  }

  #dir(name: string, family: Family): VdiSnapshots {
    const known = this.#dirs.get(name);
    if (known !== undefined) return known;
    const dir = new VdiSnapshots(name, family.name, this.#shared);
    this.#dirs.set(name, dir);
    return dir;
  }

  /** What is gone from the cluster is forgotten. */
  async #families(scope: Scope): Promise<Families> {
    const families = await this.#shared.families.get(scope);
    if (families === this.#seen) return families;
    this.#seen = families;
    for (const name of this.#dirs.keys()) if (!families.has(name)) this.#dirs.delete(name);
    const vids = new Set<number>();
    for (const { snapshots } of families.values()) {
      for (const { vid } of snapshots.values()) vids.add(vid);
    }
    for (const vid of this.#shared.files.keys()) {
      if (!vids.has(vid)) this.#shared.files.delete(vid);
    }
    return families;
  }
}

/** snapshot/VDI/: making a directory in it makes a snapshot, removing a file deletes one. */
class VdiSnapshots implements DirNode {
  readonly kind = "dir";
  readonly removalIsFinal = true;
  readonly id: NodeId;
  readonly #title: string;
  readonly #name: Uint8Array;
  readonly #shared: Shared;

  constructor(title: string, name: Uint8Array, shared: Shared) {
    this.id = shared.ids.next();
    this.#title = title;
    this.#name = name;
    this.#shared = shared;
  }

  attr(): Attr {
    return dirAttr(this.#shared.bornMs);
  }

  async lookup(title: string, scope: Scope): Promise<Node | null> {
    const header = (await this.#snapshots(scope)).get(title);
    return header === undefined ? null : this.#file(header);
  }

  async *list(scope: Scope): AsyncGenerator<DirEntry> {
    for (const [name, header] of await this.#snapshots(scope)) {
      yield { name, id: this.#file(header).id, kind: "file" };
    }
  }

  /** @returns what the caller asked for, which is a file as soon as it is looked up */
  async makeDir(title: string, scope: Scope): Promise<DirNode> {
    const { life, ids, clock } = this.#shared;
    const tag = newNameBytes(title, escapeTag);
    try {
      await life.snapshot([this.#name], tag, scope);
    } finally {
      this.changed(title);
    }
    return new TreeDir(ids.next(), clock.wallMs(), {});
  }

  async remove(title: string, scope: Scope): Promise<void> {
    const header = await this.#headerOf(title, scope);
    await this.#refuseAttached(header, scope);
    const { life, clock, families } = this.#shared;
    try {
      // Half a deletion is the worst there is: once begun, nobody interrupts it.
      const own = deadlineScope(clock, limits.operationTimeoutMs);
      await this.#file(header).remove(() => life.delete(tagged(header), own));
    } finally {
      families.forgetOne(header.vid);
      this.changed(title);
    }
  }

  /** Another tag: nothing else of a snapshot can change, so it stays where it is. */
  async move(title: string, into: DirNode, toTitle: string, scope: Scope): Promise<void> {
    const header = await this.#headerOf(title, scope);
    if (into !== this) {
      const text = "a snapshot cannot move to another VDI; only its tag can be changed";
      throw new SheepfsError("not_supported", text);
    }
    if ((await this.#snapshots(scope)).has(toTitle)) {
      throw new SheepfsError("exists", `snapshot/${this.#title}/${toTitle} exists`);
    }
    const tag = newNameBytes(toTitle, escapeTag);
    // It is attached by its name, and would be looked for under that.
    await this.#refuseAttached(header, scope);
    const { life, families } = this.#shared;
    try {
      await life.retag(tagged(header), tag, scope);
    } finally {
      families.forgetOne(header.vid);
      this.changed(title);
      this.changed(toTitle);
    }
  }

  /** @throws busy when it is read as a volume, or by one that has not moved on from it */
  async #refuseAttached({ vid }: VdiHeader, scope: Scope): Promise<void> {
    const { volumes } = this.#shared;
    for (const attached of volumes.list()) {
      const { title, name, volume } = attached;
      if (volume.header.vid !== vid) continue;
      if (name.snapshot === null) await volumes.refresh(attached, scope);
      if (volume.header.vid !== vid) continue;
      const advice = `detach it: echo '${title}' > vdi/unmount`;
      throw new SheepfsError("busy", `the snapshot is in use as volume/${title}; ${advice}`);
    }
  }

  #file(header: VdiHeader): SnapshotFile {
    const known = this.#shared.files.get(header.vid);
    if (known?.is(header) === true) return known;
    const title = `snapshot of '${this.#title}' (id ${header.snapId})`;
    const file = new SnapshotFile({ header, name: named(header), title }, this.#shared);
    this.#shared.files.set(header.vid, file);
    return file;
  }

  async #headerOf(title: string, scope: Scope): Promise<VdiHeader> {
    const header = (await this.#snapshots(scope)).get(title);
    if (header !== undefined) return header;
    throw new SheepfsError("not_found", `there is no snapshot '${title}' of '${this.#title}'`);
  }

  async #snapshots(scope: Scope): Promise<ReadonlyMap<string, VdiHeader>> {
    const family = (await this.#shared.families.get(scope)).get(this.#title);
    return family?.snapshots ?? new Map<string, VdiHeader>();
  }

  changed(name: string): void {
    const { events, ids } = this.#shared;
    events.emit({ id: this.id, what: "children", child: { name, id: ids.next() } });
  }
}

function named({ name, snapId, vid }: VdiHeader) {
  return { name, snapshot: { id: snapId }, vid };
}

/** For what cannot be undone: tags that others change are known late. */
function tagged(header: VdiHeader) {
  return { ...named(header), tag: header.tag };
}

/** Of a directory whose times nothing tells. */
export function dirAttr(atMs: number): Attr {
  const times = { mtimeMs: atMs, ctimeMs: atMs, birthtimeMs: atMs };
  return { kind: "dir", sizeBytes: 0, allocatedBytes: 0, mode: 0o755, ...times };
}
