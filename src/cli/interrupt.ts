import { SheepfsError } from "../base/errors.ts";
import { printError } from "./output.ts";

const signals = ["SIGINT", "SIGTERM"] as const;

/**
 * Lets work that leaves something behind put it in order when it is interrupted. A second signal ends
 * the process as ever.
 */
export class Interruption implements Disposable {
  #signal: string | null = null;
  /** Ends the wait that is under way. */
  #stop: (() => void) | null = null;
  readonly #heard = (signal: string): void => {
    this.#signal = signal;
    this[Symbol.dispose]();
    if (this.#first !== null) printError(`${signal}: ${this.#first}; once more ends it at once`);
    this.#stop?.();
  };
  readonly #first: string | null;

  /** @param first what is done before it ends, when that may take a while */
  constructor(first: string | null = null) {
    this.#first = first;
    for (const signal of signals) process.on(signal, this.#heard);
  }

  /** To be called again and again. @throws cancelled when it was interrupted */
  check(): void {
    if (this.#signal !== null) throw this.#ended();
  }

  /** Waits for what may never end, one at a time. @throws cancelled as soon as it is interrupted */
  async wait<T>(work: Promise<T>): Promise<T> {
    this.check();
    const stopped = Promise.withResolvers<never>();
    this.#stop = () => stopped.reject(this.#ended());
    try {
      return await Promise.race([work, stopped.promise]);
    } finally {
      this.#stop = null;
    }
  }

  /** For what is carried out whole: says so. @throws cancelled when it was interrupted meanwhile */
  carriedOut(what: string): void {
    if (this.#signal === null) return;
    throw new SheepfsError("cancelled", `${this.#signal} came too late: ${what}`);
  }

  #ended(): SheepfsError {
    return new SheepfsError("cancelled", `ended by ${this.#signal}`);
  }

  [Symbol.dispose](): void {
    for (const signal of signals) process.off(signal, this.#heard);
  }
}
