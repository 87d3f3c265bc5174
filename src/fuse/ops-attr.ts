import { SheepfsError } from "../base/errors.ts";
import { limits } from "../base/limits.ts";
import type { Attr, Node } from "../tree/node.ts";
import {
  AccessIn,
  AttrOut,
  EntryOut,
  fileType,
  SetattrIn,
  StatfsOut,
  StatxOut,
  setattrValid,
  statxMask,
} from "./abi.ts";
import { errno } from "./errno.ts";
import { type Message, replyBodyAt } from "./message.ts";
import type { Handler, OpsContext } from "./ops.ts";

const statfsBlockBytes = 4096;
/** How long the kernel may believe a name that always means the same. */
const keptNameSeconds = 3600;
/** Longer than any escaped VDI name. */
const nameBytesMax = 1024;
/** For texts, whose natural unit of one byte would make programs read byte by byte. */
const blockBytesLeast = 4096;

export const attrHandlers = {
  GETATTR: async (message, context) => {
    const node = context.nodes.get(message.nodeId);
    replyAttr(message, await node.attr(message.scope), node, context);
  },

  SETATTR: setattr,

  STATX: async (message, context) => {
    const node = context.nodes.get(message.nodeId);
    const attr = await node.attr(message.scope);
    const { atime, atimeNs, mtime, mtimeNs, ctime, ctimeNs, ...rest } = attrValues(
      attr,
      node,
      context,
    );
    StatxOut.write(message.view, replyBodyAt, {
      validS: Math.floor(attrValidMs(node) / 1000),
      validNs: 0,
      mask: statxMask,
      blksize: rest.blksize,
      nlink: rest.nlink,
      uid: rest.uid,
      gid: rest.gid,
      mode: rest.mode,
      ino: rest.ino,
      size: rest.size,
      blocks: rest.blocks,
      ...{ atime, atimeNs, mtime, mtimeNs, ctime, ctimeNs },
      birthtime: seconds(attr.birthtimeMs),
      birthtimeNs: nanoseconds(attr.birthtimeMs),
    });
    message.reply(StatxOut.size);
  },

  STATFS: async (message, context) => {
    const space = await context.tree.space(message.scope);
    const free = Math.floor(space.freeBytes / statfsBlockBytes);
    StatfsOut.write(message.view, replyBodyAt, {
      blocks: Math.floor(space.totalBytes / statfsBlockBytes),
      blocksFree: free,
      blocksAvailable: free,
      files: 0,
      filesFree: 0,
      blockBytes: statfsBlockBytes,
      nameBytesMax,
      fragmentBytes: statfsBlockBytes,
    });
    message.reply(StatfsOut.size);
  },

  ACCESS: async (message, context) => {
    const node = context.nodes.get(message.nodeId);
    const wanted = message.u32(AccessIn.offsets.mask) & 7;
    const { mode, uid, gid } = attrValues(await node.attr(message.scope), node, context);
    const granted = permissionBits({ mode, uid, gid }, { uid: message.uid, gid: message.gid });
    if ((wanted & ~granted) === 0) message.reply(0);
    else message.fail(errno.EACCES);
  },
} satisfies Record<string, Handler>;

/**
 * Only a size can be set, where the node has a way to. Modes, owners and times are not kept
 * anywhere, so a change of them is refused; setting what already is succeeds.
 */
async function setattr(message: Message, context: OpsContext): Promise<void> {
  const node = context.nodes.get(message.nodeId);
  const valid = message.u32(SetattrIn.offsets.valid);
  const before = await node.attr(message.scope);
  const values = attrValues(before, node, context);
  const sets = (bit: number): boolean => (valid & bit) !== 0;
  const changesOwner =
    (sets(setattrValid.uid) && message.u32(SetattrIn.offsets.uid) !== values.uid) ||
    (sets(setattrValid.gid) && message.u32(SetattrIn.offsets.gid) !== values.gid);
  const changesMode =
    sets(setattrValid.mode) && ((message.u32(SetattrIn.offsets.mode) ^ values.mode) & 0o7777) !== 0;
  // Times that come with a size are the truncation's own.
  const changesTimes =
    !sets(setattrValid.size) && (sets(setattrValid.atime) || sets(setattrValid.mtime));
  if (changesOwner || changesMode || changesTimes) {
    message.fail(errno.EPERM);
    return;
  }
  if (sets(setattrValid.size)) {
    await setSize(node, before, message.u64(SetattrIn.offsets.sizeLow), message);
  }
  replyAttr(message, await node.attr(message.scope), node, context);
}

