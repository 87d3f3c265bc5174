import { closeSync, openSync, writeSync } from "node:fs";
import { asSheepfsError, SheepfsError } from "../base/errors.ts";
import type { LogLevel } from "./log-settings.ts";
import type { LogSink } from "./logger.ts";

/**
 * Lines with their time at the end of a file. What a full disk does not take is counted and lost,
 * and said when there is room again: a log that cannot be written ends nothing.
 */
export class LogFile implements LogSink {
  readonly #path: string;
  #fd: number;
  #lost = 0;
  /** The last line is there in part. */
  #torn = false;

  /** @throws denied when the file cannot be written */
  constructor(path: string) {
    this.#path = path;
    this.#fd = openForAppend(path);
  }

  write(level: LogLevel, line: string): void {
    if (this.#lost > 0 && !this.#append("warn", this.#lossText())) {
      this.#lost += 1;
      return;
    }
    this.#lost = this.#append(level, line) ? 0 : 1;
  }

  reopen(): void {
    let fresh: number;
    try {
      fresh = openForAppend(this.#path);
    } catch (thrown) {
      this.write("error", `${asSheepfsError(thrown).message}; going on in the old file`);
      return;
    }
    closeSync(this.#fd);
    this.#fd = fresh;
    this.#torn = false;
  }

  #lossText(): string {
    const lines = this.#lost === 1 ? "1 line" : `${this.#lost} lines`;
    return `${lines} of this log could not be written and are lost`;
  }

  /** @returns false when the line is not there whole */
  #append(level: LogLevel, line: string): boolean {
    const text = `${this.#torn ? "\n" : ""}${new Date().toISOString()} ${level} ${line}\n`;
    const bytes = Buffer.from(text);
    try {
      const written = writeSync(this.#fd, bytes);
      this.#torn = written > 0 ? written < bytes.length : this.#torn;
      return written === bytes.length;
    } catch {
      return false;
    }
  }
}

function openForAppend(path: string): number {
  try {
    return openSync(path, "a", 0o640);
  } catch (thrown) {
    const why = thrown instanceof Error ? thrown.message : String(thrown);
    throw new SheepfsError("denied", `log file '${path}' cannot be written: ${why}`);
  }
}
