import { asSheepfsError, SheepfsError } from "../base/errors.ts";
import type { Attr, DirEntry, DirNode, Node } from "../tree/node.ts";
import { Dirent, EntryOut, fileType, OpenOut, ReadIn, ReleaseIn } from "./abi.ts";
import { DirCursor } from "./dir-cursor.ts";
import { errno } from "./errno.ts";
import { type Message, messageBufferBytes, replyBodyAt } from "./message.ts";
import { encodeName, nameAt } from "./names.ts";
import type { Handler, OpsContext } from "./ops.ts";
import { writeEntry } from "./ops-attr.ts";

/** "." and ".." come first, at offsets 0 and 1. */
const dotNames = [".", ".."] as const;

export const dirHandlers = {
  LOOKUP: async (message, context) => {
    const parentNodeId = message.nodeId;
    const dir = dirOf(message, context);
    const name = nameAt(message, 0);
    const node = name === null ? null : await dir.lookup(name, message.scope);
    if (node === null || name === null) {
      message.fail(errno.ENOENT);
      return;
    }
    const attr = await node.attr(message.scope);
    const nodeId = context.nodes.remember(node, parentNodeId, name);
    const { keepsNames } = dir;
    writeEntry(message.view, replyBodyAt, { nodeId, node, attr, keepsNames }, context);
    if (!message.reply(EntryOut.size)) context.nodes.forget(nodeId, 1);
  },

  OPENDIR: (message, context) => {
    const cursor = new DirCursor(dirOf(message, context), context.clock);
    const fh = context.handles.add({ kind: "dir", nodeId: message.nodeId, cursor });
    OpenOut.write(message.view, replyBodyAt, { fhLow: fh.low, fhHigh: fh.high, openFlags: 0 });
    if (!message.reply(OpenOut.size)) context.handles.remove(fh.low, fh.high);
  },

  READDIR: (message, context) => readdir(message, context, putDirent),
  READDIRPLUS: (message, context) => readdir(message, context, putDirentPlus),

  RELEASEDIR: async (message, context) => {
    const handle = context.handles.remove(
      message.u32(ReleaseIn.offsets.fhLow),
      message.u32(ReleaseIn.offsets.fhHigh),
    );
    if (handle === null || handle.kind !== "dir") {
      message.fail(errno.EBADF);
      return;
    }
    await handle.cursor.close();
    message.reply(0);
  },

  // Nothing about a directory waits to be written.
  FSYNCDIR: (message) => {
    message.reply(0);
  },
} satisfies Record<string, Handler>;

function dirOf(message: Message, context: OpsContext): DirNode {
  const node = context.nodes.get(message.nodeId);
  if (node.kind !== "dir") throw new SheepfsError("not_directory", "not a directory");
  return node;
}

/** A reply of names under construction. */
interface Listing {
  readonly message: Message;
  readonly context: OpsContext;
  readonly dir: DirNode;
  readonly end: number;
  at: number;
  /** Looked up on behalf of the kernel by this reply. */
  readonly remembered: number[];
}

type Put = (listing: Listing, entry: DirEntry, next: number) => boolean | Promise<boolean>;

async function readdir(message: Message, context: OpsContext, put: Put): Promise<void> {
  const dir = dirOf(message, context);
  const handle = context.handles.dir(
    message.u32(ReadIn.offsets.fhLow),
    message.u32(ReadIn.offsets.fhHigh),
  );
  if (handle === null) {
    message.fail(errno.EBADF);
    return;
  }
  const offset = message.u64(ReadIn.offsets.offsetLow);
  const size = Math.min(message.u32(ReadIn.offsets.size), messageBufferBytes - replyBodyAt);
  const listing: Listing = {
    message,
    context,
    dir,
    end: replyBodyAt + size,
    at: replyBodyAt,
    remembered: [],
  };
  let taken = false;
  try {
    await fill(listing, offset, handle.cursor, put);
    taken = message.reply(listing.at - replyBodyAt);
  } finally {
    if (!taken) for (const nodeId of listing.remembered) context.nodes.forget(nodeId, 1);
  }
}

async function fill(listing: Listing, offset: number, cursor: DirCursor, put: Put): Promise<void> {
  for (let dot = offset; dot < dotNames.length; dot += 1) {
    const entry = { name: dotNames[dot] ?? ".", id: listing.dir.id, kind: "dir" as const };
    if (!(await put(listing, entry, dot + 1))) return;
  }
  await cursor.read(Math.max(0, offset - dotNames.length), (entry, next) =>
    put(listing, entry, next + dotNames.length),
  );
}

function putDirent(listing: Listing, entry: DirEntry, next: number): boolean {
  return writeDirent(listing, 0, entry, next);
}

/**
 * The attributes come along where they are at hand. A text has to be rendered for them, which a
 * mere listing does not ask for: it goes without, and the kernel asks when it wants to know.
 */
async function putDirentPlus(listing: Listing, entry: DirEntry, next: number): Promise<boolean> {
  const { message, context } = listing;
  const start = listing.at;
  const room = listing.end - start - EntryOut.size;
  if (room < direntBytes(encodeName(entry.name).length)) return false;
  const found = next <= dotNames.length ? null : await listedNode(listing, entry);
  message.buffer.fill(0, start, start + EntryOut.size);
  if (found !== null) {
    const nodeId = context.nodes.remember(found.node, message.nodeId, entry.name);
    listing.remembered.push(nodeId);
    const { keepsNames } = listing.dir;
    writeEntry(message.view, start, { nodeId, ...found, keepsNames }, context);
  }
  return writeDirent(listing, EntryOut.size, entry, next);
}

async function listedNode(
  listing: Listing,
  entry: DirEntry,
): Promise<{ node: Node; attr: Attr } | null> {
  const { scope } = listing.message;
  try {
    const node = await listing.dir.lookup(entry.name, scope);
    if (node === null || (node.kind === "file" && !node.traits.seekable)) return null;
    return { node, attr: await node.attr(scope) };
  } catch (thrown) {
    // One entry in trouble must not hide the others; whoever asks for it gets the error.
    listing.context.log.debug(`listing ${entry.name}: ${asSheepfsError(thrown).message}`);
    return null;
  }
}

function writeDirent(listing: Listing, before: number, entry: DirEntry, next: number): boolean {
  const { message } = listing;
  const name = encodeName(entry.name);
  const at = listing.at + before;
  const bytes = direntBytes(name.length);
  if (at + bytes > listing.end) return false;
  Dirent.write(message.view, at, {
    ino: entry.id,
    off: next,
    nameBytes: name.length,
    type: fileType[entry.kind] >> 12,
  });
  message.buffer.set(name, at + Dirent.size);
  message.buffer.fill(0, at + Dirent.size + name.length, at + bytes);
  listing.at = at + bytes;
  return true;
}

function direntBytes(nameBytes: number): number {
  return Math.ceil((Dirent.size + nameBytes) / 8) * 8;
}
