import { assert } from "../base/assert.ts";
import { EpollSet, epollBit } from "./epoll.ts";
import { closeFd, libc } from "./libc.ts";
import { Sleeper } from "./sleeper.ts";

/** What the owner of a watched descriptor is told. An error comes as whichever was asked for. */
export interface Watched {
  readable(): void;
  writable(): void;
}

/** One descriptor under watch. */
export interface Watch {
  /** With neither, nothing is told, not even an error. Again as long as there is a reason. */
  want(readable: boolean, writable: boolean): void;
  /** To be called before the descriptor is closed; nothing is told after it. */
  end(): void;
}

/** Who wants to write what was gathered during a burst of events. */
export interface Flushed {
  flush(): void;
}

/**
 * How long it stays awake without work before the waiter thread takes over: the step from there
 * back to work costs tens of microseconds, so a peer that answers soon should not need it.
 */
const awakeMs = 2;
/**
 * How long after work it only asks, and does not wait: to be woken costs as much, and a processor
 * that nobody uses meanwhile costs its peers as much again. That pays where answers come within it,
 * as a sheep's do from memory, and is left off as long as they do not.
 */
const askMs = { soon: 0.2, much: 0 } as const;
/** Asking within one turn of the event loop, each of which leaves garbage behind. */
const askTurnMs = 0.02;
/**
 * One wait inside the event loop. Everything else in this process (timers, HTTP) waits no longer
 * than this for it, and only within `awakeMs` of work.
 */
const waitUs = 100;

/**
 * Tells when descriptors are ready, from Bun's own event loop: every event is a macrotask of its
 * loop, in the one thread that has everything. While there is work it asks the kernel in each
 * iteration; after a while without, a thread waits in its stead, and nothing runs.
 */
export class Reactor {
  readonly #set = new EpollSet();
  readonly #entries: (Entry | null)[] = [];
  readonly #freeKeys: number[] = [];
  readonly #sleeper: Sleeper;
  #generation = 0;
  #watching = 0;
  #flushes: Flushed[] = [];
  #flushesSpare: Flushed[] = [];
  #state: "asleep" | "awake" | "closed" = "asleep";
  #workedMs = 0;
  /** Whether the last answer came so soon that only asking would have found it. */
  #askingPays = true;
  readonly #askMs: number;
  readonly #tick = (): void => this.#turn();

  /**
   * @param wants each answer as soon as it can be, or as much as there can be: who has many requests
   *   under way loses nothing by waiting, and leaves the processor to a sheep on the same machine
   */
  constructor(wants: "soon" | "much" = "soon") {
    this.#askMs = askMs[wants];
    this.#sleeper = new Sleeper(this.#set.fd, () => this.#wake());
  }

  /** Begins to watch a descriptor, at first for nothing. */
  watch(fd: number, watched: Watched): Watch {
    assert(this.#state !== "closed", "a closed reactor watches nothing");
    const key = this.#freeKeys.pop() ?? this.#entries.length;
    this.#generation = (this.#generation + 1) >>> 0;
    const entry: Entry = { fd, watched, key, generation: this.#generation, bits: 0 };
    this.#entries[key] = entry;
    this.#hold(1);
    return {
      want: (readable, writable) => {
        this.#want(entry, (readable ? epollBit.readable : 0) | (writable ? epollBit.writable : 0));
      },
      end: () => this.#end(entry),
    };
  }

  /** Calls `flush` once, when the events that are at hand have been told. */
  flushSoon(flushed: Flushed): void {
    this.#flushes.push(flushed);
    this.#wake();
  }

  /** Tells nothing more and lets the process end. What is watched stays its owner's to close. */
  close(): void {
    if (this.#state === "closed") return;
    this.#state = "closed";
    this.#entries.length = 0;
    this.#flushes.length = 0;
    const { fd } = this.#set;
    // Something that is always ready ends the thread's wait.
    const always = libc.eventfd(1, 0);
    this.#set.add(always, epollBit.readable, 0, 0);
    this.#sleeper.close(() => {
      closeFd(always);
      closeFd(fd);
    });
  }

  #want(entry: Entry, bits: number): void {
    if (bits === entry.bits || this.#entries[entry.key] !== entry) return;
    const { fd, key, generation } = entry;
    // Out of the set altogether, as errors are told for what is in it, wanted or not.
    if (bits === 0) this.#set.remove(fd);
    else if (entry.bits === 0) this.#set.add(fd, bits, key, generation);
    else this.#set.change(fd, bits, key, generation);
    entry.bits = bits;
    this.#wake();
  }

  #end(entry: Entry): void {
    if (this.#entries[entry.key] !== entry) return;
    if (entry.bits !== 0) this.#set.remove(entry.fd);
    this.#entries[entry.key] = null;
    this.#freeKeys.push(entry.key);
    this.#hold(-1);
  }

  /** As long as something is watched there is something to wait for. */
  #hold(change: number): void {
    this.#watching += change;
    this.#sleeper.hold(this.#watching > 0);
  }