async function setSize(node: Node, attr: Attr, bytes: number, message: Message): Promise<void> {
  if (node.kind === "dir") throw new SheepfsError("is_directory", "a directory has no size to set");
  // A control file takes its line from the start each time: emptying it first changes nothing.
  if (!node.traits.seekable && node.traits.writable && bytes === 0) return;
  if (bytes === attr.sizeBytes) return;
  if (node.setSize === undefined) {
    throw new SheepfsError("not_supported", "the size of this file cannot be set here");
  }
  await node.setSize(bytes, message.scope);
}

function replyAttr(message: Message, attr: Attr, node: Node, context: OpsContext): void {
  AttrOut.write(message.view, replyBodyAt, {
    validS: Math.floor(attrValidMs(node) / 1000),
    validNs: 0,
    ...attrValues(attr, node, context),
  });
  message.reply(AttrOut.size);
}

/** Writes what LOOKUP answers, and READDIRPLUS for each name. */
export function writeEntry(
  view: DataView,
  at: number,
  entry: {
    readonly nodeId: number;
    readonly node: Node;
    readonly attr: Attr;
    /** Of the directory that has it. */
    readonly keepsNames?: boolean | undefined;
  },
  context: OpsContext,
): void {
  EntryOut.write(view, at, {
    nodeId: entry.nodeId,
    generation: 0,
    // Most names come and go (vdi/mount), and the kernel can be told so only by a notification that
    // takes the directory's lock: whoever holds it may be waiting for us, and this thread would
    // wait for ever. So they are asked for each time; it is no hot path.
    entryValidS: entry.keepsNames === true ? keptNameSeconds : 0,
    entryValidNs: 0,
    attrValidS: Math.floor(attrValidMs(entry.node) / 1000),
    attrValidNs: 0,
    ...attrValues(entry.attr, entry.node, context),
  });
}

/** How long the kernel may go without asking. The size of a text changes with every rendering. */
function attrValidMs(node: Node): number {
  return node.kind === "dir" || node.traits.seekable ? limits.attrCacheMs : 0;
}

function attrValues(attr: Attr, node: Node, context: OpsContext) {
  const { uid, gid, umask } = context.ownership;
  return {
    ino: node.id,
    size: attr.sizeBytes,
    blocks: Math.ceil(attr.allocatedBytes / 512),
    atime: seconds(attr.mtimeMs),
    mtime: seconds(attr.mtimeMs),
    ctime: seconds(attr.ctimeMs),
    atimeNs: nanoseconds(attr.mtimeMs),
    mtimeNs: nanoseconds(attr.mtimeMs),
    ctimeNs: nanoseconds(attr.ctimeMs),
    mode: fileType[attr.kind] | (attr.mode & 0o7777 & ~umask),
    nlink: attr.kind === "dir" ? 2 : 1,
    uid,
    gid,
    rdev: 0,
    blksize:
      node.kind === "dir" ? blockBytesLeast : Math.max(node.traits.blockBytes, blockBytesLeast),
    attrFlags: 0,
  };
}

function seconds(ms: number): number {
  return Math.max(0, Math.floor(ms / 1000));
}

function nanoseconds(ms: number): number {
  return ms <= 0 ? 0 : Math.floor((ms % 1000) * 1_000_000);
}

/** The rwx bits that a user has, as the kernel itself decides it under default_permissions. */
function permissionBits(
  file: { readonly mode: number; readonly uid: number; readonly gid: number },
  user: { readonly uid: number; readonly gid: number },
): number {
  if (user.uid === 0) return (file.mode & 0o111) !== 0 ? 7 : 6;
  if (user.uid === file.uid) return (file.mode >> 6) & 7;
  if (user.gid === file.gid) return (file.mode >> 3) & 7;
  return file.mode & 7;
}
