import { connect, type Socket } from "node:net";

/** One answer as it came over the wire. */
export interface RawAnswer {
  readonly status: number;
  /** In lower case; the last of several with one name. */
  readonly headers: ReadonlyMap<string, string>;
  readonly body: Buffer;
}

/** Everything after the end of the answers is a fault of the server, or the end of the connection. */
const headEnd = Buffer.from("\r\n\r\n");

/**
 * A connection on which any bytes can be sent, and answers are read in order. It knows nothing of
 * requests: whoever asks says whether the answer has a body (HEAD has none).
 */
export class RawConnection implements Disposable {
  readonly socket: Socket;
  #received: Buffer = Buffer.alloc(0);
  #wake = Promise.withResolvers<void>();
  #ended = false;

  private constructor(socket: Socket) {
    this.socket = socket;
    socket.setNoDelay(true);
    socket.on("data", (bytes: Buffer) => {
      this.#received = this.#received.length === 0 ? bytes : Buffer.concat([this.#received, bytes]);
      this.#changed();
    });
    socket.on("error", () => {});
    socket.on("end", () => this.#end());
    socket.on("close", () => this.#end());
  }

  static async open(port: number): Promise<RawConnection> {
    const socket = connect({ port, host: "127.0.0.1", allowHalfOpen: true });
    await new Promise<void>((resolve, reject) => {
      socket.once("connect", resolve);
      socket.once("error", reject);
    });
    return new RawConnection(socket);
  }

  /** The server sends no more. */
  get ended(): boolean {
    return this.#ended;
  }

  send(bytes: string | Uint8Array): void {
    if (!this.socket.destroyed) this.socket.write(bytes);
  }

  /** The same, waiting until the kernel has taken it. */
  async deliver(bytes: string | Uint8Array): Promise<void> {
    await new Promise<void>((resolve) => this.socket.write(bytes, () => resolve()));
  }

  /**
   * The next answer, interim ones left out unless asked for; null when the connection has ended
   * before it began.
   * @throws Error when it ends within an answer, or the deadline passes
   */
  async answer(
    kind: "body" | "no-body" | "interim" = "body",
    deadlineMs = 20_000,
  ): Promise<RawAnswer | null> {
    const endMs = performance.now() + deadlineMs;
    for (;;) {
      const end = await this.#until(
        () => this.#received.indexOf(headEnd),
        (at) => at >= 0,
        endMs,
      );
      if (end === null) {
        if (this.#received.length === 0) return null;
        throw new Error(`the connection ended within a head: ${this.#received.toString("latin1")}`);
      }
      const { status, headers } = parseHead(this.#received.toString("latin1", 0, end));
      this.#received = this.#received.subarray(end + headEnd.length);
      if (status < 200 && kind !== "interim") continue;
      const bare = kind === "no-body" || status < 200 || status === 204 || status === 304;
      const length = bare ? 0 : Number(headers.get("content-length") ?? Number.NaN);
      if (Number.isNaN(length)) throw new Error(`an answer ${status} without Content-Length`);
      const whole = await this.#until(
        () => this.#received.length,
        (have) => have >= length,
        endMs,
      );
      if (whole === null) throw new Error(`a body of ${length} ended at ${this.#received.length}`);
      const body = Buffer.from(this.#received.subarray(0, length));
      this.#received = this.#received.subarray(length);
      return { status, headers, body };
    }
  }

  /** Sends one request and reads its answer. */
  async ask(
    line: string,
    headers: Readonly<Record<string, string>> = {},
    body: Uint8Array | string = "",
  ): Promise<RawAnswer> {
    const bytes = Buffer.from(body);
    const length = bytes.length > 0 || /^P/.test(line) ? { "Content-Length": bytes.length } : {};
    this.send(Buffer.concat([Buffer.from(requestHead(line, { ...length, ...headers })), bytes]));
    const answer = await this.answer(line.startsWith("HEAD ") ? "no-body" : "body");
    if (answer === null) throw new Error(`no answer to ${line}`);
    return answer;
  }

  /** Waits until the server has ended the connection. */
  async end(deadlineMs = 20_000): Promise<void> {
    const ended = await this.#until(
      () => 0,
      () => false,
      performance.now() + deadlineMs,
    );
    if (ended !== null) throw new Error("the connection did not end");
  }

  /** Breaks it, as a client that dies does. */
  reset(): void {
    this.socket.resetAndDestroy();
  }

  [Symbol.dispose](): void {
    this.socket.destroy();
  }

  #end(): void {
    this.#ended = true;
    this.#changed();
  }

  #changed(): void {
    this.#wake.resolve();
    this.#wake = Promise.withResolvers();
  }

  /** The first value that will do; null when the connection ends first. */
  async #until<T>(value: () => T, isIt: (value: T) => boolean, endMs: number): Promise<T | null> {
    for (;;) {
      const now = value();
      if (isIt(now)) return now;
      if (this.#ended) return null;
      const leftMs = endMs - performance.now();
      if (leftMs <= 0) throw new Error("no answer within the deadline");
      const late = Promise.withResolvers<void>();
      const timer = setTimeout(late.resolve, leftMs);
      await Promise.race([this.#wake.promise, late.promise]);
      clearTimeout(timer);
    }
  }
}

/** Request line and header fields, `Host` with them unless it is among them. */
export function requestHead(
  line: string,
  headers: Readonly<Record<string, string | number>>,
): string {
  const named = Object.keys(headers).some((name) => name.toLowerCase() === "host");
  const fields = Object.entries(named ? headers : { Host: "127.0.0.1", ...headers });
  const rows = fields.map(([name, value]) => `${name}: ${value}\r\n`);
  return `${line} HTTP/1.1\r\n${rows.join("")}\r\n`;
}

function parseHead(text: string): { status: number; headers: Map<string, string> } {
  const [first = "", ...rows] = text.split("\r\n");
  const status = Number(/^HTTP\/1\.[01] ([1-5][0-9][0-9])( .*)?$/.exec(first)?.[1]);
  if (Number.isNaN(status)) throw new Error(`no status line: ${first.slice(0, 200)}`);
  const headers = new Map<string, string>();
  for (const row of rows) {
    const colon = row.indexOf(":");
    if (colon < 1) throw new Error(`no header field: ${row.slice(0, 200)}`);
    headers.set(row.slice(0, colon).toLowerCase(), row.slice(colon + 1).trim());
  }
  return { status, headers };
}
