import { dlopen, FFIType, type Pointer, ptr, read } from "bun:ffi";
import { assert } from "../base/assert.ts";

// Lengths and offsets are declared as the "fast" kind: a number stays one where it is exact.
const { symbols } = dlopen("libc.so.6", {
  __errno_location: { args: [], returns: "ptr" },
  strerror: { args: ["i32"], returns: "cstring" },
  syscall: { args: ["i64", "i64", "ptr", "i64", "ptr", "ptr", "i64"], returns: FFIType.i64_fast },
  open: { args: ["ptr", "i32"], returns: "i32" },
  close: { args: ["i32"], returns: "i32" },
  pipe2: { args: ["ptr", "i32"], returns: "i32" },
  splice: {
    args: ["i32", "ptr", "i32", "ptr", FFIType.u64_fast, "u32"],
    returns: FFIType.i64_fast,
  },
  ioctl: { args: ["i32", "u64", "ptr"], returns: "i32" },
  fcntl: { args: ["i32", "i32", "i32"], returns: "i32" },
  flock: { args: ["i32", "i32"], returns: "i32" },
  posix_fadvise: { args: ["i32", FFIType.i64_fast, FFIType.i64_fast, "i32"], returns: "i32" },
  syncfs: { args: ["i32"], returns: "i32" },
  lseek: { args: ["i32", FFIType.i64_fast, "i32"], returns: FFIType.i64_fast },
  read: { args: ["i32", "ptr", FFIType.u64_fast], returns: FFIType.i64_fast },
  write: { args: ["i32", "ptr", FFIType.u64_fast], returns: FFIType.i64_fast },
  writev: { args: ["i32", "ptr", "i32"], returns: FFIType.i64_fast },
  epoll_create1: { args: ["i32"], returns: "i32" },
  epoll_ctl: { args: ["i32", "i32", "i32", "ptr"], returns: "i32" },
  epoll_wait: { args: ["i32", "ptr", "i32", "i32"], returns: "i32" },
  eventfd: { args: ["u32", "i32"], returns: "i32" },
  socket: { args: ["i32", "i32", "i32"], returns: "i32" },
  socketpair: { args: ["i32", "i32", "i32", "ptr"], returns: "i32" },
  connect: { args: ["i32", "ptr", "u32"], returns: "i32" },
  bind: { args: ["i32", "ptr", "u32"], returns: "i32" },
  listen: { args: ["i32", "i32"], returns: "i32" },
  accept4: { args: ["i32", "ptr", "ptr", "i32"], returns: "i32" },
  getsockname: { args: ["i32", "ptr", "ptr"], returns: "i32" },
  shutdown: { args: ["i32", "i32"], returns: "i32" },
  getsockopt: { args: ["i32", "i32", "i32", "ptr", "ptr"], returns: "i32" },
  setsockopt: { args: ["i32", "i32", "i32", "ptr", "u32"], returns: "i32" },
  memfd_create: { args: ["ptr", "u32"], returns: "i32" },
  sendmsg: { args: ["i32", "ptr", "i32"], returns: FFIType.i64_fast },
  recvmsg: { args: ["i32", "ptr", "i32"], returns: FFIType.i64_fast },
  inet_pton: { args: ["i32", "ptr", "ptr"], returns: "i32" },
  inet_ntop: { args: ["i32", "ptr", "ptr", "u32"], returns: "ptr" },
  if_nametoindex: { args: ["ptr"], returns: "u32" },
  mount: { args: ["ptr", "ptr", "ptr", FFIType.u64_fast, "ptr"], returns: "i32" },
  clock_gettime: { args: ["i32", "ptr"], returns: "i32" },
  openlog: { args: ["ptr", "i32", "i32"], returns: "void" },
  syslog: { args: ["i32", "ptr", "ptr"], returns: "void" },
});

/** The C library's functions as they are; what is below and in this folder's other files is kinder. */
export const libc = symbols;

/** Linux numbers that this folder decides by, the same on every architecture that Bun runs on. */
export const errnoNumber = {
  EPERM: 1,
  ENOENT: 2,
  EINTR: 4,
  ENXIO: 6,
  EAGAIN: 11,
  EACCES: 13,
  EBUSY: 16,
  EEXIST: 17,
  ENODEV: 19,
  EINVAL: 22,
  ENFILE: 23,
  EMFILE: 24,
  ENOSYS: 38,
  EADDRINUSE: 98,
  EADDRNOTAVAIL: 99,
  ETIMEDOUT: 110,
  ECONNREFUSED: 111,
  EINPROGRESS: 115,
} as const;

