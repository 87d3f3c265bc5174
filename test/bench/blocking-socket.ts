// Sockets without an event loop, for the two ends of a measurement: what they cost is what is
// compared with.
import { dlopen, FFIType, type Pointer, ptr } from "bun:ffi";

const { symbols: libc } = dlopen("libc.so.6", {
  socket: { args: ["i32", "i32", "i32"], returns: "i32" },
  bind: { args: ["i32", "ptr", "u32"], returns: "i32" },
  listen: { args: ["i32", "i32"], returns: "i32" },
  accept: { args: ["i32", "ptr", "ptr"], returns: "i32" },
  connect: { args: ["i32", "ptr", "u32"], returns: "i32" },
  getsockname: { args: ["i32", "ptr", "ptr"], returns: "i32" },
  setsockopt: { args: ["i32", "i32", "i32", "ptr", "u32"], returns: "i32" },
  close: { args: ["i32"], returns: "i32" },
  read: { args: ["i32", "ptr", FFIType.u64_fast], returns: FFIType.i64_fast },
  write: { args: ["i32", "ptr", FFIType.u64_fast], returns: FFIType.i64_fast },
  epoll_create1: { args: ["i32"], returns: "i32" },
  epoll_ctl: { args: ["i32", "i32", "i32", "ptr"], returns: "i32" },
  epoll_wait: { args: ["i32", "ptr", "i32", "i32"], returns: "i32" },
});

const inet = 2;
const stream = 1;
const epollAdd = 1;
const epollIn = 1;
const eventBytes = 12;
const addressBytes = 16;

/** Memory that system calls may use: its place never changes. */
export class Memory {
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly view: DataView;
  readonly at: number;

  constructor(length: number) {
    const buffer = new ArrayBuffer(Math.max(length, 4096));
    this.bytes = new Uint8Array(buffer);
    this.view = new DataView(buffer);
    this.at = ptr(this.bytes);
  }

  /** A number of this program is an address of that one. */
  pointer(offset: number): Pointer {
    return (this.at + offset) as Pointer;
  }
}

/** @returns a connected socket */
export function connectTo(host: string, port: number): number {
  const fd = checked(libc.socket(inet, stream, 0), "socket");
  checked(libc.connect(fd, address(host, port).pointer(0), addressBytes), "connect");
  noDelay(fd);
  return fd;
}

/** @returns a listening socket on any port of the loopback, and that port */
export function listenSomewhere(): { readonly fd: number; readonly port: number } {
  const fd = checked(libc.socket(inet, stream, 0), "socket");
  const own = address("127.0.0.1", 0);
  checked(libc.bind(fd, own.pointer(0), addressBytes), "bind");
  checked(libc.listen(fd, 64), "listen");
  const length = new Memory(4);
  length.view.setUint32(0, addressBytes, true);
  checked(libc.getsockname(fd, own.pointer(0), length.pointer(0)), "getsockname");
  return { fd, port: own.view.getUint16(2) };
}

export function acceptFrom(listener: number): number {
  const fd = checked(libc.accept(listener, null, null), "accept");
  noDelay(fd);
  return fd;
}

export function closeSocket(fd: number): void {
  libc.close(fd);
}

/** What is there, at least a byte. @returns 0 at the end */
export function readSome(fd: number, into: Memory, at: number, length: number): number {
  return Math.max(0, Number(libc.read(fd, into.pointer(at), length)));
}

export function readAll(fd: number, into: Memory, at: number, length: number): void {
  for (let done = 0; done < length; ) {
    const count = readSome(fd, into, at + done, length - done);
    if (count === 0) throw new Error("the peer closed the connection");
    done += count;
  }
}

/** @returns false when the peer is gone */
export function writeAll(fd: number, from: Memory, at: number, length: number): boolean {
  for (let done = 0; done < length; ) {
    const count = Number(libc.write(fd, from.pointer(at + done), length - done));
    if (count <= 0) return false;
    done += count;
  }
  return true;
}

/** Descriptors that are waited for together. */
export class WaitSet {
  readonly #fd = checked(libc.epoll_create1(0), "epoll_create1");
  readonly #events = new Memory(eventBytes * 64);

  add(fd: number): void {
    const event = new Memory(eventBytes);
    event.view.setUint32(0, epollIn, true);
    event.view.setUint32(4, fd, true);
    checked(libc.epoll_ctl(this.#fd, epollAdd, fd, event.pointer(0)), "epoll_ctl");
  }

  /** Waits for some that can be read, and calls for each. */
  wait(ready: (fd: number) => void): void {
    const count = libc.epoll_wait(this.#fd, this.#events.pointer(0), 64, -1);
    for (let index = 0; index < count; index += 1) {
      ready(this.#events.view.getUint32(index * eventBytes + 4, true));
    }
  }
}

function noDelay(fd: number): void {
  const one = new Memory(4);
  one.view.setUint32(0, 1, true);
  libc.setsockopt(fd, 6, 1, one.pointer(0), 4);
}

/** Takes little ahead of what is read, and waits no longer than so long for a byte. */
export function narrow(fd: number, receiveBytes: number, timeoutSeconds: number): void {
  const value = new Memory(16);
  value.view.setUint32(0, receiveBytes, true);
  libc.setsockopt(fd, 1, 8, value.pointer(0), 4);
  value.view.setUint32(0, timeoutSeconds, true);
  libc.setsockopt(fd, 1, 20, value.pointer(0), 16);
}

function address(host: string, port: number): Memory {
  const memory = new Memory(addressBytes);
  memory.view.setUint16(0, inet, true);
  memory.view.setUint16(2, port);
  const parts = host.split(".").map(Number);
  if (parts.length !== 4) throw new Error(`'${host}' is no IPv4 address`);
  memory.bytes.set(parts, 4);
  return memory;
}

function checked(result: number, what: string): number {
  if (result < 0) throw new Error(`${what} failed`);
  return result;
}
