import { assert } from "../base/assert.ts";
import type { Scope } from "../base/scope.ts";
import type { DirNode, FileNode, Node } from "../tree/node.ts";

export interface NodeCopy {
  readonly node: Node;
  readonly into: DirNode;
  readonly name: string;
  /** With everything below it. */
  readonly deep: boolean;
}

const copyBytes = 256 * 1024;

/**
 * Copies a node. What was made before a failure stays.
 * @throws no_space | exists | what reading and making throw
 */
export async function copyNode({ node, into, name, deep }: NodeCopy, scope: Scope): Promise<void> {
  assert(into.makeDir !== undefined && into.makeFile !== undefined, "things can be made there");
  if (node.kind === "file") {
    await copyFile(node, await into.makeFile(name, scope), scope);
    return;
  }
  const made = await into.makeDir(name, scope);
  if (!deep) return;
  for await (const { name: member } of node.list(scope)) {
    const found = await node.lookup(member, scope);
    if (found !== null) await copyNode({ node: found, into: made, name: member, deep }, scope);
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

/** A name that nothing in the directory has. */
export async function freeName(dir: DirNode, scope: Scope): Promise<string> {
  for (let count = 0; ; count += 1) {
    const name = `.sheepfs-${count}`;
    if ((await dir.lookup(name, scope)) === null) return name;
  }
}
