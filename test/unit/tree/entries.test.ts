import { describe, expect, test } from "bun:test";
import { noVdiLife } from "../../../src/app/facts.ts";
import { type Address, formatAddress } from "../../../src/base/address.ts";
import { SheepfsError } from "../../../src/base/errors.ts";
import { silentLogger } from "../../../src/base/log.ts";
import type { ClusterInfo } from "../../../src/cluster/info.ts";
import type { ConnectionStatus } from "../../../src/tree/entries/render-status.ts";
import { buildTree, type ClusterFacts } from "../../../src/tree/entries/root.ts";
import type {
  DirNode,
  FileNode,
  Node,
  OpenFile,
  OpenMode,
  Tree,
  TreeEvent,
} from "../../../src/tree/node.ts";
import { AttachedVolumes } from "../../../src/volume/attach.ts";
import { SliceCache } from "../../../src/volume/slice-cache.ts";
import { ManualClock } from "./manual-clock.ts";
import { MemoryCluster } from "./memory-cluster.ts";

const MiB = 1 << 20;

const info: ClusterInfo = {
  status: "running",
  autoRecovery: true,
  createdSeconds: 1_795_465_477,
  epochs: [],
  store: "plain",
  hasLocks: false,
  diskMode: false,
  defaults: { copies: 1, copyPolicy: 0, blockSizeShift: 22 },
};

/** A tree over a cluster in memory; what it asks of the cluster is counted. */
class Fixture {
  readonly clock = new ManualClock();
  readonly cluster = new MemoryCluster();
  readonly asked: string[] = [];
  readonly heard: TreeEvent[] = [];
  readonly volumes: AttachedVolumes;
  readonly tree: Tree;
  status: ConnectionStatus = {
    gateway: { host: "10.0.0.1", port: 7000 },
    ready: true,
    silent: false,
    named: [{ host: "10.0.0.1", port: 7000 }],
    spares: [],
    members: null,
    waits: [],
    waitingVids: new Set(),
    requests: 0,
    bytesInflight: 0,
  };
  readonly config = {
    gateway: { host: "10.0.0.1", port: 7000 },
    gateways: [{ host: "10.0.0.1", port: 7000 }] as readonly Address[],
    objectCache: false,
    refuse: null as SheepfsError | null,
    async moveTo(gateways: readonly Address[]): Promise<void> {
      if (this.refuse !== null) throw this.refuse;
      this.gateways = gateways;
      this.gateway = gateways[0] ?? this.gateway;
    },
  };

  constructor() {
    const { clock, cluster, config } = this;
    const log = silentLogger;
    const cache = new SliceCache();
    const ports = { store: cluster, resolver: cluster, clock, log, cache };
    this.volumes = new AttachedVolumes({ ports, holds: cluster, readOnly: false });
    const { volumes } = this;
    const facts = this.#facts();
    const status = (): ConnectionStatus => this.status;
    const switches = { pageCache: { on: false }, scratch: false };
    this.tree = buildTree({
      facts,
      life: noVdiLife,
      volumes,
      config,
      status,
      ...switches,
      clock,
      log,
    });
    this.tree.events.on((event) => this.heard.push(event));
  }

  async find(path: string): Promise<Node> {
    let node: Node = this.tree.root;
    for (const name of path.split("/")) {
      if (node.kind !== "dir") throw new Error(`${path}: not a directory before ${name}`);
      const child: Node | null = await node.lookup(name, this.clock.scope());
      if (child === null) throw new Error(`${path}: no ${name}`);
      node = child;
    }
    return node;
  }

  async file(path: string): Promise<FileNode> {
    const node = await this.find(path);
    if (node.kind !== "file") throw new Error(`${path} is a directory`);
    return node;
  }

  async open(path: string, mode: OpenMode): Promise<OpenFile> {
    return await (await this.file(path)).open(mode, this.clock.scope());
  }

  async write(path: string, text: string): Promise<void> {
    const file = await this.open(path, "write");
    await file.write(new TextEncoder().encode(text), 0, this.clock.scope());
  }

