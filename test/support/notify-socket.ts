import { dlopen, ptr } from "bun:ffi";
import { join } from "node:path";
import { TemporaryFolder } from "./process.ts";

const { symbols: libc } = dlopen("libc.so.6", {
  socket: { args: ["i32", "i32", "i32"], returns: "i32" },
  bind: { args: ["i32", "ptr", "u32"], returns: "i32" },
  recv: { args: ["i32", "ptr", "u64", "i32"], returns: "i64" },
  close: { args: ["i32"], returns: "i32" },
});

const unix = 1;
const datagram = 2;
const doNotWait = 0x40;
const messageBytesMax = 4096;

/** What a service manager listens on: a socket for the messages of sd_notify(3). */
export class NotifySocket implements Disposable {
  /** For `NOTIFY_SOCKET`. */
  readonly address: string;
  readonly messages: string[] = [];
  readonly #folder: TemporaryFolder | null;
  readonly #fd: number;

  /** @param name `@` and a name that is in no file system; a path of its own without */
  constructor(name: string | null = null) {
    this.#folder = name === null ? new TemporaryFolder() : null;
    this.address = name ?? join(this.#folder?.path ?? "", "notify");
    const path = new TextEncoder().encode(this.address);
    const bytes = new Uint8Array(new ArrayBuffer(2 + path.length));
    bytes[0] = unix;
    bytes.set(path, 2);
    if (name !== null) bytes[2] = 0;
    this.#fd = libc.socket(unix, datagram, 0);
    if (libc.bind(this.#fd, ptr(bytes), bytes.length) !== 0) throw new Error("no socket to bind");
  }

  /** Waits until a message with this line has come. @returns its lines */
  async until(line: RegExp): Promise<readonly string[]> {
    for (;;) {
      this.#receive();
      const found = this.messages.map((text) => text.split("\n"));
      const match = found.find((lines) => lines.some((one) => line.test(one)));
      if (match !== undefined) return match;
      await Bun.sleep(5);
    }
  }

  [Symbol.dispose](): void {
    libc.close(this.#fd);
    this.#folder?.[Symbol.dispose]();
  }

  #receive(): void {
    const bytes = new Uint8Array(new ArrayBuffer(messageBytesMax));
    for (;;) {
      const count = Number(libc.recv(this.#fd, ptr(bytes), bytes.length, doNotWait));
      if (count < 0) return;
      this.messages.push(new TextDecoder().decode(bytes.subarray(0, count)));
    }
  }
}
