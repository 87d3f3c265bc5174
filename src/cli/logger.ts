import { appendFileSync, openSync } from "node:fs";
import { createConsola, LogLevels } from "consola/core";
import { asSheepfsError, SheepfsError } from "../base/errors.ts";
import type { Logger } from "../base/log.ts";
import { type LogLevel, logLevels } from "./log-settings.ts";

/** Takes one finished line. */
export type LogSink = (level: LogLevel, line: string) => void;

/** Lines for whoever watches: without a time, as a terminal or a journal adds its own. */
export const stderrSink: LogSink = (level, line) => {
  process.stderr.write(`sheepfs: ${level === "info" ? "" : `${level}: `}${line}\n`);
};

/**
 * Lines with their time at the end of a file, which may be rotated away by copying.
 * @throws denied when the file cannot be written
 */
export function fileSink(path: string): LogSink {
  const fd = openLog(path);
  return (level, line) => {
    appendFileSync(fd, `${new Date().toISOString()} ${level} ${line}\n`);
  };
}

function openLog(path: string): number {
  try {
    return openSync(path, "a", 0o640);
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    throw new SheepfsError("denied", `log file '${path}' cannot be written: ${why}`);
  }
}

/** The program's logger: consola's levels and its throttling of repeated lines, over a sink. */
export function openLogger(level: LogLevel, sink: LogSink): Logger {
  const consola = createConsola({
    level: LogLevels[level],
    reporters: [
      {
        log: (entry) => {
          const known = logLevels.find((one) => one === entry.type) ?? "info";
          for (const line of entry.args.map(String).join(" ").split("\n")) sink(known, line);
        },
      },
    ],
  });
  return {
    error: (message, cause) =>
      consola.error(cause === undefined ? message : because(message, cause)),
    warn: (message) => consola.warn(message),
    info: (message) => consola.info(message),
    debug: (message) => consola.debug(message),
    debugging: level === "debug",
  };
}

function because(message: string, cause: unknown): string {
  const error = asSheepfsError(cause);
  const stack = error.code === "internal" && cause instanceof Error ? `\n${cause.stack}` : "";
  return `${message}: ${error.message}${stack}`;
}
