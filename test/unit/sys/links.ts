import type { Address } from "../../../src/base/address.ts";
import type { SheepfsError } from "../../../src/base/errors.ts";
import type { Link, Transport } from "../../../src/client/transport.ts";
import { Reactor } from "../../../src/sys/reactor.ts";
import { TcpTransport } from "../../../src/sys/tcp.ts";

/** Notes every event of one link, and lets a test act on some of them. */
export class LinkWatcher {
  readonly events: string[] = [];
  readonly opened: Promise<void>;
  readonly closed: Promise<SheepfsError | null>;
  onReadable: (() => void) | null = null;
  onWritable: (() => void) | null = null;
  readonly link: Link;
  readonly #open = Promise.withResolvers<void>();
  readonly #close = Promise.withResolvers<SheepfsError | null>();

  constructor(transport: Transport, to: Address) {
    this.opened = this.#open.promise;
    this.closed = this.#close.promise;
    this.link = transport.connect(to, {
      open: () => {
        this.events.push("open");
        this.#open.resolve();
      },
      readable: () => {
        this.events.push("readable");
        this.onReadable?.();
      },
      writable: () => {
        this.events.push("writable");
        this.onWritable?.();
      },
      flush: () => this.events.push("flush"),
      close: (why) => {
        this.events.push(why === null ? "close" : `close ${why.code}`);
        this.#close.resolve(why);
      },
    });
    this.events.push("connect returned");
  }
}

/** A reactor and its transport, closed when disposed. */
export class TestNetwork implements Disposable {
  readonly reactor = new Reactor();
  /** As the client has it: sys satisfies the port without knowing it. */
  readonly transport: Transport = new TcpTransport(this.reactor);

  [Symbol.dispose](): void {
    this.reactor.close();
  }
}

/** The next turn of the event loop's timers: for what must not happen. */
export function soon(ms: number): Promise<void> {
  return new Promise((resolve) => {
    setTimeout(resolve, ms);
  });
}
