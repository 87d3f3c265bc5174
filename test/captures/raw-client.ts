import type { Address } from "../../src/base/address.ts";
import type { SheepRequest } from "../../src/wire/header.ts";

export interface RawReply {
  readonly header: DataView<ArrayBuffer>;
  readonly result: number;
  readonly data: Uint8Array;
}

/** Sends bytes as they are and hands over whole replies, by their id. */
export class RawClient implements AsyncDisposable {
  readonly #waiting = new Map<number, (reply: RawReply) => void>();
  #socket: Bun.Socket | null = null;
  #received: Buffer[] = [];
  #receivedBytes = 0;
  #unsent: Uint8Array[] = [];
  #lastId = 0x7000_0000;
  #ended: Promise<void>;
  #end: () => void = () => {};
  closed = false;

  private constructor() {
    this.#ended = new Promise((resolve) => {
      this.#end = resolve;
    });
  }

  static async connect({ host, port }: Address): Promise<RawClient> {
    const client = new RawClient();
    client.#socket = await Bun.connect({
      hostname: host,
      port,
      socket: {
        data: (_, chunk) => client.#take(chunk),
        drain: () => client.#send(),
        close: () => client.#close(),
        error: () => client.#close(),
      },
    });
    return client;
  }

  /** Resolves when the other side has ended the connection. */
  ended(): Promise<void> {
    return this.#ended;
  }

  pause(): void {
    this.#socket?.pause();
  }

  resume(): void {
    this.#socket?.resume();
  }

  /** Ends the connection with a reset. */
  reset(): void {
    this.#socket?.terminate();
  }

  sendBytes(bytes: Uint8Array): void {
    this.#unsent.push(bytes);
    this.#send();
  }

  /** Sends header and data as they are; the answer is the one that carries the same id. */
  exchange(header: Uint8Array, data: Uint8Array | null): Promise<RawReply> {
    const id = new DataView(header.buffer, header.byteOffset).getUint32(8, true);
    const reply = this.reply(id);
    this.sendBytes(data === null ? header : Buffer.concat([header, data]));
    return reply;
  }

  /** The answer with this id. */
  reply(id: number): Promise<RawReply> {
    return new Promise((resolve, reject) => {
      this.#waiting.set(id, resolve);
      void this.#ended.then(() => reject(new Error("the connection was closed")));
    });
  }

  /** Sends a request under an id of its own. */
  call(request: SheepRequest): Promise<RawReply> {
    this.#lastId += 1;
    const header = request.header.slice();
    new DataView(header.buffer).setUint32(8, this.#lastId, true);
    return this.exchange(header, request.data);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#socket?.end();
    if (!this.closed) await this.#ended;
  }

  #send(): void {
    while (this.#unsent.length > 0) {
      const [first = new Uint8Array(0)] = this.#unsent;
      const sent = Math.max(0, this.#socket?.write(first) ?? 0);
      if (sent < first.length) {
        this.#unsent[0] = first.subarray(sent);
        return;
      }
      this.#unsent.shift();
    }
  }

  #take(chunk: Buffer): void {
    this.#received.push(chunk);
    this.#receivedBytes += chunk.length;
    for (;;) {
      const first = this.#received[0];
      if (first === undefined || this.#receivedBytes < 48) return;
      if (first.length < 48) this.#join();
      const length = 48 + (this.#received[0]?.readUInt32LE(12) ?? 0);
      if (this.#receivedBytes < length) return;
      this.#join();
      const whole = this.#received[0] ?? Buffer.alloc(0);
      this.#received = whole.length === length ? [] : [whole.subarray(length)];
      this.#receivedBytes -= length;
      this.#hand(new Uint8Array(whole.subarray(0, length)));
    }
  }

  #join(): void {
    if (this.#received.length > 1) this.#received = [Buffer.concat(this.#received)];
  }

  #hand(bytes: Uint8Array<ArrayBuffer>): void {
    const header = new DataView(bytes.buffer, 0, 48);
    const id = header.getUint32(8, true);
    const waiting = this.#waiting.get(id);
    this.#waiting.delete(id);
    waiting?.({ header, result: header.getUint32(16, true), data: bytes.subarray(48) });
  }

  #close(): void {
    this.closed = true;
    this.#end();
  }
}
