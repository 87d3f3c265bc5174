import { vdiTree } from "../../src/app/verbs/family.ts";
import { listAllVdis } from "../../src/app/verbs/vdis.ts";
import { attach, detach } from "../conformance/driver.ts";
import { cellsOf, type Inode } from "./model.ts";
import { type Player, pathOf, type Readable } from "./player.ts";
import { readsBack } from "./steps-io.ts";
import { objectKey, type World } from "./world.ts";

const settleMs = 20_000;

/** Holds all that can be seen of the cluster against the model. */
export class Check {
  readonly #world: World;
  readonly #player: Player;
  /** What was there before, which is others'. */
  readonly #before: ReadonlySet<string>;

  private constructor(world: World, player: Player, before: ReadonlySet<string>) {
    this.#world = world;
    this.#player = player;
    this.#before = before;
  }

  static async begin(world: World, player: Player): Promise<Check> {
    return new Check(world, player, new Set((await world.objects()).keys()));
  }

  /** @throws Error naming the first thing that is not as it has to be */
  async everything(): Promise<void> {
    await this.#lists();
    await this.#tree();
    await this.#names();
    await this.#contents();
    await this.#objects();
  }

  /** `sheepfs vdi list` */
  async #lists(): Promise<void> {
    const { vdis } = await listAllVdis(this.#world.gateways);
    const ours = vdis.filter(({ name }) => name.startsWith(this.#player.prefix));
    const seen = ours.map((vdi) => {
      const { name, vid, snapshot, snapshotId, sizeBytes, parentVid, usedBytes } = vdi;
      const tag = snapshot ? vdi.tag : "";
      const blocks = [usedBytes, vdi.sharedBytes].map((bytes) => bytes / vdi.objectBytes);
      const kind = [vdi.objectBytes, vdi.copies, vdi.copyPolicy];
      return [name, tag, vid, snapshot, snapshotId, sizeBytes, parentVid, blocks, kind].join(" ");
    });
    const wanted = this.#player.model.live.map((inode) => {
      const { name, tag, isSnapshot, snapId, sizeBytes, parent, slots, kind } = inode;
      const own = [...slots.values()].filter((owner) => owner === inode).length;
      return [
        ...[name, tag, hex(inode), isSnapshot, snapId, sizeBytes],
        ...[parent === null ? "" : hex(parent), [own, slots.size - own]],
        [kind.objectBytes, kind.copies, kind.copyPolicy],
      ].join(" ");
    });
    same("vdi list", seen, wanted);
  }

  /** `sheepfs vdi tree` */
  async #tree(): Promise<void> {
    const { vdis } = await vdiTree(this.#world.gateways);
    const ours = vdis.filter(({ name }) => name.startsWith(this.#player.prefix));
    const seen = ours.map(({ vid, depth }) => `${vid} ${depth}`).sort();
    const wanted = this.#player.model.live.map((inode) => `${hex(inode)} ${depthOf(inode)}`);
    same("vdi tree", seen, wanted.sort());
  }

  /** volume/ and snapshot/ */
  async #names(): Promise<void> {
    const { subject } = this.#world;
    const { prefix, attached, model } = this.#player;
    const ours = (names: readonly string[]) => names.filter((name) => name.startsWith(prefix));
    same("volume/", ours(await subject.list("volume")), [...attached.keys()].sort());
    const families = [...model.families.values()].sort((a, b) => (a.name < b.name ? -1 : 1));
    const names = families.map(({ name }) => name);
    same("snapshot/", ours(await subject.list("snapshot")), names);
    for (const { name, snapshots } of families) {
      const tags = snapshots.map(({ tag }) => tag).sort();
      same(`snapshot/${name}`, await subject.list(`snapshot/${name}`), tags);
    }
  }

  async #contents(): Promise<void> {
    const { subject } = this.#world;
    const { model, attached, snapshots, volumes } = this.#player;
    for (const snapshot of snapshots) await this.#content({ snapshot, title: null });
    for (const what of attached.values()) if (what.title !== null) await this.#content(what);
    for (const name of volumes) {
      if (attached.has(name)) continue;
      await attach(subject, name);
      await this.#content({ volume: name, title: name });
      await detach(subject, name);
    }
    for (const { cells, slots, name } of model.live) {
      if (cells.size > 0 && slots.size === 0) throw new Error(`the model of '${name}' is wrong`);
    }
  }

  async #content(what: Readable): Promise<void> {
    const { subject } = this.#world;
    const inode = this.#player.inodeOf(what);
    const path = pathOf(what);
    const { sizeBytes, allocatedBytes } = await subject.stat(path);
    const allocated = inode.slots.size * inode.kind.objectBytes;
    same(`stat ${path}`, [sizeBytes, allocatedBytes], [inode.sizeBytes, allocated]);
    await using file = await subject.open(path, "read");
    await readsBack(file, inode, { from: 0, end: cellsOf(inode) });
  }

  /** Nothing is missing and nothing is left: what a sheep removes late has some time. */
  async #objects(): Promise<void> {
    const untilMs = performance.now() + settleMs;
    for (;;) {
      const wrong = await this.#wrongObjects();
      if (wrong.length === 0) return;
      if (performance.now() > untilMs) {
        throw new Error(`${wrong.length} objects: ${wrong.slice(0, 8).join(", ")}`);
      }
      await Bun.sleep(100);
    }
  }

  async #wrongObjects(): Promise<string[]> {
    const wanted = this.#wantedObjects();
    const wrong: string[] = [];
    const nodes = this.#world.nodes;
    let attributes = 0;
    for (const [key, { oid, copies }] of await this.#world.objects()) {
      if (this.#before.has(key)) continue;
      if (oid.kind === "attr") {
        attributes += 1;
        continue;
      }
      const expected = wanted.get(key);
      wanted.delete(key);
      if (expected === undefined) wrong.push(`${key} is left`);
      else if (copies !== Math.min(expected, nodes)) wrong.push(`${key} has ${copies} copies`);
    }
    wrong.push(...[...wanted.keys()].map((key) => `${key} is missing`));
    const attached = this.#player.attachedVolumes.length;
    if (attributes !== attached) wrong.push(`${attributes} attach records of ${attached}`);
    return wrong;
  }

  #wantedObjects(): Map<string, number> {
    const wanted = new Map<string, number>();
    for (const inode of this.#player.model.inodes) {
      const { vid, kind, objects, ledgers } = inode;
      // What is written to keep account of them is a matter of the sheep: as many as of its inode.
      const inodeCopies = this.#world.inodeCopies(kind);
      wanted.set(objectKey({ kind: "inode", vid, index: 0 }), inodeCopies);
      for (const index of objects) {
        wanted.set(objectKey({ kind: "data", vid, index }), kind.copies);
      }
      for (const index of ledgers.keys()) {
        wanted.set(objectKey({ kind: "ledger", vid, index }), inodeCopies);
      }
    }
    return wanted;
  }
}

function hex({ vid }: Inode): string {
  return vid.toString(16).padStart(6, "0");
}

function depthOf({ parent }: Inode): number {
  return parent === null || parent.isDeleted ? 0 : depthOf(parent) + 1;
}

function same(what: string, seen: readonly unknown[], wanted: readonly unknown[]): void {
  const [is, was] = [seen, wanted].map((list) => list.map(String));
  if (is === undefined || was === undefined) return;
  for (let at = 0; at < Math.max(is.length, was.length); at += 1) {
    if (is[at] === was[at]) continue;
    throw new Error(`${what}: '${is[at]}' where '${was[at]}' was expected`);
  }
}
