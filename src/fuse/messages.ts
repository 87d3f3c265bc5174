import {
  AccessIn,
  AttrOut,
  BatchForgetIn,
  BmapIn,
  CopyFileRangeIn,
  CreateIn,
  EntryOut,
  FallocateIn,
  FlushIn,
  ForgetIn,
  FsyncIn,
  GetattrIn,
  InHeader,
  InitIn,
  InitOut,
  InterruptIn,
  IoctlIn,
  LinkIn,
  LockIn,
  LseekIn,
  LseekOut,
  MkdirIn,
  MknodIn,
  OpenIn,
  OpenOut,
  PollIn,
  ReadIn,
  ReleaseIn,
  Rename2In,
  RenameIn,
  SetattrIn,
  SetxattrIn,
  StatfsOut,
  StatxIn,
  StatxOut,
  WriteIn,
  WriteOut,
  XattrSizeIn,
} from "./abi.ts";

/** What the printer and the length check need of a struct. */
interface Fields {
  readonly size: number;
  readonly offsets: Readonly<Record<string, number>>;
}

export interface MessageRow {
  readonly opcode: number;
  /** The struct behind the header; null when the names come at once. */
  readonly fields: Fields | null;
  /** NUL-terminated names behind it. */
  readonly names: 0 | 1 | 2;
  /** The body of a good answer: its length, "bytes" where that varies, "none" for no answer. */
  readonly answer: number | "bytes" | "none";
}

const row = (
  opcode: number,
  fields: Fields | null,
  names: 0 | 1 | 2,
  answer: MessageRow["answer"],
): MessageRow => ({ opcode, fields, names, answer });

/** Every message that a kernel sends to a filesystem, up to minor 45. */
export const messageTable = {
  LOOKUP: row(1, null, 1, EntryOut.size),
  FORGET: row(2, ForgetIn, 0, "none"),
  GETATTR: row(3, GetattrIn, 0, AttrOut.size),
  SETATTR: row(4, SetattrIn, 0, AttrOut.size),
  READLINK: row(5, null, 0, "bytes"),
  SYMLINK: row(6, null, 2, EntryOut.size),
  MKNOD: row(8, MknodIn, 1, EntryOut.size),
  MKDIR: row(9, MkdirIn, 1, EntryOut.size),
  UNLINK: row(10, null, 1, 0),
  RMDIR: row(11, null, 1, 0),
  RENAME: row(12, RenameIn, 2, 0),
  LINK: row(13, LinkIn, 1, EntryOut.size),
  OPEN: row(14, OpenIn, 0, OpenOut.size),
  READ: row(15, ReadIn, 0, "bytes"),
  WRITE: row(16, WriteIn, 0, WriteOut.size),
  STATFS: row(17, null, 0, StatfsOut.size),
  RELEASE: row(18, ReleaseIn, 0, 0),
  FSYNC: row(20, FsyncIn, 0, 0),
  SETXATTR: row(21, SetxattrIn, 1, 0),
  GETXATTR: row(22, XattrSizeIn, 1, "bytes"),
  LISTXATTR: row(23, XattrSizeIn, 0, "bytes"),
  REMOVEXATTR: row(24, null, 1, 0),
  FLUSH: row(25, FlushIn, 0, 0),
  INIT: row(26, InitIn, 0, InitOut.size),
  OPENDIR: row(27, OpenIn, 0, OpenOut.size),
  READDIR: row(28, ReadIn, 0, "bytes"),
  RELEASEDIR: row(29, ReleaseIn, 0, 0),
  FSYNCDIR: row(30, FsyncIn, 0, 0),
  GETLK: row(31, LockIn, 0, "bytes"),
  SETLK: row(32, LockIn, 0, 0),
  SETLKW: row(33, LockIn, 0, 0),
  ACCESS: row(34, AccessIn, 0, 0),
  CREATE: row(35, CreateIn, 1, EntryOut.size + OpenOut.size),
  INTERRUPT: row(36, InterruptIn, 0, "none"),
  BMAP: row(37, BmapIn, 0, 8),
  DESTROY: row(38, null, 0, 0),
  IOCTL: row(39, IoctlIn, 0, "bytes"),
  POLL: row(40, PollIn, 0, 8),
  NOTIFY_REPLY: row(41, null, 0, "none"),
  BATCH_FORGET: row(42, BatchForgetIn, 0, "none"),
  FALLOCATE: row(43, FallocateIn, 0, 0),
  READDIRPLUS: row(44, ReadIn, 0, "bytes"),
  RENAME2: row(45, Rename2In, 2, 0),
  LSEEK: row(46, LseekIn, 0, LseekOut.size),
  COPY_FILE_RANGE: row(47, CopyFileRangeIn, 0, WriteOut.size),
  SETUPMAPPING: row(48, null, 0, 0),
  REMOVEMAPPING: row(49, null, 0, 0),
  SYNCFS: row(50, null, 0, 0),
  TMPFILE: row(51, CreateIn, 1, EntryOut.size + OpenOut.size),
  STATX: row(52, StatxIn, 0, StatxOut.size),
  COPY_FILE_RANGE_64: row(53, CopyFileRangeIn, 0, 8),
} satisfies Record<string, MessageRow>;

