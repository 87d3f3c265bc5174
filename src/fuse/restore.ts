import { asSheepfsError, SheepfsError } from "../base/errors.ts";
import type { Scope } from "../base/scope.ts";
import type { Node, OpenFile } from "../tree/node.ts";
import { DirCursor } from "./dir-cursor.ts";
import type { Handle, HandleNumber } from "./handles.ts";
import type { NodeTable } from "./nodes.ts";
import type { OpsContext } from "./ops.ts";
import type { SavedHandle, SavedSession } from "./saved.ts";

/**
 * Takes over what a predecessor gave to the kernel. Nodes are found again by name: one that is not
 * there any more is stale, and so is what is open of it. What is open of a volume goes on, a text
 * stays what it was.
 */
export async function restoreSession(
  saved: SavedSession,
  context: OpsContext,
  scope: Scope,
): Promise<void> {
  const { nodes, handles } = context;
  await restoreNodes(saved, nodes, scope);
  const open: { at: HandleNumber; handle: Handle }[] = [];
  for (const one of saved.handles) {
    const node = nodes.find(one.nodeId);
    const handle = one.kind === "dir" ? openedDir(one, node, context) : null;
    open.push({ at: one, handle: handle ?? (await openedFile(one, node, context, scope)) });
  }
  handles.restore(open, saved.handleUses);
}

async function restoreNodes(saved: SavedSession, nodes: NodeTable, scope: Scope): Promise<void> {
  nodes.beginAt(saved.nextNodeId);
  for (const one of saved.nodes) {
    const parent = nodes.find(one.parentNodeId);
    if (parent?.kind !== "dir") continue;
    const node = await parent.lookup(one.name, scope);
    if (node !== null) nodes.restore(one, node);
  }
}

function openedDir({ nodeId }: SavedHandle, node: Node | null, context: OpsContext): Handle | null {
  if (node?.kind !== "dir") return null;
  return { kind: "dir", nodeId, cursor: new DirCursor(node, context.clock) };
}

async function openedFile(
  saved: SavedHandle,
  node: Node | null,
  context: OpsContext,
  scope: Scope,
): Promise<Handle> {
  const { nodeId, mode } = saved;
  const text = saved.text === null ? null : new Uint8Array(Buffer.from(saved.text, "base64"));
  const handle = { kind: "file" as const, nodeId, mode, text };
  if (node?.kind !== "file") {
    const why = new SheepfsError("stale", "what was open is gone since sheepfs was started anew");
    return { ...handle, file: new LostFile(why) };
  }
  try {
    if (node.traits.seekable) return { ...handle, file: await node.open(mode, scope) };
    if (text === null) throw new SheepfsError("stale", "a long text is not kept over a restart");
    const inner = mode === "read" ? null : await node.open("write", scope);
    return { ...handle, file: new KeptText(text, inner, saved.unfinished) };
  } catch (thrown) {
    const error = asSheepfsError(thrown);
    context.log.error("a file that was open could not be opened anew", error);
    return { ...handle, file: new LostFile(error) };
  }
}

/** What was open and can not be any more. */
class LostFile implements OpenFile {
  readonly #why: SheepfsError;

  constructor(why: SheepfsError) {
    this.#why = why;
  }

  sizeBytes(): number {
    return 0;
  }

  async read(): Promise<number> {
    throw this.#why;
  }

  async write(): Promise<number> {
    throw this.#why;
  }

  // Nothing of it waits: close(2) succeeds.
  async flush(): Promise<void> {}

  async sync(): Promise<void> {
    throw this.#why;
  }

  async close(): Promise<void> {}
}

/** A text as it was when a predecessor opened it; what is written goes to the file of now. */
class KeptText implements OpenFile {
  readonly #bytes: Uint8Array;
  readonly #inner: OpenFile | null;
  #beginningLost: boolean;

  constructor(bytes: Uint8Array, inner: OpenFile | null, beginningLost: boolean) {
    this.#bytes = bytes;
    this.#inner = inner;
    this.#beginningLost = beginningLost;
  }

  sizeBytes(): number {
    return this.#bytes.length;
  }

  read(into: Uint8Array, offset: number): number {
    const part = this.#bytes.subarray(offset, offset + into.length);
    into.set(part);
    return part.length;
  }

  async write(from: Uint8Array, offset: number, scope: Scope): Promise<number> {
    this.#tellLost();
    if (this.#inner === null) throw new SheepfsError("denied", "it is open for reading only");
    return await this.#inner.write(from, offset, scope);
  }

  async flush(scope: Scope): Promise<void> {
    this.#tellLost();
    await this.#inner?.flush(scope);
  }

  async sync(): Promise<void> {}

  unfinished(): boolean {
    return this.#beginningLost || (this.#inner?.unfinished?.() ?? false);
  }

  async close(): Promise<void> {
    await this.#inner?.close();
  }

  #tellLost(): void {
    if (!this.#beginningLost) return;
    this.#beginningLost = false;
    const text = "the beginning of a line was lost when sheepfs ended; nothing was done";
    throw new SheepfsError("unavailable", text);
  }
}
