import { type Core, openCore } from "../../src/app/core.ts";
import { newHolder } from "../../src/app/self.ts";
import { parseAddress } from "../../src/base/address.ts";
import { type ErrorCode, SheepfsError } from "../../src/base/errors.ts";
import { silentLogger } from "../../src/base/log.ts";
import { deadlineScope, type Scope } from "../../src/base/scope.ts";
import { realClock } from "../../src/sys/clock.ts";
import type { DirNode, FileNode, Node, OpenFile, OpenMode } from "../../src/tree/node.ts";
import type { TestCluster } from "../support/cluster.ts";
import type { Subject, SubjectFile, SubjectKind, SubjectOptions, SubjectStat } from "./subject.ts";

/** The tree itself, called as a frontend calls it. */
export const treeKind: SubjectKind = { name: "tree", cannotRun: null, start };

function scope(): Scope {
  return deadlineScope(realClock, 20_000);
}

async function start(cluster: TestCluster, options: SubjectOptions): Promise<Subject> {
  const gateways = [parseAddress(cluster.address)];
  const ours = { self: newHolder(), objectCache: false, scratch: false, log: silentLogger };
  const wish = { ...options, gateways, timeoutMs: 20_000, wants: "soon" as const, ...ours };
  return new TreeSubject(await openCore(wish, scope()));
}

class TreeSubject implements Subject {
  readonly #core: Core;

  constructor(core: Core) {
    this.#core = core;
  }

  async list(path: string): Promise<string[]> {
    const node = await this.#find(path);
    if (node.kind === "file") throw new SheepfsError("not_directory", path);
    const names: string[] = [];
    for await (const { name, id, kind } of node.list(scope())) {
      const child = await node.lookup(name, scope());
      if (child?.id !== id || child.kind !== kind) throw new Error(`'${name}' is not as listed`);
      names.push(name);
    }
    return names.sort();
  }

  async stat(path: string): Promise<SubjectStat> {
    return await (await this.#find(path)).attr(scope());
  }

  async open(path: string, mode: OpenMode): Promise<SubjectFile> {
    return new TreeFile(await (await this.#findFile(path)).open(mode, scope()), mode);
  }

  async setSize(path: string, bytes: number): Promise<void> {
    const node = await this.#findFile(path);
    if (node.setSize === undefined) throw new SheepfsError("not_supported", path);
    await node.setSize(bytes, scope());
  }

  async create(path: string, bytes: number): Promise<void> {
    const { dir, name } = await this.#place(path);
    if (dir.makeFile === undefined) throw new SheepfsError("not_supported", path);
    const node = await dir.makeFile(name, scope());
    await node.setSize?.(bytes, scope());
  }

  async makeDir(path: string): Promise<void> {
    const { dir, name } = await this.#place(path);
    if (dir.makeDir === undefined) throw new SheepfsError("not_supported", path);
    await dir.makeDir(name, scope());
  }

  async remove(path: string): Promise<void> {
    const { dir, name } = await this.#place(path);
    if (dir.remove === undefined) throw new SheepfsError("not_supported", path);
    await dir.remove(name, scope());
  }

  async link(source: string, path: string): Promise<void> {
    const { dir, name } = await this.#place(path);
    if (dir.link === undefined) throw new SheepfsError("not_supported", path);
    await dir.link(await this.#find(source), name, scope());
  }

  async rename(source: string, path: string): Promise<void> {
    const { dir, name } = await this.#place(source);
    const to = await this.#place(path);
    if (dir.move === undefined) throw new SheepfsError("not_supported", source);
    await dir.move(name, to.dir, to.name, scope());
  }

  shows(thrown: unknown, code: ErrorCode): boolean {
    return thrown instanceof SheepfsError && thrown.code === code;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#core.close(scope());
  }

  async #find(path: string): Promise<Node> {
    let node: Node = this.#core.tree.root;
    for (const name of path.split("/").filter((part) => part !== "")) {
      if (node.kind === "file") throw new SheepfsError("not_directory", path);
      const child: Node | null = await node.lookup(name, scope());
      if (child === null) throw new SheepfsError("not_found", path);
      node = child;
    }
    return node;
  }

  async #place(path: string): Promise<{ readonly dir: DirNode; readonly name: string }> {
    const split = path.lastIndexOf("/");
    const dir = await this.#find(path.slice(0, Math.max(0, split)));
    if (dir.kind !== "dir") throw new SheepfsError("not_directory", path);
    return { dir, name: path.slice(split + 1) };
  }

  async #findFile(path: string): Promise<FileNode> {
    const node = await this.#find(path);
    if (node.kind === "dir") throw new SheepfsError("is_directory", path);
    return node;
  }
}

class TreeFile implements SubjectFile {
  readonly #file: OpenFile;
  readonly #mode: OpenMode;
  #open = true;

  constructor(file: OpenFile, mode: OpenMode) {
    this.#file = file;
    this.#mode = mode;
  }

  async read(offset: number, length: number): Promise<Uint8Array> {
    const into = new Uint8Array(length);
    return into.subarray(0, await this.#file.read(into, offset, scope()));
  }

  async write(offset: number, bytes: Uint8Array): Promise<number> {
    // A frontend cuts what crosses the end of a volume; what begins behind it is refused.
    const seekable = this.#file.submitWrite !== undefined;
    const room = seekable ? this.#file.sizeBytes() - offset : bytes.length;
    const taken = room > 0 ? bytes.subarray(0, room) : bytes;
    return await this.#file.write(taken, offset, scope());
  }

  sync(): Promise<void> {
    return this.#file.sync(scope());
  }

  async discard(offset: number, length: number): Promise<void> {
    if (this.#file.discard === undefined) throw new SheepfsError("not_supported", "discard");
    await this.#file.discard({ offset, length }, scope());
  }

  async close(): Promise<void> {
    if (!this.#open) return;
    this.#open = false;
    try {
      if (this.#mode !== "read") await this.#file.flush(scope());
    } finally {
      await this.#file.close();
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }
}
