import { type Pointer, ptr } from "bun:ffi";
import { isIPv6 } from "node:net";
import { cString, errnoNumber, libc, result, stableBytes } from "./libc.ts";

const family = { unix: 1, v4: 2, v6: 10 } as const;
const stream = 1;
const datagram = 2;
const nonBlocking = 0o4000;
const closeOnExec = 0o2000000;

const level = { socket: 1, tcp: 6, v6: 41 } as const;
const socketOption = {
  reuseAddress: 2,
  error: 4,
  keepAlive: 9,
  linger: 13,
  reusePort: 15,
} as const;
const v6Only = 26;
const tcpOption = { noDelay: 1, keepIdle: 4, keepInterval: 5, keepCount: 6 } as const;

/** A peer that vanished without a word is noticed after 5 + 3 seconds on an idle connection. */
const keepAlive = { idleSeconds: 5, intervalSeconds: 1, probes: 3 } as const;

/** @returns a non-blocking TCP socket of the address's family, or the negative errno */
export function tcpSocket(ip: string): number {
  return result(
    libc.socket(isIPv6(ip) ? family.v6 : family.v4, stream | nonBlocking | closeOnExec, 0),
  );
}

/** Begins to connect. @returns 0 or the negative errno, mostly EINPROGRESS */
export function connectSocket(fd: number, ip: string, port: number): number {
  const bytes = socketAddress(ip, port);
  return result(libc.connect(fd, ptr(bytes), bytes.length));
}

/** What became of the attempt to connect: 0 when it succeeded, else the errno. */
export function socketError(fd: number): number {
  const bytes = stableBytes(8);
  const view = new DataView(bytes.buffer);
  view.setUint32(4, 4, true);
  const at = ptr(bytes);
  const done = libc.getsockopt(fd, level.socket, socketOption.error, at, (at + 4) as Pointer);
  return done === 0 ? view.getInt32(0, true) : -result(done);
}

/** Small requests leave at once; a peer that is gone is noticed. The buffers size themselves. */
export function tuneSocket(fd: number): void {
  setOption(fd, level.tcp, tcpOption.noDelay, 1);
  setOption(fd, level.socket, socketOption.keepAlive, 1);
  setOption(fd, level.tcp, tcpOption.keepIdle, keepAlive.idleSeconds);
  setOption(fd, level.tcp, tcpOption.keepInterval, keepAlive.intervalSeconds);
  setOption(fd, level.tcp, tcpOption.keepCount, keepAlive.probes);
  dropOnClose(fd);
}

/** Whether another socket of ours may be bound to the same port, when it says the same. */
export function sharePort(fd: number, on: boolean): void {
  setOption(fd, level.socket, socketOption.reusePort, on ? 1 : 0);
}

/**
 * A close ends the connection at once and forgets what was not sent. Else the kernel would go on
 * sending it for minutes: a write of a connection that was given up could arrive when the network
 * is back, after later writes that went another way.
 */
function dropOnClose(fd: number): void {
  const bytes = stableBytes(8);
  new DataView(bytes.buffer).setInt32(0, 1, true);
  libc.setsockopt(fd, level.socket, socketOption.linger, ptr(bytes), 8);
}

function setOption(fd: number, at: number, option: number, value: number): void {
  const bytes = stableBytes(4);
  new DataView(bytes.buffer).setInt32(0, value, true);
  // A kernel without it serves as well, only less alertly.
  libc.setsockopt(fd, at, option, ptr(bytes), 4);
}

/** Linux's sockaddr_in or sockaddr_in6. The address's text was checked with isIP. */
function socketAddress(text: string, port: number): Uint8Array {
  const v6 = isIPv6(text);
  const [ip = "", zone = ""] = text.split("%");
  const bytes = stableBytes(v6 ? 28 : 16);
  const view = new DataView(bytes.buffer);
  view.setUint16(0, v6 ? family.v6 : family.v4, true);
  view.setUint16(2, port);
  const at = ptr(bytes) + (v6 ? 8 : 4);
  libc.inet_pton(v6 ? family.v6 : family.v4, ptr(cString(ip)), at as Pointer);
  if (v6 && zone !== "") view.setUint32(24, zoneIndex(zone), true);
  return bytes;
}

