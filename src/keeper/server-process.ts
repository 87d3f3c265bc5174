import { closeSync } from "node:fs";
import { type ErrorCode, errorTable, SheepfsError } from "../base/errors.ts";
import { limits } from "../base/limits.ts";
import { receiveFd, sendFd, socketPair } from "../sys/sockets.ts";
import { handover, serverMark, textFd } from "./protocol.ts";
import { within } from "./within.ts";

/** A program that can be a server, and the arguments behind its name. */
export interface Program {
  readonly fd: number;
  /** Of the descriptor: what it was opened at may be replaced. */
  readonly path: string;
  /** What a process list shows. */
  readonly title: string;
  readonly args: readonly string[];
}

/** How a server has ended. */
export type ServerEnd =
  | { readonly how: "over"; readonly error: SheepfsError | null; readonly why: string }
  | { readonly how: "yielded" }
  | { readonly how: "died"; readonly why: string };

export interface Kept {
  device: number | null;
  notes: number | null;
}

/** One server: its process, and what it says. */
export class ServerProcess {
  readonly startedMs = performance.now();
  /** Its version, once it is loaded; null when it never was. */
  readonly loaded: Promise<string | null>;
  /** What it says when the mount is usable; null when it never was. */
  readonly ready: Promise<string | null>;
  readonly ended: Promise<ServerEnd>;
  isReady = false;
  /** What became of the last question whether it lives. */
  pulse: "not asked" | "asked" | "answered" = "not asked";
  readonly #child: Bun.Subprocess;
  readonly #socket: number;
  readonly #kept: Kept;
  readonly #loaded = Promise.withResolvers<string | null>();
  readonly #ready = Promise.withResolvers<string | null>();
  #last: ServerEnd | null = null;

  /** @param kept what it hands over is put there */
  constructor(program: Program, cwd: string, kept: Kept) {
    const pair = socketPair();
    if (pair === null) throw new SheepfsError("overload", "no sockets for a server");
    const [ours, theirs] = pair;
    this.#socket = ours;
    this.#kept = kept;
    this.loaded = this.#loaded.promise;
    this.ready = this.#ready.promise;
    try {
      this.#child = Bun.spawn({
        cmd: [program.path, ...program.args],
        argv0: program.title,
        // Another one may be under the mountpoint.
        cwd: "/",
        // In a session of its own: Ctrl-C is the keeper's to pass on.
        detached: true,
        stdio: ["ignore", "inherit", "inherit", "pipe", theirs],
        // The service manager is told by the keeper.
        env: { ...process.env, [serverMark]: "1", PWD: cwd, NOTIFY_SOCKET: "" },
      });
    } catch (thrown) {
      closeSync(ours);
      throw new SheepfsError("internal", `'${program.title}' cannot be started`, { cause: thrown });
    } finally {
      closeSync(theirs);
    }
    this.ended = this.#run();
  }

  get pid(): number {
    return this.#child.pid;
  }

  /** Lets a server that is loaded begin, with what is kept. */
  go(): void {
    const { device, notes } = this.#kept;
    if (device !== null) sendFd(this.#socket, handover.device, device);
    if (notes !== null) sendFd(this.#socket, handover.notes, notes);
    sendFd(this.#socket, handover.go, null);
  }

  ping(): void {
    this.pulse = "asked";
    sendFd(this.#socket, handover.ping, null);
  }

  signal(signal: NodeJS.Signals): void {
    this.#child.kill(signal);
  }

  async #run(): Promise<ServerEnd> {
    const text = this.#child.stdio[textFd];
    const heard = typeof text === "number" ? this.#listen(text) : Promise.resolve();
    const code = await this.#child.exited;
    // What it said last. A program that is none of ours may have left somebody who holds the pipe.
    await within(heard, limits.daemonEndMs);
    this.#take();
    closeSync(this.#socket);
    this.#loaded.resolve(null);
    this.#ready.resolve(null);
    const { signalCode } = this.#child;
    const why = signalCode === null ? `it ended with code ${code}` : `${signalCode} ended it`;
    return this.#last ?? { how: "died", why };
  }

  /** Until the server closes its end, as it does when it is killed. */
  async #listen(fd: number): Promise<void> {
    const decoder = new TextDecoder();
    let pending = "";
    for await (const bytes of Bun.file(fd).stream()) {
      pending += decoder.decode(bytes, { stream: true });
      const lines = pending.split("\n");
      pending = lines.pop() ?? "";
      for (const line of lines) this.#hear(line);
    }
  }

  #hear(line: string): void {
    this.#take();
    const [word = "", ...rest] = line.split(" ");
    const text = rest.join(" ");
    if (word === "loaded") this.#loaded.resolve(text);
    if (word === "ready") {
      this.isReady = true;
      this.#ready.resolve(text);
    }
    if (word === "alive") this.pulse = "answered";
    if (word === "yielded") this.#last = { how: "yielded" };
    if (word === "over") this.#last = { how: "over", error: errorOf(text), why: text };
  }

  /** What it has handed over replaces what was kept. */
  #take(): void {
    for (;;) {
      const received = receiveFd(this.#socket, false);
      if (received === null) return;
      const { byte, fd } = received;
      if (fd === null) continue;
      const place = byte === handover.device ? "device" : byte === handover.notes ? "notes" : null;
      const old = place === null ? fd : this.#kept[place];
      if (place !== null) this.#kept[place] = fd;
      if (old !== null) closeSync(old);
    }
  }
}

function errorOf(text: string): SheepfsError | null {
  if (text === "") return null;
  const [code = "", ...words] = text.split(" ");
  const known = Object.hasOwn(errorTable, code) ? (code as ErrorCode) : "internal";
  return new SheepfsError(known, words.join(" "));
}