  async read(path: string): Promise<string> {
    const file = await this.open(path, "read");
    const into = new Uint8Array(file.sizeBytes());
    await file.read(into, 0, this.clock.scope());
    return new TextDecoder().decode(into);
  }

  async attr(path: string) {
    return await (await this.find(path)).attr(this.clock.scope());
  }

  #facts(): ClusterFacts {
    const ask = (what: string): void => {
      this.asked.push(what);
      if (this.cluster.failure !== null) throw this.cluster.failure;
    };
    return {
      info: async () => {
        ask("info");
        return info;
      },
      vdis: async () => {
        ask("vdis");
        return this.cluster.headers().map((header) => ({
          ...{ header, objectBytes: 2 ** header.blockSizeShift, strips: null },
          ...{ ownBlocks: 0, sharedBlocks: 0 },
        }));
      },
      headers: async () => {
        ask("headers");
        return { headers: this.cluster.headers(), vidsSince: null };
      },
      vdi: async (vid) => {
        ask("vdi");
        const header = this.cluster.headers().find((one) => one.vid === vid);
        if (header === undefined) return null;
        const objectBytes = 2 ** header.blockSizeShift;
        return { header, objectBytes, strips: null, ownBlocks: 2, sharedBlocks: 1 };
      },
      nodes: async () => {
        ask("nodes");
        return [];
      },
      nodeSpaces: async () => {
        ask("nodeSpaces");
        return [];
      },
      space: async () => {
        ask("space");
        return { totalBytes: 100, freeBytes: 40 };
      },
    };
  }
}

test("numbers of nodes are unique in the tree, and the root's is 1", async () => {
  const world = new Fixture();
  const ids = new Set<number>();
  const visit = async (dir: DirNode): Promise<void> => {
    for await (const entry of dir.list(world.clock.scope())) {
      expect(ids.has(entry.id)).toBe(false);
      ids.add(entry.id);
      const node = await dir.lookup(entry.name, world.clock.scope());
      if (node?.kind === "dir") await visit(node);
    }
  };
  await visit(world.tree.root);
  expect(world.tree.root.id).toBe(1);
  expect(ids.size).toBe(17);
});

test("a listing with attributes twice within a second asks the cluster once", async () => {
  const world = new Fixture();
  for (let times = 0; times < 2; times += 1) {
    for (const path of ["cluster/info", "vdi/list", "node/info", "node/list"]) {
      await world.attr(path);
      await world.read(path);
    }
  }
  expect(world.asked.sort()).toEqual(["info", "nodeSpaces", "nodes", "vdis", "vdis"]);
});

test("df asks once a second", async () => {
  const world = new Fixture();
  const scope = world.clock.scope();
  const spaces = [await world.tree.space(scope), await world.tree.space(scope)];
  expect(spaces[1]).toEqual({ totalBytes: 100, freeBytes: 40 });
  expect(world.asked).toEqual(["space"]);
});

describe("attaching", () => {
  test("tells caches of the new file and of what the control files show", async () => {
    const world = new Fixture();
    world.cluster.createVdi("web", { sizeBytes: 8 * MiB });
    const dir = await world.find("volume");
    const mount = await world.find("vdi/mount");
    const unmount = await world.find("vdi/unmount");
    await world.write("vdi/mount", "web\n");
    const child = { name: "web", id: (await world.find("volume/web")).id };
    expect(world.heard).toContainEqual({ id: dir.id, what: "children", child });
    for (const { id } of [mount, unmount]) {
      expect(world.heard).toContainEqual({ id, what: "content" });
    }
    world.heard.length = 0;
    await world.write("vdi/unmount", "web\n");
    expect(world.heard).toContainEqual({ id: dir.id, what: "children", child });
  });

  test("shows volumes that were attached before there was a tree", async () => {
    const { cluster, volumes, clock, config, status } = new Fixture();
    cluster.createVdi("web", { sizeBytes: 8 * MiB });
    const name = { name: new TextEncoder().encode("web"), snapshot: null };
    await volumes.attach({ name, title: "web" }, clock.scope());
    const facts = {} as ClusterFacts;
    const switches = { pageCache: { on: false }, scratch: false };
    const shared = {
      facts,
      life: noVdiLife,
      volumes,
      config,
      ...switches,
      clock,
      log: silentLogger,
    };
    const ports = { ...shared, status: () => status };
    const dir = await buildTree(ports).root.lookup("volume", clock.scope());
    if (dir?.kind !== "dir") throw new Error("no volume/");
    expect(await dir.lookup("web", clock.scope())).not.toBeNull();
  });
});

