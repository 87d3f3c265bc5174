import { asSheepfsError, SheepfsError } from "../base/errors.ts";
import { limits } from "../base/limits.ts";
import type { FileNode, FileTraits, OpenFile, OpenMode } from "../tree/node.ts";
import {
  accessMode,
  FallocateIn,
  FlushIn,
  FsyncIn,
  fallocateMode,
  LseekIn,
  LseekOut,
  OpenIn,
  OpenOut,
  openFlag,
  ReadIn,
  ReleaseIn,
  seekWhence,
  WriteIn,
} from "./abi.ts";
import { actOnce } from "./act-once.ts";
import { errno } from "./errno.ts";
import type { FileHandle } from "./handles.ts";
import { type Message, replyBodyAt, writeDataAt } from "./message.ts";
import type { Handler, OpsContext } from "./ops.ts";

const readFh = ReadIn.offsets.fhLow;
const readSize = ReadIn.offsets.size;
const readOffset = ReadIn.offsets.offsetLow;
const writeFh = WriteIn.offsets.fhLow;
const writeSize = WriteIn.offsets.size;
const writeOffset = WriteIn.offsets.offsetLow;

const openModes: Record<number, OpenMode> = { 0: "read", 1: "write", 2: "readwrite" };

export const ioHandlers = {
  OPEN: open,
  READ: read,
  WRITE: write,

  FLUSH: async (message, context) => {
    const handle = handleOf(message, context, FlushIn.offsets.fhLow);
    const low = message.u32(FlushIn.offsets.fhLow);
    await actOnce(message, { handle, low }, context, async () => {
      await handle.file.flush(message.scope);
      return 0;
    });
    message.reply(0);
  },

  FSYNC: async (message, context) => {
    const handle = handleOf(message, context, FsyncIn.offsets.fhLow);
    await handle.file.sync(message.scope);
    message.reply(0);
  },

  RELEASE: (message, context) => {
    const low = message.u32(ReleaseIn.offsets.fhLow);
    const handle = context.handles.remove(low, message.u32(ReleaseIn.offsets.fhHigh));
    if (handle === null || handle.kind !== "file") {
      message.fail(errno.EBADF);
      return;
    }
    // close(2) has long returned: there is nobody to wait, and nobody to tell.
    closeFile(handle, context);
    message.reply(0);
  },

  LSEEK: lseek,
  FALLOCATE: fallocate,
} satisfies Record<string, Handler>;

export function closeFile(handle: FileHandle, context: OpsContext): void {
  handle.file.close().catch((thrown: unknown) => {
    context.log.error("closing a file failed", asSheepfsError(thrown));
  });
}

async function open(message: Message, context: OpsContext): Promise<void> {
  const node = context.nodes.get(message.nodeId);
  if (node.kind === "dir") throw new SheepfsError("is_directory", "a directory cannot be opened");
  const flags = message.u32(OpenIn.offsets.flags);
  // O_TRUNC needs no act: a control file takes its line from the start, and a volume is emptied as
  // little as a disk is when a program opens it so (dd and cp do).
  const handle = await openAs(node, message.nodeId, flags, { message, context });
  const fh = context.handles.add(handle);
  OpenOut.write(message.view, replyBodyAt, {
    fhLow: fh.low,
    fhHigh: fh.high,
    openFlags: openFlagsOf(node.traits),
  });
  if (message.reply(OpenOut.size)) return;
  context.handles.remove(fh.low, fh.high);
  closeFile(handle, context);
}

/** @throws invalid for a mode that there is not | read_only | overload | whatever opening throws */
export async function openAs(
  node: FileNode,
  nodeId: number,
  flags: number,
  { message, context }: { readonly message: Message; readonly context: OpsContext },
): Promise<FileHandle> {
  const mode = openModes[flags & accessMode];
  if (mode === undefined) throw new SheepfsError("invalid", "a file is opened to read or write");
  if (context.readOnly && mode !== "read") {
    throw new SheepfsError("read_only", "the mount is read-only");
  }
  if (context.handles.size >= limits.handlesMax) {
    throw new SheepfsError("overload", `more than ${limits.handlesMax} files are open`);
  }
  const file = await node.open(mode, message.scope);
  const text = context.notes === null ? null : await textOf(file, message);
  return { kind: "file", nodeId, mode, file, text };
}

/** All of a text, as whoever opened it reads it to the end from this rendering. */
async function textOf(file: OpenFile, message: Message): Promise<Uint8Array | null> {
  if (file.submitRead !== undefined) return null;
  const bytes = new Uint8Array(Math.min(file.sizeBytes(), limits.savedTextBytesMax + 1));
  await file.read(bytes, 0, message.scope);
  return bytes;
}

export function openFlagsOf(traits: FileTraits): number {
  if (traits.immutable && !traits.directIo) return openFlag.keepCache;
  if (!traits.directIo) return 0;
  // Without the second flag the kernel lets only one write at a time into a file.
  return traits.seekable ? openFlag.directIo | openFlag.parallelDirectWrites : openFlag.directIo;
}

