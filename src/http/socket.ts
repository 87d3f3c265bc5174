/** A byte stream to one HTTP client as a port: plain TCP over the reactor, or TLS. */
export interface HttpSocket {
  /** Textual address of the peer, for logs and for slowing failed logins. */
  readonly peer: string;
  readonly secure: boolean;
  /** Reads what has arrived into `into[at, at+length)`: bytes read, 0 none now, -1 end of stream. */
  read(into: Uint8Array, at: number, length: number): number;
  /**
   * Sends `head[headAt, +headLength)` then `body[bodyAt, +bodyLength)` in one call, without keeping
   * either: returns how many bytes of the two were taken. After less than all, `events.writable`
   * follows.
   */
  write(
    head: Uint8Array,
    headAt: number,
    headLength: number,
    body: Uint8Array | null,
    bodyAt: number,
    bodyLength: number,
  ): number;
  /** Stops `events.readable` until `resume`: back-pressure to the client. */
  pause(): void;
  resume(): void;
  /** Ends our direction in order: what was taken still reaches the client. */
  end(): void;
  /** Closes at once; no event follows. */
  destroy(): void;
}

export interface HttpSocketEvents {
  /** Bytes can be read; called again as long as some are left unread. */
  readable(): void;
  /** Called once after a `write` that did not take everything. */
  writable(): void;
  /** The last event, whatever ended the connection. */
  close(): void;
}

/** One address under listen. */
export interface HttpListener {
  /** As bound: a port 0 has become a real one. */
  readonly port: number;
  /** Stops accepting; connections that exist go on. */
  close(): void;
}