describe("a volume", () => {
  test("cannot be opened once it is detached, even by who found it before", async () => {
    const world = new Fixture();
    world.cluster.createVdi("web", { sizeBytes: 8 * MiB });
    await world.write("vdi/mount", "web\n");
    const node = await world.file("volume/web");
    await world.write("vdi/unmount", "web\n");
    const opening = async () => await node.open("read", world.clock.scope());
    await expect(opening()).rejects.toMatchObject({ code: "stale" });
    const stat = async () => await node.attr(world.clock.scope());
    await expect(stat()).rejects.toMatchObject({ code: "stale" });
  });

  test("is another file when it is attached again", async () => {
    const world = new Fixture();
    world.cluster.createVdi("web", { sizeBytes: 8 * MiB });
    await world.write("vdi/mount", "web\n");
    const { id } = await world.find("volume/web");
    await world.write("vdi/unmount", "web\n");
    await world.write("vdi/mount", "web\n");
    expect((await world.find("volume/web")).id).not.toBe(id);
  });

  test("can be detached as soon as its last user has closed it, without waiting", async () => {
    const world = new Fixture();
    world.cluster.createVdi("web", { sizeBytes: 8 * MiB });
    await world.write("vdi/mount", "web\n");
    const files = [await world.open("volume/web", "read"), await world.open("volume/web", "write")];
    for (const file of files) void file.close();
    await world.write("vdi/unmount", "web\n");
    expect(world.volumes.list()).toEqual([]);
  });

  test("is served past the page cache until config/page_cache says otherwise", async () => {
    const world = new Fixture();
    world.cluster.createVdi("web", { sizeBytes: 8 * MiB });
    await world.write("vdi/mount", "web\n");
    const node = await world.file("volume/web");
    expect(node.traits).toMatchObject({ directIo: true, seekable: true, writable: true });
    await world.write("config/page_cache", "1\n");
    expect(node.traits.directIo).toBe(false);
    await world.write("config/page_cache", "0\n");
    expect(node.traits.directIo).toBe(true);
  });

  test("has the time of its creation, then of the last write", async () => {
    const world = new Fixture();
    world.cluster.createVdi("web", { sizeBytes: 8 * MiB });
    await world.write("vdi/mount", "web\n");
    const before = await world.attr("volume/web");
    expect([before.mtimeMs, before.birthtimeMs]).toEqual([1_700_000_000_250, 1_700_000_000_250]);
    const file = await world.open("volume/web", "write");
    world.clock.advance(5_000);
    await file.write(new Uint8Array(10), 0, world.clock.scope());
    const { mtimeMs, birthtimeMs } = await world.attr("volume/web");
    expect([mtimeMs, birthtimeMs]).toEqual([world.clock.wallMs(), 1_700_000_000_250]);
  });

  test("still has its attributes when the cluster does not answer", async () => {
    const world = new Fixture();
    world.cluster.createVdi("web", { sizeBytes: 8 * MiB });
    await world.write("vdi/mount", "web\n");
    const file = await world.open("volume/web", "write");
    await file.write(new Uint8Array(10), 0, world.clock.scope());
    const before = await world.attr("volume/web");
    expect(before.allocatedBytes).toBe(4 * MiB);
    world.clock.advance(2_000);
    world.cluster.failure = new SheepfsError("unavailable", "no sheep");
    expect(await world.attr("volume/web")).toEqual(before);
  });

  test("whose size was changed elsewhere tells caches", async () => {
    const world = new Fixture();
    world.cluster.createVdi("web", { sizeBytes: 8 * MiB });
    await world.write("vdi/mount", "web\n");
    const { id } = await world.find("volume/web");
    await world.attr("volume/web");
    world.cluster.change("web", { vdiSize: 12 * MiB });
    expect((await world.attr("volume/web")).sizeBytes).toBe(8 * MiB);
    world.clock.advance(1_000);
    expect((await world.attr("volume/web")).sizeBytes).toBe(12 * MiB);
    expect(world.heard).toContainEqual({ id, what: "attr" });
  });

  test("that was deleted elsewhere is gone with the next look", async () => {
    const world = new Fixture();
    world.cluster.createVdi("web", { sizeBytes: 8 * MiB });
    await world.write("vdi/mount", "web\n");
    world.cluster.change("web", { name: new Uint8Array(0) });
    await expect(world.attr("volume/web")).rejects.toMatchObject({ code: "stale" });
    expect(world.volumes.list()).toEqual([]);
    expect(await world.read("vdi/mount")).toContain("attached:\n  nothing\n");
  });
});

