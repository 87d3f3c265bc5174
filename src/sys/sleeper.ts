import { SheepfsError } from "../base/errors.ts";
import { sleepWord, type WaiterReport, type WaiterTask } from "./sleep-word.ts";

/** In a compiled executable every file lies under its path in the project. */
const compiled = import.meta.dir.startsWith("/$bunfs/");
const waiterPath = compiled ? "./src/sys/waiter.ts" : "./waiter.ts";

/** The thread that waits for a set's descriptors while the event loop has nothing to do. */
export class Sleeper {
  readonly #setFd: number;
  readonly #onReady: () => void;
  readonly #words = new Int32Array(new SharedArrayBuffer(4));
  #worker: Worker | null = null;
  #state: "none" | "starting" | "resting" | "watching" | "closed" = "none";
  #held = false;

  /** Nothing is started before the first `sleep`: many commands are over before. */
  constructor(setFd: number, onReady: () => void) {
    this.#setFd = setFd;
    this.#onReady = onReady;
  }

  /** Whether the process has to live for the sake of what is waited for. */
  hold(held: boolean): void {
    this.#held = held;
    if (this.#worker === null) return;
    if (held) this.#worker.ref();
    else this.#worker.unref();
  }

  /** Lets the thread wait; `onReady` follows. False when it is not there yet: ask again. */
  sleep(): boolean {
    switch (this.#state) {
      case "none":
        this.#start();
        return false;
      case "starting":
        return false;
      case "resting":
        this.#state = "watching";
        Atomics.store(this.#words, 0, sleepWord.watch);
        Atomics.notify(this.#words, 0);
        return true;
      case "closed":
      case "watching":
        // It watches since an earlier sleep, or its report is on its way.
        return true;
    }
  }

  /** Ends the thread, which a descriptor that is ready must help to end its wait. */
  close(onEnd: () => void): void {
    this.#state = "closed";
    const worker = this.#worker;
    if (worker === null) {
      onEnd();
      return;
    }
    worker.addEventListener("close", onEnd);
    Atomics.store(this.#words, 0, sleepWord.end);
    Atomics.notify(this.#words, 0);
    worker.unref();
  }

  #start(): void {
    this.#state = "starting";
    const worker = new Worker(new URL(waiterPath, import.meta.url).href, { smol: true });
    this.#worker = worker;
    this.hold(this.#held);
    worker.onmessage = ({ data }: MessageEvent<WaiterReport>) => this.#reported(data);
    worker.onerror = (event: ErrorEvent) => {
      throw new SheepfsError("internal", `the waiting thread failed: ${event.message}`);
    };
    worker.postMessage({ setFd: this.#setFd, words: this.#words } satisfies WaiterTask);
  }

  #reported(what: WaiterReport): void {
    if (this.#state === "closed") return;
    this.#state = "resting";
    if (what === "ready") this.#onReady();
  }
}
