import { connect, createServer, type Server, type Socket } from "node:net";
import type { TestCluster, VdiWish } from "./cluster.ts";

const headerBytes = 48;
const writeFlag = 1;

/**
 * Stands between the program and a sheep and counts what is asked. It runs in the test's own
 * process: whoever uses the mount behind it must not block that process.
 */
export class CountingProxy implements TestCluster {
  readonly embedded = false;
  readonly address: string;
  readonly #cluster: TestCluster;
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  #requests = 0;
  #sentBytes = 0;
  /** Called for each request; what it returns is waited for before the sheep gets that. */
  before: ((opcode: number) => Promise<void> | null) | null = null;

  private constructor(cluster: TestCluster, server: Server, port: number) {
    this.#cluster = cluster;
    this.#server = server;
    this.address = `127.0.0.1:${port}`;
    server.on("connection", (socket) => this.#relay(socket));
  }

  static async before(cluster: TestCluster): Promise<CountingProxy> {
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    const address = server.address();
    if (address === null || typeof address === "string") throw new Error("the proxy has no port");
    return new CountingProxy(cluster, server, address.port);
  }

  /** What was asked while `work` ran. */
  async during(work: () => Promise<unknown>): Promise<{ requests: number; sentBytes: number }> {
    const [requests, sentBytes] = [this.#requests, this.#sentBytes];
    await work();
    return { requests: this.#requests - requests, sentBytes: this.#sentBytes - sentBytes };
  }

  /** Breaks every connection; new ones are taken. */
  cut(): void {
    for (const socket of this.#sockets) socket.resetAndDestroy();
    this.#sockets.clear();
  }

  createVdi(label: string, wish: VdiWish): Promise<string> {
    return this.#cluster.createVdi(label, wish);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.close();
    for (const socket of this.#sockets) socket.destroy();
  }

  #relay(client: Socket): void {
    const colon = this.#cluster.address.lastIndexOf(":");
    const host = this.#cluster.address.slice(0, colon);
    const sheep = connect(Number(this.#cluster.address.slice(colon + 1)), host);
    const waits: Promise<void>[] = [];
    const counter = new RequestCounter((opcode) => {
      this.#requests += 1;
      const wait = this.before?.(opcode) ?? null;
      if (wait !== null) waits.push(wait);
    });
    client.on("data", (bytes) => {
      this.#sentBytes += bytes.length;
      counter.take(bytes);
      if (waits.length === 0) {
        sheep.write(bytes);
        return;
      }
      client.pause();
      const pass = (): void => {
        sheep.write(bytes);
        client.resume();
      };
      Promise.all(waits.splice(0)).then(pass, (thrown: Error) => client.destroy(thrown));
    });
    sheep.on("data", (bytes) => client.write(bytes));
    for (const [one, other] of [
      [client, sheep],
      [sheep, client],
    ] as const) {
      this.#sockets.add(one);
      one.setNoDelay(true);
      one.on("error", () => other.destroy());
      one.on("close", () => other.destroy());
    }
  }
}

/** Finds where requests begin in a stream that comes in any pieces. */
class RequestCounter {
  readonly #counted: (opcode: number) => void;
  #head = Buffer.alloc(0);
  #skip = 0;

  constructor(counted: (opcode: number) => void) {
    this.#counted = counted;
  }

  take(bytes: Buffer | string): void {
    let rest = Buffer.from(bytes);
    while (rest.length > 0) {
      const skipped = Math.min(this.#skip, rest.length);
      this.#skip -= skipped;
      rest = rest.subarray(skipped);
      const missing = headerBytes - this.#head.length;
      this.#head = Buffer.concat([this.#head, rest.subarray(0, missing)]);
      rest = rest.subarray(missing);
      if (this.#head.length < headerBytes) return;
      const sends = (this.#head.readUInt16LE(2) & writeFlag) !== 0;
      const opcode = this.#head.readUInt8(1);
      this.#skip = sends ? this.#head.readUInt32LE(12) : 0;
      this.#head = Buffer.alloc(0);
      this.#counted(opcode);
    }
  }
}
