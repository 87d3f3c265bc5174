import { type FileHandle, open } from "node:fs/promises";
import { asSheepfsError, SheepfsError } from "../base/errors.ts";
import { limits } from "../base/limits.ts";
import type { Logger } from "../base/log.ts";

/**
 * Lines for a file, written behind the server's back: nobody waits for the disk. What does not fit
 * the queue is counted and lost.
 */
export class AccessLogFile implements AsyncDisposable {
  readonly #path: string | null;
  readonly #log: Logger;
  #file: FileHandle | null;
  #queue: string[] = [];
  #queuedBytes = 0;
  #lost = 0;
  #writing: Promise<void> | null = null;
  #reopen = false;

  private constructor(path: string | null, file: FileHandle | null, log: Logger) {
    this.#path = path;
    this.#file = file;
    this.#log = log;
  }

  /** @param path null for stdout. @throws denied when it cannot be written */
  static async open(path: string | null, log: Logger): Promise<AccessLogFile> {
    return new AccessLogFile(path, path === null ? null : await openForAppend(path), log);
  }

  /** Never waits. */
  add(line: string): void {
    if (this.#queuedBytes + line.length > limits.accessLogBytesMax) {
      if (this.#lost === 0)
        this.#log.warn("the access log is slower than its lines; some are lost");
      this.#lost += 1;
      return;
    }
    this.#queue.push(line);
    this.#queuedBytes += line.length;
    this.#writing ??= this.#write();
  }

  /** Goes on in the file that has the name now: the old one may have been renamed. */
  reopen(): void {
    this.#reopen = true;
    this.#writing ??= this.#write();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#writing;
    await this.#file?.close();
  }

  /** Never rejects: a log that cannot be written does not end the server. */
  async #write(): Promise<void> {
    // Lines of one turn of the event loop leave together.
    await Promise.resolve();
    while (this.#queue.length > 0 || this.#reopen) {
      try {
        if (this.#reopen) await this.#openAgain();
        const text = this.#queue.join("");
        this.#queue = [];
        await this.#append(text);
        this.#queuedBytes -= text.length;
      } catch (thrown) {
        this.#queuedBytes = 0;
        this.#log.error("the access log cannot be written", asSheepfsError(thrown));
      }
      if (this.#lost > 0) this.#log.warn(`${this.#lost} lines of the access log were lost`);
      this.#lost = 0;
    }
    this.#writing = null;
  }

  async #append(text: string): Promise<void> {
    if (text === "") return;
    if (this.#file === null) await Bun.write(Bun.stdout, text);
    else await this.#file.appendFile(text);
  }

  async #openAgain(): Promise<void> {
    this.#reopen = false;
    if (this.#path === null) return;
    const file = await openForAppend(this.#path);
    await this.#file?.close();
    this.#file = file;
  }
}

async function openForAppend(path: string): Promise<FileHandle> {
  try {
    return await open(path, "a", 0o640);
  } catch (thrown) {
    const why = thrown instanceof Error ? thrown.message : String(thrown);
    throw new SheepfsError("denied", `access log '${path}' cannot be written: ${why}`);
  }
}
