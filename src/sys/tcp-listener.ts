import { isIP } from "node:net";
import { formatAddress } from "../base/address.ts";
import { SheepfsError } from "../base/errors.ts";
import { closeFd, errnoNumber, errorText, readFd, writeFd } from "./libc.ts";
import type { Reactor, Watch, Watched } from "./reactor.ts";
import {
  acceptedPeer,
  acceptSocket,
  boundPort,
  endSocket,
  listenSocket,
  tuneAccepted,
} from "./sockets.ts";

/** One accepted connection; the server's port has the contract. */
export interface AcceptedSocket {
  readonly peer: string;
  readonly secure: boolean;
  read(into: Uint8Array, at: number, length: number): number;
  write(
    head: Uint8Array,
    headAt: number,
    headLength: number,
    body: Uint8Array | null,
    bodyAt: number,
    bodyLength: number,
  ): number;
  pause(): void;
  resume(): void;
  end(): void;
  destroy(): void;
}

export interface AcceptedEvents {
  readable(): void;
  writable(): void;
  close(): void;
}

export type Accept = (socket: AcceptedSocket) => AcceptedEvents;

export interface TcpListenOptions {
  readonly reactor: Reactor;
  /** An IP address; `::` is IPv4 as well. */
  readonly host: string;
  /** 0 takes a free one. */
  readonly port: number;
  readonly accept: Accept;
}

export interface Listening {
  readonly port: number;
  close(): void;
}

/** Connections taken before other work has its turn. */
const acceptsPerBurst = 64;
/** Pause before the next one is taken when the process has no descriptor left. */
const fullPauseMs = 100;

/**
 * Listens for TCP connections on the reactor.
 * @throws unavailable when the address cannot be had | invalid when it is none
 */
export function listenTcp({ reactor, host, port, accept }: TcpListenOptions): Listening {
  if (isIP(host) === 0) {
    throw new SheepfsError("invalid", `'${host}' is no IP address to listen on`);
  }
  const fd = listenSocket(host, port);
  if (fd < 0) throw cannotListen({ host, port }, -fd);
  return new TcpListener(reactor, fd, accept);
}

class TcpListener implements Listening, Watched {
  readonly port: number;
  readonly #reactor: Reactor;
  readonly #fd: number;
  readonly #accept: Accept;
  readonly #watch: Watch;
  #pause: ReturnType<typeof setTimeout> | null = null;
  #closed = false;

  constructor(reactor: Reactor, fd: number, accept: Accept) {
    this.port = boundPort(fd);
    this.#reactor = reactor;
    this.#fd = fd;
    this.#accept = accept;
    this.#watch = reactor.watch(fd, this);
    this.#watch.want(true, false);
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    if (this.#pause !== null) clearTimeout(this.#pause);
    this.#watch.end();
    closeFd(this.#fd);
  }

  /** The reactor's: to nobody else. */
  readable(): void {
    for (let count = 0; count < acceptsPerBurst && !this.#closed; count += 1) {
      const fd = acceptSocket(this.#fd);
      if (fd === -errnoNumber.EAGAIN) return;
      if (fd === -errnoNumber.EMFILE || fd === -errnoNumber.ENFILE) {
        this.#rest();
        return;
      }
      // Whoever has gone again before he was taken is no failure of ours.
      if (fd >= 0) new TcpSocket(this.#reactor, fd, acceptedPeer()).serve(this.#accept);
    }
  }

  /** The reactor's: to nobody else. */
  writable(): void {}

  #rest(): void {
    this.#watch.want(false, false);
    this.#pause = setTimeout(() => {
      this.#pause = null;
      this.#watch.want(true, false);
    }, fullPauseMs);
  }
}

class TcpSocket implements AcceptedSocket, Watched {
  readonly peer: string;
  readonly secure = false;
  readonly #fd: number;
  readonly #watch: Watch;
  #events: AcceptedEvents | null = null;
  #at: "open" | "ended" = "open";
  #paused = false;
  #blocked = false;

  constructor(reactor: Reactor, fd: number, peer: string) {
    this.peer = peer;
    this.#fd = fd;
    tuneAccepted(fd);
    this.#watch = reactor.watch(fd, this);
  }

  serve(accept: Accept): void {
    this.#events = accept(this);
    this.#want();
  }

  read(into: Uint8Array, at: number, length: number): number {
    if (this.#at !== "open") return 0;
    const count = readFd(this.#fd, into, at, length);
    if (count > 0) return count;
    if (count === 0) return length === 0 ? 0 : -1;
    this.#failed(-count);
    return 0;
  }

  write(
    head: Uint8Array,
    headAt: number,
    headLength: number,
    body: Uint8Array | null,
    bodyAt: number,
    bodyLength: number,
  ): number {
    if (this.#at !== "open") return 0;
    const count = writeFd(this.#fd, head, headAt, headLength, body, bodyAt, bodyLength);
    if (count === headLength + bodyLength) return count;
    if (count < 0) this.#failed(-count);
    this.#blocked = true;
    this.#want();
    return Math.max(0, count);
  }

  pause(): void {
    this.#paused = true;
    this.#want();
  }

  resume(): void {
    this.#paused = false;
    this.#want();
  }

  end(): void {
    if (this.#at === "open") endSocket(this.#fd);
  }

  destroy(): void {
    this.#events = null;
    this.#release();
  }

  /** The reactor's: to nobody else. */
  readable(): void {
    this.#events?.readable();
  }

  /** The reactor's: to nobody else. */
  writable(): void {
    if (!this.#blocked) return;
    this.#blocked = false;
    this.#want();
    this.#events?.writable();
  }

  #want(): void {
    if (this.#at === "open") this.#watch.want(!this.#paused, this.#blocked);
  }

  /** The end is told after whatever is being done with the socket now. */
  #failed(errno: number): void {
    if (errno === errnoNumber.EAGAIN || errno === errnoNumber.EINTR) return;
    this.#release();
    queueMicrotask(() => {
      const events = this.#events;
      this.#events = null;
      events?.close();
    });
  }

  #release(): void {
    if (this.#at === "ended") return;
    this.#at = "ended";
    this.#watch.end();
    closeFd(this.#fd);
  }
}

const failures: Readonly<Record<number, string>> = {
  [errnoNumber.EADDRINUSE]: "something else listens there",
  [errnoNumber.EADDRNOTAVAIL]: "this machine has no such address",
  [errnoNumber.EACCES]: "only root may use that port",
};

function cannotListen(address: { host: string; port: number }, errno: number): SheepfsError {
  const why = failures[errno] ?? errorText(errno);
  const where = formatAddress(address);
  return new SheepfsError("unavailable", `cannot listen on ${where}: ${why}`);
}
