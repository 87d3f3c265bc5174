import { assert } from "../base/assert.ts";
import type { Tube } from "../base/transfer.ts";
import { closeFd, readFd, setNonBlocking, writeFd } from "./libc.ts";
import type { Reactor, Watch } from "./reactor.ts";
import { PipeTube, TubePool } from "./tube.ts";

/**
 * `/dev/fuse` once it is mounted, as the port that `fuse/` has of it. Reads and writes give a count
 * or the negative errno; one read is one message and one write is one reply.
 */
export class MountedDevice {
  #fd: number;
  readonly #watch: Watch;

  readonly tubes = new DeviceTubes(() => this.#fd);

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
    this.tubes.close();
    closeFd(this.#fd);
    // The number may soon be another file's; whoever still uses it gets EBADF.
    this.#fd = -1;
  }
}

/** Replies whose body goes from the sheep's socket to the device without a copy in our memory. */
class DeviceTubes {
  readonly #pool = new TubePool();
  /** Where the parts of a reply are joined; made with the first one. */
  #joint: PipeTube | null = null;
  readonly #fd: () => number;

  constructor(fd: () => number) {
    this.#fd = fd;
  }

  take(): Tube | null {
    return this.#pool.take();
  }

  give(tube: Tube): void {
    assert(tube instanceof PipeTube, "a tube comes back to whom it is from");
    this.#pool.give(tube);
  }

  /** One message is one write to the device, so all is joined behind the head first. */
  send(head: Uint8Array, headAt: number, headLength: number, tubes: readonly Tube[]): number {
    this.#joint ??= PipeTube.open();
    const joint = this.#joint;
    let joined = joint?.begin(head, headAt, headLength) ?? false;
    for (const tube of tubes) {
      joined &&= joint !== null && tube instanceof PipeTube && tube.moveTo(joint);
    }
    const sent =
      joint !== null && joined
        ? joint.send(this.#fd())
        : this.#sendCopied(head, headAt, headLength, joint, tubes);
    joint?.clear();
    return sent;
  }

  /** They have more pages than one pipe takes: by way of the buffer behind the head. */
  #sendCopied(
    head: Uint8Array,
    headAt: number,
    headLength: number,
    joint: PipeTube | null,
    tubes: readonly Tube[],
  ): number {
    this.#pool.refuse();
    let end = headAt + headLength;
    if (joint !== null && joint.bytes > 0) {
      end = headAt + joint.bytes;
      joint.drain(head, headAt);
    }
    for (const tube of tubes) {
      const { bytes } = tube;
      tube.drain(head, end);
      end += bytes;
    }
    return writeFd(this.#fd(), head, headAt, end - headAt, null, 0, 0);
  }

  close(): void {
    this.#pool.close();
    this.#joint?.close();
    this.#joint = null;
  }
}