  #wake(): void {
    if (this.#state !== "asleep") return;
    this.#state = "awake";
    this.#workedMs = performance.now();
    setImmediate(this.#tick);
  }

  /** One turn: a bounded number of events, then whoever else is in the event loop has his. */
  #turn(): void {
    if (this.#state !== "awake") return;
    try {
      this.#flushAll();
      const count = this.#look();
      for (let index = 0; index < count; index += 1) this.#tell(index);
      this.#flushAll();
      if (count > 0) this.#workedMs = performance.now();
    } finally {
      // Also after an error in a handler, which is its owner's and not the other descriptors'.
      this.#goOn();
    }
  }

  #look(): number {
    const beganMs = performance.now();
    if (this.#askingPays && beganMs - this.#workedMs < this.#askMs) return this.#ask(beganMs);
    const count = this.#set.wait(waitUs);
    this.#askingPays = count > 0 && performance.now() - this.#workedMs < this.#askMs;
    return count;
  }

  #ask(beganMs: number): number {
    for (;;) {
      const count = this.#set.wait(0);
      if (count > 0 || performance.now() - beganMs > askTurnMs) return count;
    }
  }

  #goOn(): void {
    // A handler may have closed us.
    if (this.#state === "closed") return;
    const idle = performance.now() - this.#workedMs > awakeMs && this.#flushes.length === 0;
    if (idle && this.#sleeper.sleep()) this.#state = "asleep";
    else setImmediate(this.#tick);
  }

  #tell(index: number): void {
    const entry = this.#entries[this.#set.key(index)];
    // It ended, or another took its place, while earlier events were told.
    if (entry === undefined || entry === null) return;
    if (entry.generation !== this.#set.generation(index)) return;
    const bits = this.#set.bits(index);
    const failed = (bits & (epollBit.error | epollBit.hangUp)) !== 0;
    if ((bits & epollBit.readable) !== 0 || (failed && (entry.bits & epollBit.readable) !== 0)) {
      entry.watched.readable();
    } else if (failed) {
      entry.watched.writable();
      return;
    }
    if ((bits & entry.bits & epollBit.writable) !== 0 && this.#entries[entry.key] === entry) {
      entry.watched.writable();
    }
  }

  #flushAll(): void {
    const flushes = this.#flushes;
    if (flushes.length === 0) return;
    this.#flushes = this.#flushesSpare;
    this.#flushesSpare = flushes;
    try {
      for (let index = 0; index < flushes.length; index += 1) flushes[index]?.flush();
    } finally {
      flushes.length = 0;
    }
  }
}

interface Entry {
  readonly fd: number;
  readonly watched: Watched;
  readonly key: number;
  /** Tells entries apart that had the same key one after the other. */
  readonly generation: number;
  bits: number;
}
