import { drainMicrotasks } from "bun:jsc";
import type { HttpSocket, HttpSocketEvents } from "../../../src/http/socket.ts";

/** Both ends of one connection in memory: the server's port, and what a client does to it. */
export class MemorySocket implements HttpSocket {
  readonly peer = "192.0.2.7";
  readonly secure = false;
  /** Bytes that the server may send before the client takes some. */
  room = Number.POSITIVE_INFINITY;
  #events: HttpSocketEvents | null = null;
  #toServer: Uint8Array = new Uint8Array(0);
  readonly #toClient: Uint8Array[] = [];
  #clientEnded = false;
  #serverEnded = false;
  #destroyed = false;
  #paused = false;
  #blocked = false;

  /** Hands the server's end to a server. */
  connect(accept: (socket: HttpSocket) => HttpSocketEvents): this {
    this.#events = accept(this);
    if (this.#destroyed) this.#events = null;
    return this;
  }

  /** The server closed the connection for good. */
  get destroyed(): boolean {
    return this.#destroyed;
  }

  /** The server has ended its direction. */
  get ended(): boolean {
    return this.#serverEnded || this.#destroyed;
  }

  get paused(): boolean {
    return this.#paused;
  }

  /** Bytes that the server has not read. */
  get unread(): number {
    return this.#toServer.length;
  }

  /** What the server has sent so far, as latin1. */
  get text(): string {
    return Buffer.concat(this.#toClient).toString("latin1");
  }

  get bytes(): Buffer {
    return Buffer.concat(this.#toClient);
  }

  /** Forgets what was received, e.g. between two requests. */
  clear(): void {
    this.#toClient.length = 0;
  }

  /** The client sends. */
  send(data: string | Uint8Array): void {
    const bytes = typeof data === "string" ? Buffer.from(data, "latin1") : data;
    this.#toServer = Buffer.concat([this.#toServer, bytes]);
    this.run();
  }

  /** The client ends its direction and still reads. */
  endClient(): void {
    this.#clientEnded = true;
    this.run();
  }

  /** The client is gone without a word. */
  reset(): void {
    if (this.#destroyed) return;
    this.#destroyed = true;
    this.#events?.close();
    this.#events = null;
    drainMicrotasks();
  }

  /** The client takes so many bytes more. */
  take(bytes: number): void {
    this.room += bytes;
    if (this.#blocked && this.room > 0) {
      this.#blocked = false;
      this.#events?.writable();
    }
    this.run();
  }

  /** Tells the server what there is, as a reactor does, until it has taken it or does not want to. */
  run(): void {
    drainMicrotasks();
    for (let turn = 0; turn < 100_000 && this.#hasNews(); turn += 1) {
      this.#events?.readable();
      drainMicrotasks();
    }
  }

  read(into: Uint8Array, at: number, length: number): number {
    const part = this.#toServer.subarray(0, length);
    into.set(part, at);
    this.#toServer = this.#toServer.subarray(part.length);
    return part.length === 0 && this.#clientEnded && length > 0 ? -1 : part.length;
  }

  write(
    head: Uint8Array,
    headAt: number,
    headLength: number,
    body: Uint8Array | null,
    bodyAt: number,
    bodyLength: number,
  ): number {
    if (this.#destroyed) return 0;
    const fromHead = Math.min(headLength, this.room);
    const fromBody = body === null ? 0 : Math.min(bodyLength, this.room - fromHead);
    this.#toClient.push(copyOf(head, headAt, fromHead));
    if (body !== null) this.#toClient.push(copyOf(body, bodyAt, fromBody));
    this.room -= fromHead + fromBody;
    if (fromHead + fromBody < headLength + bodyLength) this.#blocked = true;
    return fromHead + fromBody;
  }

  pause(): void {
    this.#paused = true;
  }

  resume(): void {
    this.#paused = false;
  }

  end(): void {
    this.#serverEnded = true;
  }

  destroy(): void {
    this.#destroyed = true;
    this.#events = null;
  }

  #hasNews(): boolean {
    if (this.#events === null || this.#paused) return false;
    return this.#toServer.length > 0 || this.#clientEnded;
  }
}

/** A Buffer's own slice would be a view of what is used again. */
function copyOf(bytes: Uint8Array, at: number, length: number): Uint8Array {
  return Uint8Array.prototype.slice.call(bytes, at, at + length);
}
