import type { ErrorCode } from "../base/errors.ts";

/** Linux numbers, the same on every architecture that Bun runs on. */
export const errno = {
  EPERM: 1,
  ENOENT: 2,
  EINTR: 4,
  EIO: 5,
  EBADF: 9,
  EAGAIN: 11,
  EACCES: 13,
  EBUSY: 16,
  EEXIST: 17,
  ENODEV: 19,
  ENOTDIR: 20,
  EISDIR: 21,
  EINVAL: 22,
  EMFILE: 24,
  ENOTTY: 25,
  EFBIG: 27,
  ENOSPC: 28,
  EROFS: 30,
  ERANGE: 34,
  ENAMETOOLONG: 36,
  ENOSYS: 38,
  ENOTEMPTY: 39,
  ENXIO: 6,
  ENODATA: 61,
  EPROTO: 71,
  EOPNOTSUPP: 95,
  ECONNABORTED: 103,
  ETIMEDOUT: 110,
  ESTALE: 116,
} as const;

/** What a program sees when an operation fails; the only place where this is decided. */
export const errnoOf: Record<ErrorCode, number> = {
  not_found: errno.ENOENT,
  exists: errno.EEXIST,
  not_directory: errno.ENOTDIR,
  is_directory: errno.EISDIR,
  not_empty: errno.ENOTEMPTY,
  invalid: errno.EINVAL,
  name_too_long: errno.ENAMETOOLONG,
  range: errno.EINVAL,
  read_only: errno.EROFS,
  denied: errno.EACCES,
  busy: errno.EBUSY,
  no_space: errno.ENOSPC,
  too_large: errno.EFBIG,
  not_supported: errno.EOPNOTSUPP,
  cancelled: errno.EINTR,
  overload: errno.EAGAIN,
  not_ready: errno.EIO,
  unavailable: errno.EIO,
  timed_out: errno.ETIMEDOUT,
  version: errno.EPROTO,
  corrupt: errno.EIO,
  stale: errno.ESTALE,
  internal: errno.EIO,
};

/** Troubles of the cluster, and how long it takes to be over, that are no business of a disk's user. */
const diskTroubles: ReadonlySet<ErrorCode> = new Set<ErrorCode>([
  "overload",
  "timed_out",
  "version",
]);

/**
 * The same for reads, writes and fsync: programs that do I/O expect EIO for every trouble of a
 * disk, and would take EAGAIN for an invitation to poll.
 */
export function ioErrnoOf(code: ErrorCode): number {
  return diskTroubles.has(code) ? errno.EIO : errnoOf[code];
}
