import { i32, struct, u16, u32, u64 } from "../base/struct.ts";

// The kernel's side of FUSE: <linux/fuse.h>, minor versions 23 to 45. Little-endian machines only,
// as everything Bun runs on is.

export const fuseMajor = 7;
/** The newest minor whose messages are all known here. */
export const fuseMinor = 45;
/** Linux 3.15. Older kernels have shorter structs, and Bun does not start on them. */
export const fuseMinorLeast = 23;
export const rootNodeId = 1;

export const InHeader = struct(
  {
    len: u32(0),
    opcode: u32(4),
    uniqueLow: u32(8),
    uniqueHigh: u32(12),
    nodeIdLow: u32(16),
    nodeIdHigh: u32(20),
    uid: u32(24),
    gid: u32(28),
    pid: u32(32),
    extensionWords: u16(36),
  },
  { size: 40 },
);

export const OutHeader = struct(
  { len: u32(0), error: i32(4), uniqueLow: u32(8), uniqueHigh: u32(12) },
  { size: 16 },
);

const attrFields = (at: number) => ({
  ino: u64(at),
  size: u64(at + 8),
  blocks: u64(at + 16),
  atime: u64(at + 24),
  mtime: u64(at + 32),
  ctime: u64(at + 40),
  atimeNs: u32(at + 48),
  mtimeNs: u32(at + 52),
  ctimeNs: u32(at + 56),
  mode: u32(at + 60),
  nlink: u32(at + 64),
  uid: u32(at + 68),
  gid: u32(at + 72),
  rdev: u32(at + 76),
  blksize: u32(at + 80),
  attrFlags: u32(at + 84),
});

export const AttrOut = struct(
  { validS: u64(0), validNs: u32(8), ...attrFields(16) },
  { size: 104 },
);

export const EntryOut = struct(
  {
    nodeId: u64(0),
    generation: u64(8),
    entryValidS: u64(16),
    attrValidS: u64(24),
    entryValidNs: u32(32),
    attrValidNs: u32(36),
    ...attrFields(40),
  },
  { size: 128 },
);

/** In front of each name of a directory; padded to 8 bytes with its name. */
export const Dirent = struct(
  { ino: u64(0), off: u64(8), nameBytes: u32(16), type: u32(20) },
  { size: 24 },
);

export const InitIn = struct(
  { major: u32(0), minor: u32(4), maxReadahead: u32(8), flags: u32(12) },
  { size: 16 },
);

/** From minor 36 on, with `initFlag.initExt`. */
export const InitInExtended = struct(
  { major: u32(0), minor: u32(4), maxReadahead: u32(8), flags: u32(12), flags2: u32(16) },
  { size: 64 },
);

export const InitOut = struct(
  {
    major: u32(0),
    minor: u32(4),
    maxReadahead: u32(8),
    flags: u32(12),
    maxBackground: u16(16),
    congestionThreshold: u16(18),
    maxWrite: u32(20),
    timeGranNs: u32(24),
    maxPages: u16(28),
    mapAlignment: u16(30),
    flags2: u32(32),
  },
  { size: 64 },
);

export const initFlag = {
  asyncRead: 1 << 0,
  atomicTrunc: 1 << 3,
  bigWrites: 1 << 5,
  autoInvalData: 1 << 12,
  readdirPlus: 1 << 13,
  readdirPlusAuto: 1 << 14,
  asyncDio: 1 << 15,
  parallelDirops: 1 << 18,
  maxPages: 1 << 22,
  handleKillprivV2: 1 << 28,
  initExt: 1 << 30,
} as const;

/** Bits 32 and up, shifted down. */
export const initFlag2 = {
  directIoAllowMmap: 1 << 4,
  hasResend: 1 << 7,
} as const;

export const ForgetIn = struct({ lookups: u64(0) }, { size: 8 });
export const BatchForgetIn = struct({ count: u32(0) }, { size: 8 });
export const ForgetOne = struct({ nodeId: u64(0), lookups: u64(8) }, { size: 16 });
/** Of open(2), as the kernel passes it on. */
export const openExclusive = 0o200;

export const InterruptIn = struct({ uniqueLow: u32(0), uniqueHigh: u32(4) }, { size: 8 });
export const GetattrIn = struct({ flags: u32(0), fhLow: u32(8), fhHigh: u32(12) }, { size: 16 });

export const SetattrIn = struct(
  {
    valid: u32(0),
    fhLow: u32(8),
    fhHigh: u32(12),
    sizeLow: u32(16),
    sizeHigh: u32(20),
    mode: u32(68),
    uid: u32(76),
    gid: u32(80),
  },
  { size: 88 },
);

export const setattrValid = {
  mode: 1 << 0,
  uid: 1 << 1,
  gid: 1 << 2,
  size: 1 << 3,
  atime: 1 << 4,
  mtime: 1 << 5,
  ctime: 1 << 10,
} as const;

export const StatxIn = struct(
  { getattrFlags: u32(0), fhLow: u32(8), fhHigh: u32(12), sxFlags: u32(16), sxMask: u32(20) },
  { size: 24 },
);

export const StatxOut = struct(
  {
    validS: u64(0),
    validNs: u32(8),
    mask: u32(32),
    blksize: u32(36),
    nlink: u32(48),
    uid: u32(52),
    gid: u32(56),
    mode: u16(60),
    ino: u64(64),
    size: u64(72),
    blocks: u64(80),
    atime: u64(96),
    atimeNs: u32(104),
    birthtime: u64(112),
    birthtimeNs: u32(120),
    ctime: u64(128),
    ctimeNs: u32(136),
    mtime: u64(144),
    mtimeNs: u32(152),
  },
  { size: 288 },
);

