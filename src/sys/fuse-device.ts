import { closeFd, readFd, setNonBlocking, writeFd } from "./libc.ts";
import type { Reactor, Watch } from "./reactor.ts";

/**
 * `/dev/fuse` once it is mounted, as the port that `fuse/` has of it. Reads and writes give a count
 * or the negative errno; one read is one message and one write is one reply.
 */
export class MountedDevice {
  #fd: number;
  readonly #watch: Watch;

  /** Owns `fd`. `readable` is called while there is something to read and it is watched. */
  constructor(reactor: Reactor, fd: number, readable: () => void) {
    this.#fd = fd;
    setNonBlocking(fd);
    this.#watch = reactor.watch(fd, { readable, writable() {} });
  }

  read(into: Uint8Array, at: number, length: number): number {
    return readFd(this.#fd, into, at, length);
  }

  write(
    head: Uint8Array,
    headAt: number,
    headLength: number,
    body: Uint8Array | null,
    bodyAt: number,
    bodyLength: number,
  ): number {
    return writeFd(this.#fd, head, headAt, headLength, body, bodyAt, bodyLength);
  }

  watch(watching: boolean): void {
    if (this.#fd >= 0) this.#watch.want(watching, false);
  }

  close(): void {
    if (this.#fd < 0) return;
    this.#watch.end();
    closeFd(this.#fd);
    // The number may soon be another file's; whoever still uses it gets EBADF.
    this.#fd = -1;
  }
}
