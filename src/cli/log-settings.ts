import { resolve } from "node:path";
import { startedIn } from "../app/server-mark.ts";
import { UsageError } from "./usage-error.ts";

export const logLevels = ["error", "warn", "info", "debug"] as const;
export type LogLevel = (typeof logLevels)[number];

/** What is logged, and where a daemon writes it. */
export interface LogSettings {
  readonly level: LogLevel;
  /** Absolute; null for syslog. */
  readonly file: string | null;
}

/** @throws UsageError naming a level that is none */
export function logSettings(file: string | null, level: string | undefined): LogSettings {
  const wanted = level === undefined || level === "" ? "info" : level;
  const known = logLevels.find((one) => one === wanted);
  if (known === undefined) {
    throw new UsageError(
      `SHEEPFS_LOG: '${wanted}' is no level; it is one of ${logLevels.join(", ")}`,
    );
  }
  return { level: known, file: file === null ? null : resolve(startedIn(), file) };
}
