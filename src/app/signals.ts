/** What asks a program to end that has nothing to load again. */
export const endingSignals = ["SIGTERM", "SIGINT", "SIGHUP"] as const;

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