/** STATX_BASIC_STATS and STATX_BTIME: all that we know. */
export const statxMask = 0xfff;

export const OpenIn = struct({ flags: u32(0), openFlags: u32(4) }, { size: 8 });
export const OpenOut = struct({ fhLow: u32(0), fhHigh: u32(4), openFlags: u32(8) }, { size: 16 });

export const openFlag = {
  directIo: 1 << 0,
  keepCache: 1 << 1,
  parallelDirectWrites: 1 << 6,
} as const;

export const ReleaseIn = struct(
  { fhLow: u32(0), fhHigh: u32(4), flags: u32(8), releaseFlags: u32(12) },
  { size: 24 },
);
export const FlushIn = struct({ fhLow: u32(0), fhHigh: u32(4) }, { size: 24 });
export const FsyncIn = struct({ fhLow: u32(0), fhHigh: u32(4), flags: u32(8) }, { size: 16 });

/** READ, READDIR and READDIRPLUS. */
export const ReadIn = struct(
  {
    fhLow: u32(0),
    fhHigh: u32(4),
    offsetLow: u32(8),
    offsetHigh: u32(12),
    size: u32(16),
    readFlags: u32(20),
    flags: u32(32),
  },
  { size: 40 },
);

export const WriteIn = struct(
  {
    fhLow: u32(0),
    fhHigh: u32(4),
    offsetLow: u32(8),
    offsetHigh: u32(12),
    size: u32(16),
    writeFlags: u32(20),
    flags: u32(32),
  },
  { size: 40 },
);
export const WriteOut = struct({ size: u32(0) }, { size: 8 });

export const StatfsOut = struct(
  {
    blocks: u64(0),
    blocksFree: u64(8),
    blocksAvailable: u64(16),
    files: u64(24),
    filesFree: u64(32),
    blockBytes: u32(40),
    nameBytesMax: u32(44),
    fragmentBytes: u32(48),
  },
  { size: 80 },
);

export const AccessIn = struct({ mask: u32(0) }, { size: 8 });
export const XattrSizeIn = struct({ size: u32(0) }, { size: 8 });
export const XattrSizeOut = struct({ size: u32(0) }, { size: 8 });
export const SetxattrIn = struct({ size: u32(0), flags: u32(4) }, { size: 8 });
export const MknodIn = struct({ mode: u32(0), rdev: u32(4), umask: u32(8) }, { size: 16 });
export const MkdirIn = struct({ mode: u32(0), umask: u32(4) }, { size: 8 });
export const RenameIn = struct({ newDirLow: u32(0), newDirHigh: u32(4) }, { size: 8 });
export const Rename2In = struct(
  { newDirLow: u32(0), newDirHigh: u32(4), flags: u32(8) },
  { size: 16 },
);
export const renameFlag = { noReplace: 1 } as const;
export const LinkIn = struct({ oldNodeIdLow: u32(0), oldNodeIdHigh: u32(4) }, { size: 8 });
export const CreateIn = struct(
  { flags: u32(0), mode: u32(4), umask: u32(8), openFlags: u32(12) },
  { size: 16 },
);
export const LockIn = struct(
  { fhLow: u32(0), fhHigh: u32(4), type: u32(32), pid: u32(36), lockFlags: u32(40) },
  { size: 48 },
);
export const BmapIn = struct(
  { blockLow: u32(0), blockHigh: u32(4), blockBytes: u32(8) },
  { size: 16 },
);
export const IoctlIn = struct(
  {
    fhLow: u32(0),
    fhHigh: u32(4),
    flags: u32(8),
    command: u32(12),
    inBytes: u32(24),
    outBytes: u32(28),
  },
  { size: 32 },
);
export const PollIn = struct(
  { fhLow: u32(0), fhHigh: u32(4), flags: u32(16), events: u32(20) },
  { size: 24 },
);

export const FallocateIn = struct(
  {
    fhLow: u32(0),
    fhHigh: u32(4),
    offsetLow: u32(8),
    offsetHigh: u32(12),
    lengthLow: u32(16),
    lengthHigh: u32(20),
    mode: u32(24),
  },
  { size: 32 },
);
export const fallocateMode = { keepSize: 0x01, punchHole: 0x02, zeroRange: 0x10 } as const;

export const LseekIn = struct(
  { fhLow: u32(0), fhHigh: u32(4), offsetLow: u32(8), offsetHigh: u32(12), whence: u32(16) },
  { size: 24 },
);
export const LseekOut = struct({ offset: u64(0) }, { size: 8 });
export const seekWhence = { data: 3, hole: 4 } as const;

export const CopyFileRangeIn = struct(
  { fhInLow: u32(0), fhInHigh: u32(4), fhOutLow: u32(24), fhOutHigh: u32(28) },
  { size: 56 },
);

export const NotifyInvalInode = struct(
  {
    nodeId: u64(0),
    offsetLow: u32(8),
    offsetHigh: u32(12),
    lengthLow: u32(16),
    lengthHigh: u32(20),
  },
  { size: 24 },
);
export const notifyCode = { invalInode: 2, resend: 7 } as const;
/** In the upper half of a message's number: it was read before, by us or by a predecessor. */
export const resentBit = 0x8000_0000;

export const fileType = { dir: 0o040000, file: 0o100000 } as const;
export const accessMode = 3;
