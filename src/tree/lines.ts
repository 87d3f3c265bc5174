import { SheepfsError } from "../base/errors.ts";
import { limits } from "../base/limits.ts";

const newline = 0x0a;

/** What a piece of input completes: a line, or the discovery that one is too long. */
export type LineEvent =
  | { readonly is: "line"; readonly line: Uint8Array }
  /** `line` is null for the further pieces of a line that was refused before. */
  | { readonly is: "too_long"; readonly line: Uint8Array | null; readonly error: SheepfsError };

/** Cuts what is written, in any pieces, into lines of bounded length. */
export class LineBuffer {
  #pending = new Uint8Array(0);
  /** The present line was refused as too long: the rest of it is passed over. */
  #skipping = false;

  /** Takes bytes; they are copied. */
  push(bytes: Uint8Array): LineEvent[] {
    const events: LineEvent[] = [];
    let at = 0;
    for (;;) {
      const end = bytes.indexOf(newline, at);
      const complete = end >= 0;
      this.#take(bytes.subarray(at, complete ? end : bytes.length), events);
      if (!complete) return events;
      if (!this.#skipping) events.push({ is: "line", line: this.#pending });
      this.#reset();
      at = end + 1;
    }
  }

  /** A line was begun and not ended. */
  get begun(): boolean {
    return this.#pending.length > 0;
  }

  /** The line that was begun and not ended; empty when there is none. */
  takeRest(): Uint8Array {
    const rest = this.#pending;
    this.#reset();
    return rest;
  }

  /** Forgets the line that was begun; what is passed over stays so. */
  dropRest(): void {
    this.#pending = new Uint8Array(0);
  }

  #take(part: Uint8Array, events: LineEvent[]): void {
    if (part.length === 0) return;
    if (this.#skipping) {
      events.push({ is: "too_long", line: null, error: tooLong() });
      return;
    }
    const line = new Uint8Array(Math.min(this.#pending.length + part.length, lineBytesMax + 1));
    line.set(this.#pending);
    line.set(part.subarray(0, line.length - this.#pending.length), this.#pending.length);
    if (line.length > lineBytesMax) {
      this.#pending = new Uint8Array(0);
      this.#skipping = true;
      events.push({ is: "too_long", line, error: tooLong() });
      return;
    }
    this.#pending = line;
  }

  #reset(): void {
    this.#pending = new Uint8Array(0);
    this.#skipping = false;
  }
}

const lineBytesMax = limits.controlLineBytesMax;

function tooLong(): SheepfsError {
  return new SheepfsError("invalid", `a line of more than ${lineBytesMax} bytes; nothing was done`);
}