/** The interface that a link-local address is meant on, by number or by name. */
function zoneIndex(zone: string): number {
  return /^[0-9]{1,9}$/.test(zone) ? Number(zone) : libc.if_nametoindex(ptr(cString(zone)));
}

const backlog = 1024;

/**
 * Listens on an address; `::` takes IPv4 as well.
 * @returns a non-blocking socket, or the negative errno
 */
export function listenSocket(ip: string, port: number): number {
  const fd = tcpSocket(ip);
  if (fd < 0) return fd;
  setOption(fd, level.socket, socketOption.reuseAddress, 1);
  if (isIPv6(ip)) setOption(fd, level.v6, v6Only, ip === "::" ? 0 : 1);
  const address = socketAddress(ip, port);
  let done = result(libc.bind(fd, ptr(address), address.length));
  if (done >= 0) done = result(libc.listen(fd, backlog));
  if (done >= 0) return fd;
  libc.close(fd);
  return done;
}

/** Room for a sockaddr_in6 and the length that goes with it. */
const nameBytes = stableBytes(40);
const nameView = new DataView(nameBytes.buffer);
const nameLengthAt = 32;
const nameTextBytes = 64;
const nameText = stableBytes(nameTextBytes);

/** @returns the port that a listening socket has got */
export function boundPort(fd: number): number {
  nameView.setUint32(nameLengthAt, nameLengthAt, true);
  const at = ptr(nameBytes);
  libc.getsockname(fd, at, (at + nameLengthAt) as Pointer);
  return nameView.getUint16(2);
}

/**
 * Takes one waiting connection, non-blocking.
 * @returns its socket, or the negative errno; `acceptedPeer` tells whose it is
 */
export function acceptSocket(fd: number): number {
  nameView.setUint32(nameLengthAt, nameLengthAt, true);
  const at = ptr(nameBytes);
  return result(libc.accept4(fd, at, (at + nameLengthAt) as Pointer, nonBlocking | closeOnExec));
}

/** The address of the connection that was accepted last; of an IPv4 one in IPv4's own form. */
export function acceptedPeer(): string {
  const of = nameView.getUint16(0, true);
  const at = (ptr(nameBytes) + (of === family.v6 ? 8 : 4)) as Pointer;
  if (libc.inet_ntop(of, at, ptr(nameText), nameTextBytes) === null) return "unknown";
  const text = new TextDecoder().decode(nameText.subarray(0, nameText.indexOf(0)));
  return text.startsWith("::ffff:") && text.includes(".") ? text.slice(7) : text;
}

/** What a server's connection wants: small answers leave at once, a peer that is gone is noticed. */
export function tuneAccepted(fd: number): void {
  setOption(fd, level.tcp, tcpOption.noDelay, 1);
  setOption(fd, level.socket, socketOption.keepAlive, 1);
  setOption(fd, level.tcp, tcpOption.keepIdle, acceptedKeepAlive.idleSeconds);
  setOption(fd, level.tcp, tcpOption.keepInterval, acceptedKeepAlive.intervalSeconds);
  setOption(fd, level.tcp, tcpOption.keepCount, acceptedKeepAlive.probes);
}

/** A client far away is given more time than a sheep beside us. */
const acceptedKeepAlive = { idleSeconds: 60, intervalSeconds: 10, probes: 6 } as const;

const shutWrite = 1;

/** Ends our direction: what was taken still reaches the peer. */
export function endSocket(fd: number): void {
  libc.shutdown(fd, shutWrite);
}

/** Two connected local sockets, as a parent and a child use them. @returns null on failure */
export function socketPair(): readonly [number, number] | null {
  const bytes = stableBytes(8);
  const done = libc.socketpair(family.unix, stream | closeOnExec, 0, ptr(bytes));
  const view = new DataView(bytes.buffer);
  return done === 0 ? [view.getInt32(0, true), view.getInt32(4, true)] : null;
}

/** @returns a non-blocking socket for datagrams on this machine, or the negative errno */
export function localDatagramSocket(): number {
  return result(libc.socket(family.unix, datagram | nonBlocking | closeOnExec, 0));
}

