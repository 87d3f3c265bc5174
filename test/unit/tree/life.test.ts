import { describe, expect, test } from "bun:test";
import { SheepfsError } from "../../../src/base/errors.ts";
import { limits } from "../../../src/base/limits.ts";
import { silentLogger } from "../../../src/base/log.ts";
import type { Scope } from "../../../src/base/scope.ts";
import { FamilyList } from "../../../src/tree/entries/families.ts";
import type { VdiLife } from "../../../src/tree/entries/life.ts";
import { SnapshotDir } from "../../../src/tree/entries/snapshot.ts";
import { VolumeDir } from "../../../src/tree/entries/volume-dir.ts";
import { EventHub, NodeIds } from "../../../src/tree/events.ts";
import type { DirNode, FileNode, OpenMode, TreeEvent } from "../../../src/tree/node.ts";
import { Patience } from "../../../src/tree/patience.ts";
import { AttachedVolumes } from "../../../src/volume/attach.ts";
import { SliceCache } from "../../../src/volume/slice-cache.ts";
import { encodeInodeHeader, type InodeHeader } from "../../../src/wire/inode.ts";
import { ManualClock, turns } from "./manual-clock.ts";
import { MemoryCluster } from "./memory-cluster.ts";

const MiB = 1 << 20;
const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);
const plain = (name: Uint8Array): string => new TextDecoder().decode(name);

/** volume/ and snapshot/ over a cluster in memory. */
class Life {
  readonly clock = new ManualClock();
  readonly cluster = new MemoryCluster();
  readonly volumes: AttachedVolumes;
  readonly volume: VolumeDir;
  readonly snapshot: SnapshotDir;
  readonly families: FamilyList;
  /** What making and deleting waits for. */
  gate: Promise<void> = Promise.resolve();
  deletedWith: Scope | null = null;
  readonly heard: TreeEvent[] = [];

  constructor() {
    const { clock, cluster } = this;
    const log = silentLogger;
    const ports = { store: cluster, resolver: cluster, clock, log, cache: new SliceCache() };
    this.volumes = new AttachedVolumes({ ports, holds: cluster, readOnly: false });
    const { volumes } = this;
    const events = new EventHub();
    events.on((event) => this.heard.push(event));
    const patience = new Patience();
    const base = { ids: new NodeIds(), clock, log, events, patience, bornMs: 0 };
    const list = async () => ({ headers: this.#headers(), vidsSince: null });
    this.families = new FamilyList(list, base);
    const life = this.#life();
    const { families } = this;
    const pageCache = { on: false };
    this.volume = new VolumeDir({ ...base, volumes, life, pageCache, written: () => {} });
    this.snapshot = new SnapshotDir({ ...base, families, volumes, life });
  }

  scope(): Scope {
    return this.clock.scope();
  }

  async made(name: string): Promise<FileNode> {
    const node = this.volume.makeFile(name);
    await node.setSize?.(8 * MiB, this.scope());
    return node;
  }

  async snapshots(vdi: string): Promise<DirNode> {
    const dir = await this.snapshot.lookup(vdi, this.scope());
    if (dir?.kind !== "dir") throw new Error(`no snapshot/${vdi}`);
    return dir;
  }

  async snapshotFile(vdi: string, tag: string): Promise<FileNode> {
    const node = await (await this.snapshots(vdi)).lookup(tag, this.scope());
    if (node?.kind !== "file") throw new Error(`no snapshot/${vdi}/${tag}`);
    return node;
  }

  async attach(name: string, tag: string | null = null): Promise<void> {
    const snapshot = tag === null ? null : { tag: bytes(tag) };
    const title = tag === null ? name : `${name}@${tag}`;
    await this.volumes.attach({ name: { name: bytes(name), snapshot }, title }, this.scope());
  }

  /** An attached VDI with a snapshot. */
  async withSnapshot(): Promise<FileNode> {
    await this.made("web");
    await (await this.snapshots("web")).makeDir?.("monday", this.scope());
    return await this.snapshotFile("web", "monday");
  }

  #headers(): InodeHeader[] {
    return this.cluster.headers().filter(({ name }) => name.length > 0);
  }

  #life(): VdiLife {
    const { cluster } = this;
    const changed = async (work: () => void): Promise<void> => {
      await this.gate;
      work();
      this.families.invalidate();
    };
    return {
      check: () => {},
      create: (name, sizeBytes) => changed(() => cluster.createVdi(name, { sizeBytes })),
      grow: (name, vdiSize) => changed(() => cluster.change(plain(name), { vdiSize })),
      delete: async (which, scope) => {
        this.deletedWith = scope;
        const { vid, tag } = await cluster.resolve(which);
        if (which.tag !== undefined && plain(which.tag) !== plain(tag)) {
          throw new SheepfsError("stale", "it has another tag");
        }
        await changed(() => cluster.inodes.delete(vid));
      },
      snapshot: async (names, tag, scope) => {
        for (const name of names) await changed(() => cluster.snapshot(plain(name), plain(tag)));
        for (const volume of this.volumes.list()) await this.volumes.refresh(volume, scope);
      },
      retag: async (which, tag) => {
        const { vid } = await cluster.resolve(which);
        await changed(() => cluster.changeVid(vid, { tag }));
      },
      clone: (_source, name) => changed(() => cluster.createVdi(name, { sizeBytes: 8 * MiB })),
    };
  }
}

