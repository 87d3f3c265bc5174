import { isIP } from "node:net";
import { createSecureContext } from "node:tls";
import { formatAddress } from "../base/address.ts";
import { asSheepfsError, SheepfsError } from "../base/errors.ts";
import { sharePort } from "./sockets.ts";
import type { Accept, AcceptedEvents, AcceptedSocket, Listening } from "./tcp-listener.ts";

export interface TlsListenOptions {
  /** An IP address; `::` is IPv4 as well. */
  readonly host: string;
  /** 0 takes a free one. */
  readonly port: number;
  /** PEM. */
  readonly cert: string;
  readonly key: string;
  readonly accept: Accept;
}

export interface TlsListening extends Listening {
  /**
   * Shows another certificate to who connects from now on.
   * @throws invalid when it is none | unavailable; the old one is shown then
   */
  renew(cert: string, key: string): void;
}

/**
 * Listens for TLS connections. The runtime does the cryptography, so that what it has decrypted is
 * copied once more than over plain TCP.
 * @throws unavailable when the address cannot be had | invalid for the address or the certificate
 */
export function listenTls({ host, port, cert, key, accept }: TlsListenOptions): TlsListening {
  if (isIP(host) === 0) {
    throw new SheepfsError("invalid", `'${host}' is no IP address to listen on`);
  }
  checkIdentity({ cert, key });
  let listener = bind({ host, port, identity: { cert, key }, accept, sharesPort: false });
  const bound = listener.port;
  let closed = false;
  return {
    port: bound,
    close: () => {
      closed = true;
      listener.stop(false);
    },
    renew: (newCert, newKey) => {
      if (closed) return;
      const next = { cert: newCert, key: newKey };
      checkIdentity(next);
      // The new one is there before the old one goes, which stays when that cannot be.
      const before = listener;
      share(before, true);
      try {
        listener = bind({ host, port: bound, identity: next, accept, sharesPort: true });
      } finally {
        share(before, false);
      }
      share(listener, false);
      // Who was just connecting to it waits in no queue and tries again.
      before.stop(false);
    },
  };
}

interface Identity {
  readonly cert: string;
  readonly key: string;
}

/** @throws invalid when certificate and key are none, or not of each other */
function checkIdentity(identity: Identity): void {
  try {
    createSecureContext(identity);
  } catch (error) {
    const { message } = asSheepfsError(error);
    throw new SheepfsError("invalid", `certificate and key cannot be used: ${message}`);
  }
}

interface Client {
  socket: TlsSocket;
}

type Listener = Bun.TCPSocketListener<Client>;

interface BindOptions {
  readonly host: string;
  readonly port: number;
  readonly identity: Identity;
  readonly accept: Accept;
  readonly sharesPort: boolean;
}

function bind({ host, port, identity, accept, sharesPort }: BindOptions): Listener {
  try {
    // The runtime has options that its types do not have.
    const shared = { reusePort: sharesPort };
    return Bun.listen<Client>({
      ...{ hostname: host, port, ...shared },
      tls: { cert: identity.cert, key: identity.key },
      socket: {
        open: (socket) => {
          const own = new TlsSocket(socket);
          socket.data = { socket: own };
          own.serve(accept);
        },
        data: ({ data }, bytes) => data.socket.received(bytes),
        drain: ({ data }) => data.socket.drained(),
        end: ({ data }) => data.socket.peerEnded(),
        close: ({ data }) => data?.socket.closed(),
        // A failed handshake, a reset: the close follows.
        error: () => {},
      },
    });
  } catch (error) {
    const { message } = asSheepfsError(error);
    const where = formatAddress({ host, port });
    throw new SheepfsError("unavailable", `cannot listen for TLS on ${where}: ${message}`, {
      cause: error,
    });
  }
}

/** Lets another listener have the same port, or no longer. */
function share(listener: Listener, on: boolean): void {
  if ("fd" in listener && typeof listener.fd === "number") sharePort(listener.fd, on);
}

/** Decrypted bytes of one client that wait to be read; then it is paused. */
const receivedBytesMax = 256 * 1024;
/** How long a client may take for the last bytes of a connection that we have ended. */
const farewellMs = 60_000;

