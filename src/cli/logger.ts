import { createConsola, LogLevels } from "consola/core";
import { asSheepfsError } from "../base/errors.ts";
import type { ServiceLog } from "../base/log.ts";
import { type LogLevel, logLevels } from "./log-settings.ts";

/** Where finished lines go. Nobody fails since the log cannot be written. */
export interface LogSink {
  write(level: LogLevel, line: string): void;
  /** Goes on in the file that has the name now. */
  reopen(): void;
}

/** Lines for whoever watches: without a time, as a terminal or a journal adds its own. */
export const stderrSink: LogSink = {
  write: (level, line) => {
    process.stderr.write(`sheepfs: ${level === "info" ? "" : `${level}: `}${line}\n`);
  },
  reopen: () => {},
};

/** The program's logger: consola's levels and its throttling of repeated lines, over a sink. */
export function openLogger(level: LogLevel, sink: LogSink): ServiceLog {
  const consola = createConsola({
    level: LogLevels[level],
    reporters: [
      {
        log: (entry) => {
          const known = logLevels.find((one) => one === entry.type) ?? "info";
          for (const line of entry.args.map(String).join(" ").split("\n")) sink.write(known, line);
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
    reopen: () => sink.reopen(),
  };
}

function because(message: string, cause: unknown): string {
  const error = asSheepfsError(cause);
  const stack = error.code === "internal" && cause instanceof Error ? `\n${cause.stack}` : "";
  return `${message}: ${error.message}${stack}`;
}
