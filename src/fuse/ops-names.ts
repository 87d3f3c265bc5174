import { asSheepfsError, SheepfsError } from "../base/errors.ts";
import type { Scope } from "../base/scope.ts";
import type { DirNode, FileNode, Node } from "../tree/node.ts";
import {
  CreateIn,
  EntryOut,
  type fileType,
  LinkIn,
  MkdirIn,
  OpenOut,
  openExclusive,
  Rename2In,
  RenameIn,
  renameFlag,
} from "./abi.ts";
import { makeOnce } from "./act-once.ts";
import { errno } from "./errno.ts";
import { type Message, replyBodyAt } from "./message.ts";
import { nameAt } from "./names.ts";
import type { Handler, OpsContext } from "./ops.ts";
import { writeEntry } from "./ops-attr.ts";
import { closeFile, openAs, openFlagsOf } from "./ops-io.ts";

/**
 * What makes, moves and removes names. A directory without the verb answers EPERM, as the manual pages
 * have it where a filesystem lacks the operation: nothing here may succeed without being done.
 */
export const nameHandlers = {
  MKDIR: async (message, context) => {
    const { dir, name } = placeOf(message, context, MkdirIn.size);
    const { makeDir } = dir;
    if (makeDir === undefined) return message.fail(errno.EPERM);
    const made = await makeOnce(message, context, async () =>
      makeDir.call(dir, name, message.scope),
    );
    // What a predecessor has made is there, and no directory any more that it could be told of.
    if (made === null) message.fail(errno.EEXIST);
    else await replyEntry(message, context, name, made);
  },

  CREATE: async (message, context) => {
    const { dir, name } = placeOf(message, context, CreateIn.size);
    if (dir.makeFile === undefined) return message.fail(errno.EPERM);
    const flags = message.u32(CreateIn.offsets.flags);
    const node = await madeOrThere(dir, name, (flags & openExclusive) !== 0, message.scope);
    const nodeId = context.nodes.remember(node, message.nodeId, name);
    const undo: (() => void)[] = [() => context.nodes.forget(nodeId, 1)];
    let taken = false;
    try {
      const handle = await openAs(node, nodeId, flags, { message, context });
      undo.push(() => closeFile(handle, context));
      const fh = context.handles.add(handle);
      undo.push(() => context.handles.remove(fh.low, fh.high));
      const attr = await node.attr(message.scope);
      writeEntry(message.view, replyBodyAt, { nodeId, node, attr }, context);
      OpenOut.write(message.view, replyBodyAt + EntryOut.size, {
        ...{ fhLow: fh.low, fhHigh: fh.high },
        openFlags: openFlagsOf(node.traits),
      });
      // The kernel may wait no longer, and will then neither forget nor close anything.
      taken = message.reply(EntryOut.size + OpenOut.size);
    } finally {
      if (!taken) for (const step of undo) step();
    }
  },

  LINK: async (message, context) => {
    const { dir, name } = placeOf(message, context, LinkIn.size);
    const { link } = dir;
    if (link === undefined) return message.fail(errno.EPERM);
    const source = context.nodes.get(message.u64(LinkIn.offsets.oldNodeIdLow));
    const linked = await makeOnce(message, context, async () =>
      link.call(dir, source, name, message.scope),
    );
    const made = linked ?? (await dir.lookup(name, message.scope));
    if (made === null) message.fail(errno.ENOENT);
    else await replyEntry(message, context, name, made);
  },

  UNLINK: (message, context) => remove(message, context, "file"),
  RMDIR: (message, context) => remove(message, context, "dir"),
  RENAME: (message, context) => rename(message, context, { size: RenameIn.size, flags: 0 }),
  RENAME2: (message, context) => {
    const flags = message.u32(Rename2In.offsets.flags);
    return rename(message, context, { size: Rename2In.size, flags });
  },
} satisfies Record<string, Handler>;

interface Place {
  readonly dir: DirNode;
  readonly name: string;
}

/** @throws not_directory | invalid for a name that is no UTF-8, which none here is */
function placeOf(message: Message, context: OpsContext, nameOffset: number): Place {
  const dir = context.nodes.get(message.nodeId);
  if (dir.kind !== "dir") throw new SheepfsError("not_directory", "not a directory");
  const name = nameAt(message, nameOffset);
  if (name === null) throw new SheepfsError("invalid", "a name that is no UTF-8; write \\xNN");
  return { dir, name };
}

/** Whoever does not insist on making the file opens what somebody else has made in the same moment. */
async function madeOrThere(
  dir: DirNode,
  name: string,
  exclusive: boolean,
  scope: Scope,
): Promise<FileNode> {
  try {
    const made = await dir.makeFile?.(name, scope);
    if (made !== undefined) return made;
  } catch (thrown) {
    if (exclusive || asSheepfsError(thrown).code !== "exists") throw thrown;
  }
  const there = await dir.lookup(name, scope);
  if (there?.kind === "file") return there;
  throw new SheepfsError("exists", `'${name}' is no file, or just removed`);
}

async function replyEntry(
  message: Message,
  context: OpsContext,
  name: string,
  node: Node,
): Promise<void> {
  const attr = await node.attr(message.scope);
  const nodeId = context.nodes.remember(node, message.nodeId, name);
  writeEntry(message.view, replyBodyAt, { nodeId, node, attr }, context);
  if (!message.reply(EntryOut.size)) context.nodes.forget(nodeId, 1);
}

async function remove(
  message: Message,
  context: OpsContext,
  kind: keyof typeof fileType,
): Promise<void> {
  const { dir, name } = placeOf(message, context, 0);
  const { remove } = dir;
  if (remove === undefined) return message.fail(errno.EPERM);
  await makeOnce(message, context, async () => {
    const node = await dir.lookup(name, message.scope);
    if (node === null) throw new SheepfsError("not_found", `there is no '${name}'`);
    if (node.kind !== kind) {
      const code = kind === "dir" ? "not_directory" : "is_directory";
      throw new SheepfsError(code, `'${name}' is a ${node.kind}`);
    }
    await remove.call(dir, name, message.scope);
    return true;
  });
  message.reply(0);
}

async function rename(
  message: Message,
  context: OpsContext,
  { size, flags }: { readonly size: number; readonly flags: number },
): Promise<void> {
  const { dir, name } = placeOf(message, context, size);
  const into = context.nodes.get(message.u64(RenameIn.offsets.newDirLow));
  const { move } = dir;
  // Not EXDEV: `mv` takes that for a wish to copy everything, and to remove a disk for it.
  if (move === undefined || into.kind !== "dir") return message.fail(errno.EOPNOTSUPP);
  // Two names that change places are nothing that the tree can do at once.
  if ((flags & ~renameFlag.noReplace) !== 0) return message.fail(errno.EINVAL);
  const toName = nameAt(message, size + new TextEncoder().encode(name).length + 1);
  if (toName === null) throw new SheepfsError("invalid", "a name that is no UTF-8; write \\xNN");
  const node = await dir.lookup(name, message.scope);
  await makeOnce(message, context, async () => {
    await move.call(dir, name, into, toName, message.scope);
    return true;
  });
  if (node !== null) context.nodes.moved(node, message.u64(RenameIn.offsets.newDirLow), toName);
  message.reply(0);
}
