import { type Pointer, ptr } from "bun:ffi";
import { SheepfsError } from "../base/errors.ts";
import { errnoNumber, errorText, libc, result, stableBytes } from "./libc.ts";

/** Bits of an event; the last two are told whether asked for or not. */
export const epollBit = { readable: 1, writable: 4, error: 8, hangUp: 16 } as const;

const operation = { add: 1, remove: 2, change: 3 } as const;
const closeOnExec = 0o2000000;
/** Linux's struct epoll_event is packed on x86-64 only. */
const eventBytes = process.arch === "x64" ? 12 : 16;
const dataAt = eventBytes - 8;
const eventsMax = 64;
const epollPwait2 = 441n;

/** A set of descriptors of which the kernel says which are ready. Each has a key of two numbers. */
export class EpollSet {
  readonly fd: number;
  readonly #bytes = stableBytes((eventsMax + 1) * eventBytes + 16);
  readonly #view = new DataView(this.#bytes.buffer);
  readonly #at = ptr(this.#bytes);
  /** Behind the events that are waited for: the one that a change names, and a time. */
  readonly #changeAt = eventsMax * eventBytes;
  readonly #timeAt = (eventsMax + 1) * eventBytes;
  #waitsInMicroseconds = true;

  /** @throws internal when the process has no descriptor left */
  constructor() {
    this.fd = result(libc.epoll_create1(closeOnExec));
    if (this.fd < 0) throw new SheepfsError("internal", `epoll: ${errorText(this.fd)}`);
  }

  add(fd: number, bits: number, key: number, generation: number): void {
    this.#control(operation.add, fd, bits, key, generation);
  }

  change(fd: number, bits: number, key: number, generation: number): void {
    this.#control(operation.change, fd, bits, key, generation);
  }

  remove(fd: number): void {
    this.#control(operation.remove, fd, 0, 0, 0);
  }

  /** Waits until something is ready, `timeoutUs` at most. @returns how many events there are */
  wait(timeoutUs: number): number {
    const at = this.#at;
    if (timeoutUs === 0) return Math.max(0, libc.epoll_wait(this.fd, at, eventsMax, 0));
    if (!this.#waitsInMicroseconds) {
      return Math.max(0, libc.epoll_wait(this.fd, at, eventsMax, Math.ceil(timeoutUs / 1000)));
    }
    this.#view.setUint32(this.#timeAt + 8, timeoutUs * 1000, true);
    const timeout = (at + this.#timeAt) as Pointer;
    const wait = libc.syscall(epollPwait2, this.fd, at, eventsMax, timeout, null, 8);
    const count = result(wait);
    if (count >= 0) return count;
    // Linux before 5.11, or a sandbox that does not know the call.
    if (count === -errnoNumber.ENOSYS || count === -errnoNumber.EPERM) {
      this.#waitsInMicroseconds = false;
    }
    return 0;
  }

  bits(index: number): number {
    return this.#view.getUint32(index * eventBytes, true);
  }

  key(index: number): number {
    return this.#view.getUint32(index * eventBytes + dataAt, true);
  }

  generation(index: number): number {
    return this.#view.getUint32(index * eventBytes + dataAt + 4, true);
  }

  #control(op: number, fd: number, bits: number, key: number, generation: number): void {
    const at = this.#changeAt;
    this.#view.setUint32(at, bits, true);
    this.#view.setUint32(at + dataAt, key, true);
    this.#view.setUint32(at + dataAt + 4, generation, true);
    const done = result(libc.epoll_ctl(this.fd, op, fd, (this.#at + at) as Pointer));
    if (done < 0) throw new SheepfsError("internal", `epoll_ctl of ${fd}: ${errorText(done)}`);
  }
}
