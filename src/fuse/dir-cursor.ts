import type { Clock } from "../base/clock.ts";
import { limits } from "../base/limits.ts";
import type { MaybePromise } from "../base/maybe-promise.ts";
import { deadlineScope } from "../base/scope.ts";
import type { DirEntry, DirNode } from "../tree/node.ts";

/** Takes one entry; false when there is no room for it. `next` is the offset behind it. */
export type PutEntry = (entry: DirEntry, next: number) => MaybePromise<boolean>;

/**
 * How far one open directory has been read. Offsets are counts of entries, so that reading goes on
 * where it stopped with one entry held back, and only a seek backwards lists again.
 */
export class DirCursor {
  readonly #node: DirNode;
  readonly #clock: Clock;
  #entries: AsyncIterator<DirEntry> | null = null;
  #position = 0;
  #heldBack: DirEntry | null = null;
  /** The kernel reads one handle in turn; a second reader waits all the same. */
  #turn: Promise<void> = Promise.resolve();

  constructor(node: DirNode, clock: Clock) {
    this.#node = node;
    this.#clock = clock;
  }

  /** Puts the entries from `offset` on until one is refused or the directory ends. */
  read(offset: number, put: PutEntry): Promise<void> {
    const turn = this.#turn.then(() => this.#read(offset, put));
    this.#turn = turn.catch(() => {});
    return turn;
  }

  async close(): Promise<void> {
    await this.#turn;
    await this.#rewind();
  }

  async #read(offset: number, put: PutEntry): Promise<void> {
    if (offset < this.#position) await this.#rewind();
    for (;;) {
      const entry = this.#heldBack ?? (await this.#next());
      if (entry === null) return;
      if (this.#position >= offset && !(await put(entry, this.#position + 1))) {
        this.#heldBack = entry;
        return;
      }
      this.#heldBack = null;
      this.#position += 1;
    }
  }

  async #next(): Promise<DirEntry | null> {
    // The listing outlives the message that began it, so it has a deadline of its own.
    this.#entries ??= this.#node
      .list(deadlineScope(this.#clock, limits.operationTimeoutMs))
      [Symbol.asyncIterator]();
    try {
      const step = await this.#entries.next();
      return step.done === true ? null : step.value;
    } catch (thrown) {
      // What failed is not continued: the next read lists again.
      this.#entries = null;
      this.#position = 0;
      throw thrown;
    }
  }

  async #rewind(): Promise<void> {
    const entries = this.#entries;
    this.#entries = null;
    this.#position = 0;
    this.#heldBack = null;
    await entries?.return?.();
  }
}
