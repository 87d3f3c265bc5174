import type { Address } from "../../base/address.ts";
import { SheepfsError } from "../../base/errors.ts";
import { limits } from "../../base/limits.ts";
import type { Progress } from "../../base/progress.ts";
import type { Scope } from "../../base/scope.ts";
import { attachNamed } from "../../tree/entries/attaching.ts";
import type { Attr, FileNode, Node, OpenFile } from "../../tree/node.ts";
import { operation, withCore } from "./core.ts";

/** One name of a listing. */
export interface ListedJson {
  readonly name: string;
  readonly kind: "dir" | "file";
}

export interface StatJson {
  readonly path: string;
  readonly kind: "dir" | "file";
  readonly sizeBytes: number;
  readonly allocatedBytes: number;
  readonly modifiedAt: string;
  readonly createdAt: string;
  readonly details: Readonly<Record<string, string>>;
}

export interface TreePlace {
  readonly gateways: readonly Address[];
  /** As in a mount: names with slashes between them. */
  readonly path: string;
}

/** What is in a directory; of a file, itself. */
export async function listPath(place: TreePlace): Promise<readonly ListedJson[]> {
  return await withNode(place, { readOnly: true }, async (node, scope) => {
    if (node.kind === "file") return [{ name: place.path, kind: "file" }];
    const entries: ListedJson[] = [];
    for await (const { name, kind } of node.list(scope)) entries.push({ name, kind });
    return entries.sort((a, b) => (a.name < b.name ? -1 : 1));
  });
}

export async function statPath(place: TreePlace): Promise<StatJson> {
  return await withNode(place, { readOnly: true }, async (node, scope) => {
    const attr: Attr = await node.attr(scope);
    const details = node.kind === "file" ? (node.details?.() ?? new Map()) : new Map();
    return {
      path: place.path,
      kind: attr.kind,
      sizeBytes: attr.sizeBytes,
      allocatedBytes: attr.allocatedBytes,
      modifiedAt: new Date(attr.mtimeMs).toISOString(),
      createdAt: new Date(attr.birthtimeMs).toISOString(),
      details: Object.fromEntries(details),
    };
  });
}

/**
 * Hands all bytes of a file to `take`, in order, as long as that wants more; one piece is asked for
 * while one is taken.
 */
export async function readPath(
  place: TreePlace,
  take: (bytes: Uint8Array) => Promise<boolean>,
  tell: (progress: Progress) => void,
): Promise<void> {
  await withFile(place, "read", async (file, node) => {
    const totalBytes = (await node.attr(operation())).sizeBytes;
    const buffers = [new Uint8Array(limits.commandBytes), new Uint8Array(limits.commandBytes)];
    let taking = Promise.resolve(true);
    for (let offset = 0, turn = 0; ; turn ^= 1) {
      const buffer = buffers[turn] ?? new Uint8Array(0);
      const bytes = await file.read(buffer, offset, operation());
      if (!(await taking) || bytes === 0) return;
      tell({ doneBytes: offset, totalBytes });
      taking = take(buffer.subarray(0, bytes));
      // It is looked at when the next piece is there, and may have failed before.
      taking.catch(() => {});
      offset += bytes;
    }
  });
}

/** Writes what comes to a file from `offset` on; what it writes is durable when it returns. */
export async function writePath(
  place: TreePlace,
  from: AsyncIterable<Uint8Array>,
  offset: number,
): Promise<void> {
  if (namesOf(place.path).join("/") === "vdi/mount") {
    const text = "what a command attaches is detached when it ends: write it there in a mount";
    throw new SheepfsError("not_supported", `'${place.path}': ${text} ('sheepfs mount')`);
  }
  await withFile(place, "write", async (file) => {
    let at = offset;
    for await (const bytes of from) {
      let piece = bytes;
      while (piece.length > 0) {
        const written = await file.write(piece, at, operation());
        at += written;
        piece = piece.subarray(written);
      }
    }
    await file.flush(operation());
    await file.sync(operation());
  });
}

async function withFile(
  place: TreePlace,
  mode: "read" | "write",
  work: (file: OpenFile, node: Node) => Promise<void>,
): Promise<void> {
  await withNode(place, { readOnly: mode === "read" }, async (node, scope) => {
    const file = await fileOf(node, place.path).open(mode, scope);
    try {
      await work(file, node);
    } finally {
      await file.close();
    }
  });
}

function fileOf(node: Node, path: string): FileNode {
  if (node.kind === "file") return node;
  throw new SheepfsError("is_directory", `'${path}' is a directory`);
}

/** The tree for one command; what is asked for in volume/ is attached as long as it takes. */
async function withNode<T>(
  { gateways, path }: TreePlace,
  { readOnly }: { readonly readOnly: boolean },
  work: (node: Node, scope: Scope) => Promise<T>,
): Promise<T> {
  const names = namesOf(path);
  return await withCore(gateways, readOnly, async (core) => {
    const [first, volume] = names;
    if (first === "volume" && volume !== undefined) {
      await attachNamed(core.volumes, new TextEncoder().encode(volume), operation());
    }
    return await work(await find(core.tree.root, names, path), operation());
  });
}

function namesOf(path: string): readonly string[] {
  return path.split("/").filter((name) => name !== "");
}

/** @throws not_found | not_directory naming the path */
async function find(root: Node, names: readonly string[], path: string): Promise<Node> {
  let node = root;
  for (const name of names) {
    if (node.kind === "file") throw new SheepfsError("not_directory", `'${path}': not a directory`);
    const child = await node.lookup(name, operation());
    if (child === null) throw new SheepfsError("not_found", `'${path}': no '${name}' there`);
    node = child;
  }
  return node;
}