/** @throws stale for an fh that is not open */
function handleOf(message: Message, context: OpsContext, fhAt: number): FileHandle {
  const handle = context.handles.file(message.u32(fhAt), message.u32(fhAt + 4));
  if (handle === null) throw new SheepfsError("stale", "the file is not open");
  return handle;
}

// The hot path: no closure, Promise, view or string, except for files without submitRead/Write.
function read(message: Message, context: OpsContext): void | Promise<void> {
  const handle = context.handles.file(message.u32(readFh), message.u32(readFh + 4));
  const size = message.u32(readSize);
  if (handle === null || handle.mode === "write") {
    message.fail(errno.EBADF);
    return;
  }
  if (size > limits.messageBytesMax) {
    message.fail(errno.EINVAL);
    return;
  }
  const offset = message.u64(readOffset);
  const file = handle.file;
  if (file.submitRead === undefined) return readText(message, handle, offset, size);
  const end = file.sizeBytes();
  const length = offset >= end ? 0 : Math.min(size, end - offset);
  if (length === 0) message.reply(0);
  else file.submitRead(message.asRead(offset, length));
}

async function readText(
  message: Message,
  handle: FileHandle,
  offset: number,
  size: number,
): Promise<void> {
  const into = message.buffer.subarray(replyBodyAt, replyBodyAt + size);
  message.reply(size === 0 ? 0 : await handle.file.read(into, offset, message.scope));
}

function write(message: Message, context: OpsContext): void | Promise<void> {
  const handle = context.handles.file(message.u32(writeFh), message.u32(writeFh + 4));
  const size = message.u32(writeSize);
  if (handle === null || handle.mode === "read") {
    message.fail(errno.EBADF);
    return;
  }
  if (size > limits.messageBytesMax || message.bytes !== writeDataAt + size) {
    message.fail(errno.EINVAL);
    return;
  }
  const offset = message.u64(writeOffset);
  const file = handle.file;
  if (file.submitWrite === undefined) return writeText(message, context, { handle, offset, size });
  const end = file.sizeBytes();
  if (size === 0) message.replyWritten(0);
  // At the end and behind it at once: a short count of 0 makes a shell's >> try for ever.
  else if (offset >= end) message.fail(errno.ENOSPC);
  else file.submitWrite(message.asWrite(offset, Math.min(size, end - offset)));
}

async function writeText(
  message: Message,
  context: OpsContext,
  what: { readonly handle: FileHandle; readonly offset: number; readonly size: number },
): Promise<void> {
  const { handle, offset, size } = what;
  const from = message.buffer.subarray(writeDataAt, writeDataAt + size);
  const act = async () => await handle.file.write(from, offset, message.scope);
  message.replyWritten(await actOnce(message, { handle, low: message.u32(writeFh) }, context, act));
}

async function lseek(message: Message, context: OpsContext): Promise<void> {
  const { file } = handleOf(message, context, LseekIn.offsets.fhLow);
  const whence = message.u32(LseekIn.offsets.whence);
  const offset = message.u64(LseekIn.offsets.offsetLow);
  if (whence !== seekWhence.data && whence !== seekWhence.hole) {
    message.fail(errno.EINVAL);
    return;
  }
  const size = file.sizeBytes();
  const what = whence === seekWhence.data ? "data" : "hole";
  if (offset >= size) {
    message.fail(errno.ENXIO);
    return;
  }
  // A file that does not tell is data throughout; every file ends in a hole.
  const plain = what === "data" ? offset : size;
  const found = file.seek === undefined ? plain : await file.seek(offset, what, message.scope);
  if (found === null && what === "data") {
    message.fail(errno.ENXIO);
    return;
  }
  LseekOut.write(message.view, replyBodyAt, { offset: Math.min(found ?? size, size) });
  message.reply(LseekOut.size);
}

/**
 * Punching and zeroing inside the file give space back. Plain preallocation promises that no later
 * write fails for want of space, which nobody can promise here, so it is refused.
 */
async function fallocate(message: Message, context: OpsContext): Promise<void> {
  const handle = handleOf(message, context, FallocateIn.offsets.fhLow);
  const { file } = handle;
  const mode = message.u32(FallocateIn.offsets.mode);
  const offset = message.u64(FallocateIn.offsets.offsetLow);
  const length = message.u64(FallocateIn.offsets.lengthLow);
  if (handle.mode === "read") {
    message.fail(errno.EBADF);
    return;
  }
  if (length === 0) {
    message.fail(errno.EINVAL);
    return;
  }
  const how = mode & ~fallocateMode.keepSize;
  const keepsSize = (mode & fallocateMode.keepSize) !== 0;
  const zeroes = how === fallocateMode.punchHole || how === fallocateMode.zeroRange;
  const size = file.sizeBytes();
  if (file.discard === undefined || !zeroes) {
    throw new SheepfsError("not_supported", "space cannot be reserved here");
  }
  if (!keepsSize && offset + length > size) {
    message.fail(errno.ENOSPC);
    return;
  }
  const inside = Math.min(length, size - offset);
  if (inside > 0) await file.discard({ offset, length: inside }, message.scope);
  message.reply(0);
}
