import { SheepfsError } from "../base/errors.ts";

const signals = ["SIGINT", "SIGTERM"] as const;

/**
 * Lets work that leaves something behind put it in order when it is interrupted. A second signal ends
 * the process as ever.
 */
export class Interruption implements Disposable {
  #signal: string | null = null;
  readonly #heard = (signal: string): void => {
    this.#signal = signal;
    this[Symbol.dispose]();
  };

  constructor() {
    for (const signal of signals) process.on(signal, this.#heard);
  }

  /** To be called again and again. @throws cancelled when it was interrupted */
  check(): void {
    if (this.#signal !== null) throw new SheepfsError("cancelled", `ended by ${this.#signal}`);
  }

  [Symbol.dispose](): void {
    for (const signal of signals) process.off(signal, this.#heard);
  }
}
