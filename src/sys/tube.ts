import { ptr } from "bun:ffi";
import { assert } from "../base/assert.ts";
import { limits } from "../base/limits.ts";
import { type Tube, tubeFull } from "../base/transfer.ts";
import { closeFd, errnoNumber, libc, readFd, result, stableBytes, writeFd } from "./libc.ts";

const nonBlocking = 0o4000;
const closeOnExec = 0o2000000;
const setPipeBytes = 1031; // F_SETPIPE_SZ
const bytesWaiting = 0x541b; // FIONREAD
/** Of the splice itself; a device or socket has its own say. */
const spliceNonBlocking = 2;
const scratch = stableBytes(64 * 1024);
const pair = new Int32Array(stableBytes(8).buffer);
const waiting = new Int32Array(stableBytes(8).buffer);

/** Lets a pipe hold more, so that its two ends wait for each other less; anything else stays as it is. */
export function widenPipe(fd: number): void {
  libc.fcntl(fd, setPipeBytes, limits.tubeBytes);
}

/** A pipe that keeps the pages a socket received, as they are. */
export class PipeTube implements Tube {
  readonly #out: number;
  readonly #in: number;
  #bytes = 0;

  private constructor(out: number, into: number) {
    this.#out = out;
    this.#in = into;
  }

  /** @returns null where the process may have no further pipe of that size */
  static open(): PipeTube | null {
    if (libc.pipe2(ptr(pair), nonBlocking | closeOnExec) < 0) return null;
    const [out = -1, into = -1] = pair;
    if (libc.fcntl(into, setPipeBytes, limits.tubeBytes) >= limits.tubeBytes) {
      return new PipeTube(out, into);
    }
    closeFd(out);
    closeFd(into);
    return null;
  }

  get bytes(): number {
    return this.#bytes;
  }

  /** Puts bytes of memory in front of what follows, into an empty tube. */
  begin(bytes: Uint8Array, at: number, length: number): boolean {
    assert(this.#bytes === 0, "a head is the first");
    const count = writeFd(this.#in, bytes, at, length, null, 0, 0);
    this.#bytes = Math.max(0, count);
    return count === length;
  }

  /**
   * Moves what has arrived at a socket into the tube, `length` bytes at most.
   * @returns as reading it would: the count, 0 at the end, or the negative errno; or `tubeFull`
   */
  fill(socket: number, length: number): number {
    const count = splice(socket, this.#in, length);
    if (count > 0) this.#bytes += count;
    if (count !== -errnoNumber.EAGAIN) return count;
    // Either side may be meant.
    libc.ioctl(socket, bytesWaiting, ptr(waiting));
    return (waiting[0] ?? 0) > 0 ? tubeFull : count;
  }

  /** Moves all of it behind what another tube has. @returns false when that took less */
  moveTo(other: PipeTube): boolean {
    while (this.#bytes > 0) {
      const count = splice(this.#out, other.#in, this.#bytes);
      if (count <= 0) return false;
      this.#bytes -= count;
      other.#bytes += count;
    }
    return true;
  }

  /** Hands all of it to a device as one message. @returns the count, or the negative errno */
  send(device: number): number {
    const count = splice(this.#out, device, this.#bytes);
    if (count > 0) this.#bytes -= count;
    return count;
  }

  drain(into: Uint8Array, at: number): void {
    let place = at;
    while (this.#bytes > 0) place += this.#take(into, place, this.#bytes);
  }

  clear(): void {
    while (this.#bytes > 0) this.#take(scratch, 0, Math.min(scratch.length, this.#bytes));
  }

  close(): void {
    closeFd(this.#out);
    closeFd(this.#in);
  }

  #take(into: Uint8Array, at: number, length: number): number {
    const count = readFd(this.#out, into, at, length);
    assert(count > 0, "a tube has what was put in");
    this.#bytes -= count;
    return count;
  }
}

function splice(from: number, to: number, length: number): number {
  return result(libc.splice(from, null, to, null, length, spliceNonBlocking));
}

/** The tubes of one device, made when they are first wanted. */
export class TubePool {
  readonly #free: PipeTube[] = [];
  #made = 0;
  /** How many more are refused, since some did not take what they were meant for. */
  #refusals = 0;
  #closed = false;

  take(): PipeTube | null {
    if (this.#refusals > 0) {
      this.#refusals -= 1;
      return null;
    }
    const tube = this.#free.pop();
    if (tube !== undefined || this.#made === limits.tubesMax || this.#closed) return tube ?? null;
    const made = PipeTube.open();
    if (made === null) this.refuse();
    else this.#made += 1;
    return made;
  }

  give(tube: PipeTube): void {
    tube.clear();
    if (this.#closed) tube.close();
    else this.#free.push(tube);
  }

  /** They do not pay now. */
  refuse(): void {
    this.#refusals = limits.tubeRefusals;
  }

  close(): void {
    this.#closed = true;
    for (const tube of this.#free.splice(0)) tube.close();
  }
}