describe("config/sheep_info", () => {
  test("takes addresses of every form, and shows the sheep in use first", async () => {
    const world = new Fixture();
    expect(await world.read("config/sheep_info")).toBe("10.0.0.1:7000\n");
    for (const [line, shown] of [
      ["node1.example:7001", "node1.example:7001"],
      ["[fe80::1]:7000", "[fe80::1]:7000"],
      ["10.0.0.1:7000, 10.0.0.2:7000", "10.0.0.1:7000,10.0.0.2:7000"],
    ] as const) {
      await world.write("config/sheep_info", `${line}\n`);
      expect(await world.read("config/sheep_info")).toBe(`${shown}\n`);
    }
    world.config.gateway = { host: "10.0.0.2", port: 7000 };
    expect(await world.read("config/sheep_info")).toBe("10.0.0.2:7000,10.0.0.1:7000\n");
  });

  test("makes every text anew after a move", async () => {
    const world = new Fixture();
    await world.read("cluster/info");
    await world.write("config/sheep_info", "10.0.0.2:7000\n");
    await world.read("cluster/info");
    expect(world.asked).toEqual(["info", "info"]);
    const { id } = await world.find("vdi/list");
    expect(world.heard).toContainEqual({ id, what: "content" });
  });

  test("keeps what it had when the new sheep is no good", async () => {
    const world = new Fixture();
    world.config.refuse = new SheepfsError("unavailable", "10.0.0.9:7000 does not answer");
    const writing = world.write("config/sheep_info", "10.0.0.9:7000\n");
    await expect(writing).rejects.toMatchObject({ code: "unavailable" });
    expect(formatAddress(world.config.gateway)).toBe("10.0.0.1:7000");
  });
});