export const openFlag = { readWrite: 2, nonBlocking: 0o4000, closeOnExec: 0o2000000 } as const;

const errnoAt = errnoLocation();

function errnoLocation(): Pointer {
  const at = symbols.__errno_location();
  assert(typeof at === "number", "a thread has an errno");
  return at;
}

/** A call's result as the kernel gives it: what it returned, or the negative errno. */
export function result(returned: number | bigint): number {
  // Read before anything else is called, which could change it.
  return Number(returned) >= 0 ? Number(returned) : -read.i32(errnoAt, 0);
}

/** What the errno means, in the C library's words. */
export function errorText(errno: number): string {
  const text = String(symbols.strerror(Math.abs(errno)));
  return text.charAt(0).toLowerCase() + text.slice(1);
}

/** The text as C wants it; keep it as long as C keeps the pointer. */
export function cString(text: string): Uint8Array {
  assert(!text.includes("\0"), "a text for C has no NUL");
  const encoded = new TextEncoder().encode(text);
  const bytes = stableBytes(encoded.length + 1);
  bytes.set(encoded);
  return bytes;
}

/**
 * Zeroed bytes whose address never changes. The engine keeps a small array's elements in storage
 * that it moves when `.buffer` is first asked for, and a pointer taken before then is stale: memory
 * that C keeps the address of begins as an ArrayBuffer.
 */
export function stableBytes(length: number): Uint8Array<ArrayBuffer> {
  const storage = new ArrayBuffer(length);
  return new Uint8Array(storage);
}

const monotonicClock = 1;

/** The machine's monotonic clock, as other processes read it too. */
export function monotonicMicros(): number {
  const bytes = stableBytes(16);
  symbols.clock_gettime(monotonicClock, ptr(bytes));
  const view = new DataView(bytes.buffer);
  const seconds = Number(view.getBigInt64(0, true));
  return seconds * 1_000_000 + Math.floor(Number(view.getBigInt64(8, true)) / 1_000);
}

/** @returns the descriptor, or the negative errno */
export function openFd(path: string, flags: number): number {
  return result(symbols.open(ptr(cString(path)), flags));
}

export function closeFd(fd: number): void {
  symbols.close(fd);
}

const setStatusFlags = 4;

export function setNonBlocking(fd: number): void {
  symbols.fcntl(fd, setStatusFlags, openFlag.nonBlocking);
}

/** Reads once into `into[at, at+length)`. @returns the count, or the negative errno */
export function readFd(fd: number, into: Uint8Array, at: number, length: number): number {
  assert(at >= 0 && length >= 0 && at + length <= into.length, "a read ends inside its buffer");
  // The address is asked for each time: 12 ns, and never stale.
  const count = symbols.read(fd, (ptr(into) + at) as Pointer, length);
  return Number(count) >= 0 ? Number(count) : -read.i32(errnoAt, 0);
}

const ioVectors = new Uint32Array(new ArrayBuffer(64));
const ioVectorsAt = ptr(ioVectors);

/**
 * Writes `head[headAt, +headLength)` then `body[bodyAt, +bodyLength)` in one call.
 * @returns how many bytes of the two were taken, or the negative errno
 */
export function writeFd(
  fd: number,
  head: Uint8Array,
  headAt: number,
  headLength: number,
  body: Uint8Array | null,
  bodyAt: number,
  bodyLength: number,
): number {
  assert(headAt >= 0 && headAt + headLength <= head.length, "a write's head lies in its buffer");
  const headPointer = ptr(head) + headAt;
  let count: number | bigint;
  if (body === null || bodyLength === 0) {
    count = symbols.write(fd, headPointer as Pointer, headLength);
  } else {
    assert(bodyAt >= 0 && bodyAt + bodyLength <= body.length, "a write's body lies in its buffer");
    setVector(0, headPointer, headLength);
    setVector(1, ptr(body) + bodyAt, bodyLength);
    count = symbols.writev(fd, ioVectorsAt, 2);
  }
  return Number(count) >= 0 ? Number(count) : -read.i32(errnoAt, 0);
}

function setVector(index: number, pointer: number, length: number): void {
  const word = index * 4;
  ioVectors[word] = pointer >>> 0;
  ioVectors[word + 1] = Math.floor(pointer / 0x1_0000_0000);
  ioVectors[word + 2] = length;
  ioVectors[word + 3] = 0;
}