function code(work: () => unknown): Promise<string> {
  return (async () => await work())().then(
    () => "it worked",
    (thrown: unknown) => (thrown instanceof SheepfsError ? thrown.code : String(thrown)),
  );
}

describe("a new file in volume/", () => {
  test("that has its size counts no longer as one without", async () => {
    const life = new Life();
    for (let at = 0; at <= limits.newVolumesMax; at += 1) await life.made(`new${at}`);
    expect(life.volumes.list().length).toBe(limits.newVolumesMax + 1);
  });

  // [S-103]
  test("that was open before it had its size is not removed or detached while it is", async () => {
    const life = new Life();
    const node = life.volume.makeFile("new");
    const file = await node.open("readwrite", life.scope());
    await node.setSize?.(8 * MiB, life.scope());
    const removing = code(() => life.volume.remove("new", life.scope()));
    await turns();
    life.clock.advance(limits.detachPatienceMs);
    expect(await removing).toBe("busy");
    await file.close();
    expect(await code(() => life.volume.remove("new", life.scope()))).toBe("it worked");
  });

  test("does not become a VDI of its name that came from elsewhere", async () => {
    const life = new Life();
    const node = life.volume.makeFile("web");
    const file = await node.open("write", life.scope());
    life.cluster.createVdi("web", { sizeBytes: 8 * MiB });
    await life.attach("web");
    expect(await code(() => file.write(bytes("x"), 0, life.scope()))).toBe("no_space");
    expect(life.volume.lookup("web")).not.toBe(node);
    await file.close();
    expect(life.volume.lookup("web")).not.toBeNull();
  });

  test("is not removed while it is being created", async () => {
    const life = new Life();
    const node = life.volume.makeFile("new");
    const gate = Promise.withResolvers<void>();
    life.gate = gate.promise;
    const sizing = node.setSize?.(8 * MiB, life.scope());
    expect(await code(() => life.volume.remove("new", life.scope()))).toBe("busy");
    gate.resolve();
    await sizing;
    expect(life.volume.lookup("new")).toBe(node);
  });

  test("closed late does not take away another one of its name", async () => {
    const life = new Life();
    const file = await life.volume.makeFile("new").open("write", life.scope());
    await life.volume.remove("new", life.scope());
    const second = life.volume.makeFile("new");
    await file.close();
    expect(life.volume.lookup("new")).toBe(second);
  });

  test("that was made and cannot be attached is told as made", async () => {
    const life = new Life();
    const node = life.volume.makeFile("new");
    life.gate = Promise.resolve().then(() => {
      life.cluster.locks.set(1, "10.0.0.9");
    });
    const sizing = (async () => await node.setSize?.(8 * MiB, life.scope()))();
    await expect(sizing).rejects.toMatchObject({
      code: "busy",
      message: expect.stringContaining("'new' was made and is not attached"),
    });
  });

  // [S-103]
  test("has the name under which it is listed, and a clone and a snapshot too", async () => {
    const life = new Life();
    const source = await life.withSnapshot();
    const dir = await life.snapshots("web");
    for (const name of ["\\x41", "a ", "x\ny"]) {
      expect(await code(() => life.volume.makeFile(name))).toBe("invalid");
      expect(await code(() => life.volume.link(source, name, life.scope()))).toBe("invalid");
      expect(await code(() => dir.makeDir?.(name, life.scope()))).toBe("invalid");
    }
    expect(await code(() => dir.makeDir?.("a@b", life.scope()))).toBe("invalid");
    expect(await code(() => dir.makeDir?.("a\\x40b", life.scope()))).toBe("it worked");
    expect(await code(() => life.volume.makeFile("n".repeat(256)))).toBe("name_too_long");
  });
});

test("a file that becomes a volume changes, and its name neither comes nor goes", async () => {
  const life = new Life();
  const node = life.volume.makeFile("new");
  life.heard.length = 0;
  await node.setSize?.(8 * MiB, life.scope());
  expect(life.heard).toEqual([{ id: node.id, what: "attr" }]);
  life.heard.length = 0;
  await life.volume.remove("new", life.scope());
  const child = { name: "new", id: node.id };
  expect(life.heard).toEqual([{ id: life.volume.id, what: "children", child }]);
});

