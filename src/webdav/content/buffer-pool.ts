/** Who waits for a buffer. */
export interface BufferWaiter {
  /** Now it has one. */
  granted(buffer: Buffer): void;
}

/** Who holds buffers with bytes that could be had again. */
export interface BufferHolder {
  /** Gives all its buffers back at once. */
  surrender(): void;
}

/**
 * A bounded number of buffers of one size, made when they are needed first. Who finds none waits in
 * line; but first those give theirs up who hold bytes for clients that do not take them.
 */
export class BufferPool {
  readonly bufferBytes: number;
  readonly #max: number;
  #made = 0;
  /** Used last, taken first: as little memory as possible is touched. */
  readonly #free: Buffer[] = [];
  readonly #waiters: BufferWaiter[] = [];
  /** In the order in which their clients stopped taking. */
  readonly #stalled = new Set<BufferHolder>();

  constructor({ bufferBytes, totalBytes }: { bufferBytes: number; totalBytes: number }) {
    this.bufferBytes = bufferBytes;
    this.#max = Math.floor(totalBytes / bufferBytes);
  }

  /** Less than half is in use: reading ahead takes from nobody. */
  get plenty(): boolean {
    return this.#made - this.#free.length < this.#max / 2;
  }

  /** Bytes in use, for whoever watches. */
  get usedBytes(): number {
    return (this.#made - this.#free.length) * this.bufferBytes;
  }

  /** A buffer now, or null: then `granted` follows, unless `leave` is called before. */
  take(waiter: BufferWaiter): Buffer | null {
    const buffer = this.#waiters.length === 0 ? this.#have() : null;
    if (buffer === null) this.#waiters.push(waiter);
    return buffer;
  }

  leave(waiter: BufferWaiter): void {
    const at = this.#waiters.indexOf(waiter);
    if (at >= 0) this.#waiters.splice(at, 1);
  }

  give(buffer: Buffer): void {
    const waiter = this.#waiters.shift();
    if (waiter === undefined) this.#free.push(buffer);
    else waiter.granted(buffer);
  }

  /** From now on the holder's buffers can be taken from it. */
  stalled(holder: BufferHolder): void {
    this.#stalled.add(holder);
    if (this.#waiters.length > 0) this.#takeBack();
  }

  moves(holder: BufferHolder): void {
    this.#stalled.delete(holder);
  }

  #have(): Buffer | null {
    const free = this.#free.pop();
    if (free !== undefined) return free;
    if (this.#made < this.#max) {
      this.#made += 1;
      return Buffer.allocUnsafeSlow(this.bufferBytes);
    }
    this.#takeBack();
    return this.#free.pop() ?? null;
  }

  #takeBack(): void {
    const [longest] = this.#stalled;
    if (longest === undefined) return;
    this.#stalled.delete(longest);
    longest.surrender();
  }
}