class TlsSocket implements AcceptedSocket {
  readonly peer: string;
  readonly secure = true;
  readonly #socket: Bun.Socket<Client>;
  #events: AcceptedEvents | null = null;
  readonly #received: Uint8Array[] = [];
  #receivedBytes = 0;
  /** Of the first chunk. */
  #taken = 0;
  #ended = false;
  #paused = false;
  /** The runtime has been told to bring no more. */
  #held = false;
  #telling = false;
  #gone = false;
  /** The client has not taken all that was written. */
  #blocked = false;
  /** Ends what the runtime holds on to after `destroy`. */
  #farewell: ReturnType<typeof setTimeout> | null = null;

  constructor(socket: Bun.Socket<Client>) {
    this.#socket = socket;
    const peer = socket.remoteAddress;
    this.peer = peer.startsWith("::ffff:") ? peer.slice(7) : peer;
    socket.setNoDelay(true);
    socket.setKeepAlive(true, 60_000);
  }

  serve(accept: Accept): void {
    this.#events = accept(this);
  }

  read(into: Uint8Array, at: number, length: number): number {
    let count = 0;
    while (count < length) {
      const [chunk] = this.#received;
      if (chunk === undefined) break;
      const part = chunk.subarray(this.#taken, this.#taken + length - count);
      into.set(part, at + count);
      count += part.length;
      this.#taken += part.length;
      if (this.#taken < chunk.length) break;
      this.#received.shift();
      this.#taken = 0;
    }
    this.#receivedBytes -= count;
    this.#hold();
    if (this.#receivedBytes > 0 || (this.#ended && count > 0)) this.#tellSoon();
    return count === 0 && length > 0 && this.#ended ? -1 : count;
  }

  write(
    head: Uint8Array,
    headAt: number,
    headLength: number,
    body: Uint8Array | null,
    bodyAt: number,
    bodyLength: number,
  ): number {
    if (this.#gone) return 0;
    const taken = headLength === 0 ? 0 : this.#send(head, headAt, headLength);
    if (taken < headLength || body === null || bodyLength === 0) return taken;
    return taken + this.#send(body, bodyAt, bodyLength);
  }

  pause(): void {
    this.#paused = true;
    this.#hold();
  }

  resume(): void {
    this.#paused = false;
    this.#hold();
    if (this.#receivedBytes > 0 || this.#ended) this.#tellSoon();
  }

  end(): void {
    if (!this.#gone) this.#socket.shutdown();
  }

  destroy(): void {
    this.#events = null;
    if (this.#gone) return;
    this.#gone = true;
    // The runtime ends a connection when its client has taken everything, which may be never.
    if (this.#blocked) this.#socket.terminate();
    else {
      this.#socket.end();
      this.#farewell = setTimeout(() => this.#socket.terminate(), farewellMs);
      this.#farewell.unref();
    }
  }

  /** The runtime's: its memory is its own after the call. */
  received(bytes: Uint8Array): void {
    if (this.#events === null) return;
    this.#received.push(Uint8Array.prototype.slice.call(bytes));
    this.#receivedBytes += bytes.length;
    this.#hold();
    this.#tell();
  }

  /** The runtime's: it takes more. */
  drained(): void {
    this.#blocked = false;
    this.#events?.writable();
  }

  /** The runtime's: the client sends no more. */
  peerEnded(): void {
    this.#ended = true;
    this.#tell();
  }

  /** The runtime's: the connection is over. */
  closed(): void {
    this.#gone = true;
    if (this.#farewell !== null) clearTimeout(this.#farewell);
    const events = this.#events;
    this.#events = null;
    events?.close();
  }

  #send(bytes: Uint8Array, at: number, length: number): number {
    const taken = Math.max(0, this.#socket.write(bytes, at, length));
    this.#blocked = taken < length;
    return taken;
  }

  /** As long as something is left unread it is told of again, as the reactor does. */
  #tell(): void {
    if (!this.#paused) this.#events?.readable();
  }

  #tellSoon(): void {
    if (this.#telling || this.#paused || this.#events === null) return;
    this.#telling = true;
    setImmediate(() => {
      this.#telling = false;
      if (this.#receivedBytes > 0 || this.#ended) this.#tell();
    });
  }

  #hold(): void {
    const hold = this.#paused || this.#receivedBytes > receivedBytesMax;
    if (hold === this.#held || this.#gone) return;
    this.#held = hold;
    if (hold) this.#socket.pause();
    else this.#socket.resume();
  }
}