describe("removing a volume", () => {
  // [S-103]
  test("does not delete another VDI that came to have its name", async () => {
    const life = new Life();
    await life.made("web");
    life.cluster.inodes.clear();
    const vid = life.cluster.createVdi("web", { sizeBytes: 8 * MiB });
    expect(await code(() => life.volume.remove("web", life.scope()))).toBe("stale");
    expect(life.cluster.working(bytes("web")).vid).toBe(vid);
  });

  // [S-103]
  test("is not interrupted once it has begun", async () => {
    const life = new Life();
    await life.made("web");
    const scope = life.clock.scope();
    const gate = Promise.withResolvers<void>();
    life.gate = gate.promise;
    const removing = life.volume.remove("web", scope);
    await turns();
    scope.cancel();
    expect(life.deletedWith?.cancelled).toBe(false);
    gate.resolve();
    await removing;
    expect(life.cluster.inodes.size).toBe(0);
  });
});

describe("removing a snapshot", () => {
  // [S-101]
  test("that is attached is refused", async () => {
    const life = new Life();
    await life.withSnapshot();
    await life.attach("web", "monday");
    const dir = await life.snapshots("web");
    expect(await code(() => dir.remove?.("monday", life.scope()))).toBe("busy");
    expect(life.cluster.headers().length).toBe(2);
    await life.volumes.detach("web@monday", life.scope());
    expect(await code(() => dir.remove?.("monday", life.scope()))).toBe("it worked");
  });

  test("that an attached volume has not moved on from moves it on first", async () => {
    const life = new Life();
    await life.made("web");
    life.cluster.snapshot("web", "theirs");
    const dir = await life.snapshots("web");
    await dir.remove?.("theirs", life.scope());
    expect(life.volumes.get("web")?.volume.header.vid).toBe(2);
  });

  // [S-101]
  test("whose tag was changed elsewhere a moment ago removes nothing", async () => {
    const life = new Life();
    await life.withSnapshot();
    const dir = await life.snapshots("web");
    life.cluster.changeVid(1, { tag: bytes("keep") });
    expect(await code(() => dir.remove?.("monday", life.scope()))).toBe("stale");
    expect(await code(() => dir.remove?.("monday", life.scope()))).toBe("not_found");
    expect(life.cluster.headers().length).toBe(2);
    expect(await code(() => dir.remove?.("keep", life.scope()))).toBe("it worked");
  });

  test("goes by no other's look at it, and nobody opens it meanwhile", async () => {
    const life = new Life();
    const file = await life.withSnapshot();
    const dir = await life.snapshots("web");
    const held = Promise.withResolvers<void>();
    life.cluster.held = held.promise;
    const looking = Promise.resolve(file.attr(life.scope()));
    await turns();
    life.cluster.held = null;
    const gate = Promise.withResolvers<void>();
    life.gate = gate.promise;
    const removing = code(() => dir.remove?.("monday", life.scope()));
    await turns();
    expect(await code(() => file.open("read", life.scope()))).toBe("busy");
    gate.resolve();
    expect(await removing).toBe("it worked");
    held.resolve();
    await looking;
    expect(await code(() => file.open("read", life.scope()))).toBe("stale");
  });
});

describe("a snapshot", () => {
  const read = (file: FileNode, life: Life, mode: OpenMode = "read") =>
    file.open(mode, life.scope());

  // [S-101]
  test("that is deleted elsewhere while it is read is an error and no zeros", async () => {
    const life = new Life();
    const node = await life.withSnapshot();
    const file = await read(node, life);
    // As a sheep leaves it: without a name, and every slot cleared.
    const [header] = life.cluster.headers();
    if (header === undefined) throw new Error("no snapshot");
    const left = encodeInodeHeader({ ...header, name: new Uint8Array(0), vid: 0 });
    life.cluster.inodes.get(1)?.set(left);
    life.clock.advance(limits.watchMs);
    await turns();
    const reading = code(() => file.read(new Uint8Array(10), 0, life.scope()));
    expect(await reading).toBe("stale");
    await file.close();
    const timers = life.clock.timers;
    life.clock.advance(limits.watchMs);
    await turns();
    expect(life.clock.timers).toBe(timers);
  });

  test("is looked at as long as it is open, and no longer", async () => {
    const life = new Life();
    const node = await life.withSnapshot();
    const before = life.clock.timers;
    const file = await read(node, life);
    for (let look = 0; look < 3; look += 1) {
      expect(life.clock.timers).toBe(before + 1);
      life.clock.advance(limits.watchMs);
      await turns();
    }
    await file.close();
    expect(life.clock.timers).toBe(before);
  });

  test("of another cluster with the same vid is another file", async () => {
    const life = new Life();
    const node = await life.withSnapshot();
    const header = life.cluster.headers().find(({ vid }) => vid === 1);
    if (header === undefined) throw new Error("no snapshot");
    const snapTime = { seconds: 1_800_000_000, nanoseconds: 0 };
    life.cluster.inodes.get(1)?.set(encodeInodeHeader({ ...header, snapTime }));
    life.families.forget();
    const other = await life.snapshotFile("web", "monday");
    expect(other.id).not.toBe(node.id);
  });
});
