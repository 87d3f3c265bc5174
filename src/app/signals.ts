import { isatty } from "node:tty";

/** What asks a program to end that has nothing to load again. */
export const endingSignals = ["SIGTERM", "SIGINT", "SIGHUP"] as const;

/** What asks a program to end that loads something again on SIGHUP. */
export const quietSignals = ["SIGTERM", "SIGINT"] as const;

/** Whether somebody sits in front of it. */
export function hasTerminal(): boolean {
  return isatty(0) || isatty(2);
}

/**
 * Resolves with the first of these signals. A second one of the same kind ends the process at once:
 * the work of ending may hang.
 */
export function nextSignal(signals: readonly NodeJS.Signals[]): Promise<NodeJS.Signals> {
  return new Promise((resolve) => {
    for (const signal of signals) {
      process.once(signal, () => resolve(signal));
    }
  });
}
