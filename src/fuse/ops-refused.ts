import { errno } from "./errno.ts";
import type { Handler } from "./ops.ts";

/** An answer that is always the same. */
function refuse(error: number): Handler {
  return (message) => {
    message.fail(error);
  };
}

/**
 * What the tree has no verb for. Nothing here may succeed without being done: a program that is
 * told its file was removed acts on it.
 */
export const refusedHandlers = {
  // The manual pages' answer where a filesystem lacks the operation.
  MKNOD: refuse(errno.EPERM),
  SYMLINK: refuse(errno.EPERM),
  TMPFILE: refuse(errno.EOPNOTSUPP),
  READLINK: refuse(errno.EINVAL),

  // ENOSYS is remembered by the kernel for the life of the mount, so it stands where the answer
  // never changes. Programs see EOPNOTSUPP for xattrs, or the kernel does the work itself (copies).
  SETXATTR: refuse(errno.ENOSYS),
  REMOVEXATTR: refuse(errno.ENOSYS),
  COPY_FILE_RANGE: refuse(errno.ENOSYS),
  COPY_FILE_RANGE_64: refuse(errno.ENOSYS),
  POLL: refuse(errno.ENOSYS),
  BMAP: refuse(errno.ENOSYS),
  SYNCFS: refuse(errno.ENOSYS),
  // Not asked for at INIT: the kernel keeps locks itself and sends none of these.
  GETLK: refuse(errno.ENOSYS),
  SETLK: refuse(errno.ENOSYS),
  SETLKW: refuse(errno.ENOSYS),
  SETUPMAPPING: refuse(errno.ENOSYS),
  REMOVEMAPPING: refuse(errno.ENOSYS),

  IOCTL: refuse(errno.ENOTTY),
} satisfies Record<string, Handler>;
