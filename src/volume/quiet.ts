/** Waits for a moment at which something is so; whoever changes it calls `check`. */
export class Quiet {
  readonly #isQuiet: () => boolean;
  #waiters: (() => void)[] = [];

  constructor(isQuiet: () => boolean) {
    this.#isQuiet = isQuiet;
  }

  async until(): Promise<void> {
    if (this.#isQuiet()) return;
    await new Promise<void>((resolve) => this.#waiters.push(resolve));
  }

  check(): void {
    if (this.#waiters.length === 0 || !this.#isQuiet()) return;
    const waiters = this.#waiters;
    this.#waiters = [];
    for (const wake of waiters) wake();
  }
}
