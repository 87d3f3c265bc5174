import { assert } from "../../base/assert.ts";
import { asSheepfsError } from "../../base/errors.ts";
import type { Scope } from "../../base/scope.ts";
import type { DirNode, FileNode, Node } from "../../tree/node.ts";

export interface NodeCopy {
  readonly node: Node;
  readonly into: DirNode;
  readonly name: string;
}

const copyBytes = 256 * 1024;

/**
 * An empty node of the same kind.
 * @throws exists | no_space | name_too_long
 */
export async function makeLike({ node, into, name }: NodeCopy, scope: Scope): Promise<Node> {
  assert(into.makeDir !== undefined && into.makeFile !== undefined, "things can be made there");
  return node.kind === "file" ? await into.makeFile(name, scope) : await into.makeDir(name, scope);
}

/**
 * Copies what is in one node into another one of its kind, with everything below. What was copied
 * before a failure stays.
 * @throws no_space | what reading and making throw
 */
export async function copyContent(source: Node, target: Node, scope: Scope): Promise<void> {
  if (source.kind === "file") {
    if (target.kind === "file") await copyFile(source, target, scope);
    return;
  }
  assert(target.kind === "dir", "a directory is copied to a directory");
  for await (const { name } of source.list(scope)) {
    const node = await source.lookup(name, scope);
    if (node === null) continue;
    await copyContent(node, await makeLike({ node, into: target, name }, scope), scope);
  }
}

async function copyFile(source: FileNode, target: FileNode, scope: Scope): Promise<void> {
  const from = await source.open("read", scope);
  try {
    const into = await target.open("write", scope);
    try {
      const buffer = new Uint8Array(copyBytes);
      for (let offset = 0; ; ) {
        const bytes = await from.read(buffer, offset, scope);
        if (bytes === 0) break;
        await into.write(buffer.subarray(0, bytes), offset, scope);
        offset += bytes;
      }
      await into.flush(scope);
    } finally {
      await into.close();
    }
  } finally {
    await from.close();
  }
}

/**
 * Finds a name that nothing in the directory has and takes it by `take`, which throws `exists` when
 * somebody else was faster.
 */
export async function takeFreeName(
  dir: DirNode,
  take: (name: string) => Promise<void>,
  scope: Scope,
): Promise<string> {
  for (let count = 0; ; count += 1) {
    const name = `.sheepfs-${count}`;
    if ((await dir.lookup(name, scope)) !== null) continue;
    try {
      await take(name);
      return name;
    } catch (thrown) {
      if (asSheepfsError(thrown).code !== "exists") throw thrown;
    }
  }
}