/** Room for a path in Linux's sockaddr_un. */
const localPathBytes = 108;

/**
 * Names whom a local socket sends to.
 * @param address a path, or `@` and a name that is in no file system
 * @returns 0 or the negative errno
 */
export function connectLocal(fd: number, address: string): number {
  const path = new TextEncoder().encode(address);
  if (path.length >= localPathBytes) return -errnoNumber.EINVAL;
  const bytes = stableBytes(2 + localPathBytes);
  new DataView(bytes.buffer).setUint16(0, family.unix, true);
  bytes.set(path, 2);
  if (address.startsWith("@")) bytes[2] = 0;
  return result(libc.connect(fd, ptr(bytes), 2 + path.length));
}

const message = { iovAt: 16, iovCountAt: 24, controlAt: 32, controlBytesAt: 40, size: 56 } as const;
const controlHeaderBytes = 16;
const rightsType = 1;
const receiveFlag = { dontWait: 0x40, closeOnExec: 0x4000_0000 } as const;
const noSignal = 0x4000;

/** One byte that came over a local socket, with the descriptor that came with it. */
export interface Received {
  readonly byte: number;
  readonly fd: number | null;
}

/**
 * Takes one byte from a local socket, and the descriptor that was sent with it.
 * @returns null when there is none: not yet, unless it waits, or never, as the other end is closed
 */
export function receiveFd(socket: number, waits: boolean): Received | null {
  const { view, at } = oneByteMessage();
  setWord(view, message.controlBytesAt, controlHeaderBytes + 8);
  const flags = receiveFlag.closeOnExec | (waits ? 0 : receiveFlag.dontWait);
  if (result(libc.recvmsg(socket, at, flags)) <= 0) return null;
  const isRights =
    view.getUint32(message.controlBytesAt, true) >= controlHeaderBytes + 4 &&
    view.getUint32(controlInMessageAt + 8, true) === level.socket &&
    view.getUint32(controlInMessageAt + 12, true) === rightsType;
  return {
    byte: view.getUint8(byteInMessageAt),
    fd: isRights ? view.getInt32(controlInMessageAt + controlHeaderBytes, true) : null,
  };
}

/** Sends one byte, and a descriptor with it. @returns 0, or the negative errno */
export function sendFd(socket: number, byte: number, fd: number | null): number {
  const { view, at } = oneByteMessage();
  view.setUint8(byteInMessageAt, byte);
  if (fd === null) {
    setWord(view, message.controlAt, 0);
  } else {
    setWord(view, message.controlBytesAt, controlHeaderBytes + 8);
    setWord(view, controlInMessageAt, controlHeaderBytes + 4);
    view.setUint32(controlInMessageAt + 8, level.socket, true);
    view.setUint32(controlInMessageAt + 12, rightsType, true);
    view.setInt32(controlInMessageAt + controlHeaderBytes, fd, true);
  }
  return Math.min(0, result(libc.sendmsg(socket, at, noSignal)));
}

const byteInMessageAt = message.size + 16;
const controlInMessageAt = byteInMessageAt + 8;

/** The message header, then one iovec with its byte, then the control message: one allocation. */
function oneByteMessage(): { readonly view: DataView; readonly at: Pointer } {
  const bytes = stableBytes(controlInMessageAt + controlHeaderBytes + 8);
  const view = new DataView(bytes.buffer);
  const at = ptr(bytes);
  setWord(view, message.iovAt, at + message.size);
  setWord(view, message.iovCountAt, 1);
  setWord(view, message.size, at + byteInMessageAt);
  setWord(view, message.size + 8, 1);
  setWord(view, message.controlAt, at + controlInMessageAt);
  kept.bytes = bytes;
  return { view, at };
}

/** The one that is used, as the system call knows only its address. */
const kept: { bytes: Uint8Array | null } = { bytes: null };

function setWord(view: DataView, at: number, value: number): void {
  view.setUint32(at, value >>> 0, true);
  view.setUint32(at + 4, Math.floor(value / 0x1_0000_0000), true);
}
