import { lookup } from "node:dns";
import { isIP } from "node:net";
import { type Address, formatAddress } from "../base/address.ts";
import { SheepfsError } from "../base/errors.ts";
import { type Tube, tubeFull } from "../base/transfer.ts";
import { closeFd, errnoNumber, errorText, readFd, writeFd } from "./libc.ts";
import type { Flushed, Reactor, Watch, Watched } from "./reactor.ts";
import { connectSocket, socketError, tcpSocket, tuneSocket } from "./sockets.ts";
import { PipeTube } from "./tube.ts";

/** What a link tells; the client's port has the contract. */
export interface TcpEvents {
  open(): void;
  readable(): void;
  writable(): void;
  flush(): void;
  close(why: SheepfsError | null, refused?: boolean): void;
}

/** How long one address of several is tried before the next one. */
const addressTryMs = 1_000;

/** TCP over the reactor, with no copy and no allocation between the caller and the socket. */
export class TcpTransport {
  readonly #reactor: Reactor;

  constructor(reactor: Reactor) {
    this.#reactor = reactor;
  }

  connect(to: Address, events: TcpEvents): TcpLink {
    return new TcpLink(this.#reactor, to, events);
  }
}

class TcpLink implements Watched, Flushed {
  readonly #reactor: Reactor;
  readonly #to: Address;
  readonly #events: TcpEvents;
  #at: "connecting" | "open" | "ended" = "connecting";
  #fd = -1;
  #watch: Watch | null = null;
  /** Addresses not tried yet. */
  #ips: string[] = [];
  #ip = "";
  #tryTimer: ReturnType<typeof setTimeout> | null = null;
  #paused = false;
  #blocked = false;
  #flushing = false;
  /** Every address that was tried refused the connection. */
  #refused = true;
  #destroyed = false;

  constructor(reactor: Reactor, to: Address, events: TcpEvents) {
    this.#reactor = reactor;
    this.#to = to;
    this.#events = events;
    if (isIP(to.host) !== 0) {
      this.#ips = [to.host];
      this.#tryNext(0);
      return;
    }
    lookup(to.host, { all: true }, (error, found) => {
      if (this.#destroyed) return;
      if (error !== null) {
        const advice = "check the name or give an IP address";
        const text = `the host name of ${formatAddress(to)} is not known (${error.code}); ${advice}`;
        this.#endSoon(new SheepfsError("unavailable", text));
        return;
      }
      this.#ips = found.map((one) => one.address);
      this.#tryNext(0);
    });
  }

  read(into: Uint8Array, at: number, length: number): number {
    if (this.#at !== "open") return 0;
    const count = readFd(this.#fd, into, at, length);
    if (count > 0) return count;
    if (count === 0 && length > 0) {
      this.#endSoon(null);
      return -1;
    }
    if (count < 0 && !passes(-count)) this.#endSoon(this.#broken(-count));
    return 0;
  }

  pour(tube: Tube, length: number): number {
    if (this.#at !== "open") return 0;
    if (!(tube instanceof PipeTube)) return tubeFull;
    const count = tube.fill(this.#fd, length);
    if (count > 0 || count === tubeFull) return count;
    if (count === 0) {
      this.#endSoon(null);
      return -1;
    }
    if (!passes(-count)) this.#endSoon(this.#broken(-count));
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
    if (this.#at !== "open") {
      this.#blocked = true;
      return 0;
    }
    const count = writeFd(this.#fd, head, headAt, headLength, body, bodyAt, bodyLength);
    if (count === headLength + bodyLength) return count;
    if (count < 0 && !passes(-count)) {
      this.#endSoon(this.#broken(-count));
      return 0;
    }
    this.#blocked = true;
    this.#wantMore();
    return Math.max(0, count);
  }

  flushSoon(): void {
    if (this.#flushing) return;
    this.#flushing = true;
    this.#reactor.flushSoon(this);
  }

  pause(): void {
    this.#paused = true;
    this.#wantMore();
  }

  resume(): void {
    this.#paused = false;
    this.#wantMore();
  }

  destroy(): void {
    this.#destroyed = true;
    this.#at = "ended";
    this.#release();
  }

  /** The reactor's: to nobody else. */
  readable(): void {
    if (this.#at === "open") this.#events.readable();
  }

  /** The reactor's: to nobody else. */
  writable(): void {
    if (this.#at === "connecting") {
      this.#connected();
    } else if (this.#at === "open" && this.#blocked) {
      this.#blocked = false;
      this.#wantMore();
      this.#events.writable();
    }
  }

  /** The reactor's: to nobody else. */
  flush(): void {
    this.#flushing = false;
    if (this.#at !== "ended") this.#events.flush();
  }

  /** Tries the next address; `errno` is what became of the one before. */
  #tryNext(errno: number): void {
    this.#release();
    if (this.#ip !== "" && errno !== errnoNumber.ECONNREFUSED) this.#refused = false;
    const ip = this.#ips.shift();
    if (ip === undefined) {
      this.#endSoon(this.#unreachable(errno), this.#refused && this.#ip !== "");
      return;
    }
    this.#ip = ip;
    const fd = tcpSocket(ip);
    if (fd < 0) {
      this.#tryNext(-fd);
      return;
    }
    this.#fd = fd;
    const begun = connectSocket(fd, ip, this.#to.port);
    if (begun < 0 && begun !== -errnoNumber.EINPROGRESS) {
      this.#tryNext(-begun);
      return;
    }
    this.#watch = this.#reactor.watch(fd, this);
    this.#watch.want(false, true);
    if (this.#ips.length > 0) {
      this.#tryTimer = setTimeout(() => this.#tryNext(errnoNumber.ETIMEDOUT), addressTryMs);
    }
  }

  #connected(): void {
    const errno = socketError(this.#fd);
    if (errno !== 0) {
      this.#tryNext(errno);
      return;
    }
    this.#stopTimer();
    tuneSocket(this.#fd);
    this.#at = "open";
    this.#wantMore();
    this.#events.open();
  }

  #wantMore(): void {
    if (this.#at === "open") this.#watch?.want(!this.#paused, this.#blocked);
  }

  /** The last event, after whatever is being done with the link now. */
  #endSoon(why: SheepfsError | null, refused = false): void {
    this.#at = "ended";
    this.#release();
    queueMicrotask(() => {
      if (!this.#destroyed) this.#events.close(why, refused);
    });
  }

  #release(): void {
    this.#stopTimer();
    this.#watch?.end();
    this.#watch = null;
    if (this.#fd >= 0) closeFd(this.#fd);
    this.#fd = -1;
  }

  #stopTimer(): void {
    if (this.#tryTimer !== null) clearTimeout(this.#tryTimer);
    this.#tryTimer = null;
  }

  #unreachable(errno: number): SheepfsError {
    const where = this.#where();
    const text =
      errno === errnoNumber.ECONNREFUSED
        ? `connection refused: no sheep listens at ${where}`
        : `${where} cannot be reached: ${errorText(errno)}`;
    return new SheepfsError("unavailable", text);
  }

  #broken(errno: number): SheepfsError {
    return new SheepfsError(
      "unavailable",
      `the connection to ${this.#where()} broke: ${errorText(errno)}`,
    );
  }

  #where(): string {
    const address = formatAddress(this.#to);
    return this.#ip === "" || this.#ip === this.#to.host ? address : `${address} (${this.#ip})`;
  }
}

/** What only means: not now. */
function passes(errno: number): boolean {
  return errno === errnoNumber.EAGAIN || errno === errnoNumber.EINTR;
}
