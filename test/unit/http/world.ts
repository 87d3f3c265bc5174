import { silentLogger } from "../../../src/base/log.ts";
import type {
  HttpHandler,
  HttpRequest,
  HttpResponse,
  RefusedRequest,
} from "../../../src/http/exchange.ts";
import { HttpServer } from "../../../src/http/server.ts";
import { SimulatedClock } from "../../simulate/clock.ts";
import { MemorySocket } from "./memory-socket.ts";

/** A server over sockets in memory, with a clock that moves when told. */
export class HttpWorld {
  readonly clock = new SimulatedClock();
  readonly requests: HttpRequest[] = [];
  readonly refused: RefusedRequest[] = [];
  readonly server: HttpServer;

  constructor(handler: HttpHandler) {
    this.server = new HttpServer({
      handler: (request) => {
        this.requests.push(request);
        return handler(request);
      },
      clock: this.clock,
      log: silentLogger,
      name: "test",
      refused: (request) => void this.refused.push(request),
    });
  }

  connect(): MemorySocket {
    return new MemorySocket().connect((socket) => this.server.accept(socket));
  }

  /** Lets time pass for the server and a client. */
  pass(ms: number, socket: MemorySocket): void {
    this.clock.pass(ms);
    socket.run();
  }
}

/** Answers with what it was asked. */
export async function echo(request: HttpRequest): Promise<HttpResponse> {
  const parts: Uint8Array[] = [];
  for (let part = await request.body.next(); part !== null; part = await request.body.next()) {
    parts.push(part.slice());
  }
  const body = Buffer.concat(parts);
  return { status: 200, headers: [["X-Target", request.target]], body: new Uint8Array(body) };
}

export function plain(text: string): HttpResponse {
  return { status: 200, headers: [], body: text };
}

/** The statuses of the answers in a stream, in order; bodies must not look like one. */
export function statuses(text: string): number[] {
  return [...text.matchAll(/HTTP\/1\.1 (\d{3})/g)].map(([, status]) => Number(status));
}