export type MessageName = keyof typeof messageTable;

// Object.keys of a literal gives its keys; the type only says string.
export const messageNames = Object.keys(messageTable) as MessageName[];

const nameByOpcode = new Map(messageNames.map((name) => [messageTable[name].opcode, name]));

/** The message's name, null for one that is not known. */
export function messageNameOf(opcode: number): MessageName | null {
  return nameByOpcode.get(opcode) ?? null;
}

/** Whether a message of `bytes` can hold what its kind says. */
export function isLongEnough(name: MessageName, bytes: number): boolean {
  const { fields, names } = messageTable[name];
  return bytes >= InHeader.size + (fields?.size ?? 0) + names;
}

/**
 * A message in words, for the debug log: `17 READ nodeid=3 fhLow=0 offset=4096 size=4096`. Takes
 * any bytes.
 */
export function printMessage(bytes: Uint8Array): string {
  if (bytes.length < InHeader.size) return `a message of ${bytes.length} bytes`;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const header = InHeader.read(view, 0);
  const name = messageNameOf(header.opcode);
  const head = `${number(header.uniqueLow, header.uniqueHigh)} ${name ?? `opcode ${header.opcode}`}`;
  const from = `nodeid=${number(header.nodeIdLow, header.nodeIdHigh)} pid=${header.pid}`;
  if (name === null) return `${head} ${from} ${bytes.length} bytes`;
  if (!isLongEnough(name, bytes.length)) return `${head} ${from} cut at ${bytes.length} bytes`;
  const { fields, names } = messageTable[name];
  const words = [head, from, ...printFields(fields, view)];
  let at = InHeader.size + (fields?.size ?? 0);
  for (let index = 0; index < names; index += 1) {
    const end = bytes.indexOf(0, at);
    const text = new TextDecoder().decode(bytes.subarray(at, end < 0 ? bytes.length : end));
    words.push(JSON.stringify(text));
    at = end < 0 ? bytes.length : end + 1;
  }
  if (name === "WRITE") words.push(`+${bytes.length - at} bytes`);
  return words.join(" ");
}

function printFields(fields: Fields | null, view: DataView): string[] {
  return Object.entries(fields?.offsets ?? {}).flatMap(([field, offset]) => {
    if (field.endsWith("High")) return [];
    const at = InHeader.size + offset;
    const low = view.getUint32(at, true);
    if (!field.endsWith("Low")) return [`${field}=${low}`];
    return [`${field.slice(0, -3)}=${number(low, view.getUint32(at + 4, true))}`];
  });
}

function number(low: number, high: number): string {
  return high > 0x1f_ffff
    ? `0x${high.toString(16)}:${low.toString(16)}`
    : String(low + high * 2 ** 32);
}