describe("vdi/VDI/", () => {
  const names = async (world: Fixture, path: string): Promise<string[]> => {
    const node = await world.find(path);
    if (node.kind !== "dir") throw new Error(`${path} is a file`);
    return (await Array.fromAsync(node.list(world.clock.scope()))).map(({ name }) => name);
  };

  // [S-137]
  test("a VDI that is called like a file of vdi/ has its first character escaped", async () => {
    const world = new Fixture();
    world.cluster.createVdi("list", { sizeBytes: 8 * MiB });
    world.cluster.createVdi("mount", { sizeBytes: 4 * MiB });
    world.cluster.createVdi("listed", { sizeBytes: 4 * MiB });
    world.cluster.createVdi("a/b", { sizeBytes: 4 * MiB });
    expect(await names(world, "vdi")).toEqual([
      ...["list", "mount", "unmount", "snapshot"],
      ...["\\x6cist", "\\x6dount", "listed", "a\\x2fb"],
    ]);
    expect(await world.read("vdi/\\x6cist/size")).toBe(`${8 * MiB}\n`);
    expect(JSON.parse(await world.read("vdi/\\x6dount/info")).name).toBe("mount");
    await world.write("vdi/mount", "\\x6cist\n");
    expect(world.volumes.get("list")?.volume.sizeBytes).toBe(8 * MiB);
  });

  test("its own files need no cluster, and a VDI without a working one is not listed", async () => {
    const world = new Fixture();
    world.cluster.createVdi("web", { sizeBytes: 8 * MiB });
    world.cluster.snapshot("web", "monday");
    world.cluster.inodes.delete(world.cluster.working(new TextEncoder().encode("web")).vid);
    expect(await names(world, "vdi")).toEqual(["list", "mount", "unmount", "snapshot"]);
    expect(await names(world, "snapshot")).toEqual(["web"]);
    world.cluster.failure = new SheepfsError("unavailable", "no sheep");
    world.asked.length = 0;
    expect(await world.read("vdi/mount")).toContain("attached:");
    expect(world.asked).toEqual([]);
  });

  // [S-135]
  test("many facts of one VDI cost one look at its index, and none where headers do", async () => {
    const world = new Fixture();
    world.cluster.createVdi("web", { sizeBytes: 8 * MiB });
    for (const name of ["size", "copies", "vid", "created", "parent"]) {
      await world.read(`vdi/web/${name}`);
    }
    expect(world.asked).toEqual(["headers"]);
    expect(await world.read("vdi/web/used")).toBe(`${8 * MiB}\n`);
    expect(await world.read("vdi/web/shared")).toBe(`${4 * MiB}\n`);
    await world.read("vdi/web/info");
    expect(world.asked).toEqual(["headers", "vdi"]);
  });

  // [S-136]
  test("where nothing may be changed no size is set", async () => {
    const world = new Fixture();
    world.cluster.createVdi("web", { sizeBytes: 8 * MiB });
    await expect(world.write("vdi/web/size", "16M\n")).rejects.toMatchObject({ code: "read_only" });
    const file = await world.open("vdi/web/size", "readwrite");
    const into = new Uint8Array(100);
    const bytes = await file.read(into, 0, world.clock.scope());
    expect(new TextDecoder().decode(into.subarray(0, bytes))).toBe(`${8 * MiB}\n`);
  });
});

test("config/object_cache is the flag of the client", async () => {
  const world = new Fixture();
  await world.write("config/object_cache", "1\n");
  expect(world.config.objectCache).toBe(true);
  await expect(world.write("config/object_cache", "on\n")).rejects.toMatchObject({
    code: "invalid",
    message: "config/object_cache is 0 or 1, not 'on'",
  });
});

// [S-82]
test("cluster/status says what is waited for, since when, and which volumes are concerned", async () => {
  const world = new Fixture();
  world.cluster.createVdi("web", { sizeBytes: 8 * MiB });
  await world.write("vdi/mount", "web\n");
  const vid = world.volumes.get("web")?.volume.header.vid ?? 0;
  const node = (port: number): Address => ({ host: "10.0.0.1", port });
  expect(await world.read("cluster/status")).toBe(
    [
      "gateway: 10.0.0.1:7000, in use",
      "other gateways: none",
      "members: not known yet",
      "requests: 0 under way, 0 bytes in flight",
      "waiting: for nothing",
      "volumes in trouble: none",
      "",
    ].join("\n"),
  );
  world.status = {
    ...world.status,
    ready: false,
    spares: [node(7001)],
    members: { epoch: 4, nodes: [node(7000), node(7001)] },
    waits: [{ reason: "connection refused", requests: 3, lastsMs: 12_300 }],
    waitingVids: new Set([vid]),
    requests: 3,
    bytesInflight: 4096,
  };
  world.clock.advance(1_100);
  const text = await world.read("cluster/status");
  expect(text).toContain("gateway: 10.0.0.1:7000, looked for\n");
  expect(text).toContain("other gateways: 10.0.0.1:7001 (learned)\n");
  expect(text).toContain("members: 2 in epoch 4: 10.0.0.1:7000, 10.0.0.1:7001\n");
  expect(text).toMatch(/waiting: 3 requests since .* \(12\.3 s\): connection refused\n/);
  expect(text).toContain("volumes in trouble: web: requests wait\n");
});
