const ending = ["SIGTERM", "SIGINT", "SIGHUP"] as const;

/**
 * Resolves with the first signal that asks to end. A second one of the same kind ends the process
 * at once: the work of ending may hang.
 */
export function nextSignal(): Promise<NodeJS.Signals> {
  return new Promise((resolve) => {
    for (const signal of ending) {
      process.once(signal, () => resolve(signal));
    }
  });
}
