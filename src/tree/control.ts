import type { Clock } from "../base/clock.ts";
import { asSheepfsError, SheepfsError } from "../base/errors.ts";
import type { Logger } from "../base/log.ts";
import type { Scope } from "../base/scope.ts";
import type { EventHub } from "./events.ts";
import { LineBuffer } from "./lines.ts";
import type { Attr, FileNode, FileTraits, NodeId, OpenFile, OpenMode } from "./node.ts";
import { type ControlResult, ControlResults } from "./results.ts";
import { readBytes, textAttr } from "./text.ts";

export interface ControlOptions {
  readonly id: NodeId;
  /** Path in the tree, for messages. */
  readonly path: string;
  /** What reading gives, from memory. */
  readonly text: (results: readonly ControlResult[]) => string;
  /**
   * Carries out one line, without spaces around it and not empty.
   * @returns what was done, as the results tell it
   */
  readonly act: (line: Uint8Array, scope: Scope) => Promise<string>;
  readonly clock: Clock;
  /** Told of every line, as not every control file shows its results. */
  readonly log: Logger;
  readonly events: EventHub;
  readonly bornMs: number;
}

const controlTraits: FileTraits = {
  seekable: false,
  immutable: false,
  directIo: true,
  blockBytes: 1,
  writable: true,
  extensible: false,
};

const encoder = new TextEncoder();

/**
 * A file whose lines are commands. Each acts once: when its newline is written, or at the close
 * that follows a line without one; the error is the writer's or the closer's. Where in the file is
 * written does not matter. A line that failed does not keep later lines of the same write from
 * acting; the first error is returned, and an unfinished line behind it is dropped.
 */
export class ControlNode implements FileNode {
  readonly kind = "file";
  readonly id: NodeId;
  readonly traits = controlTraits;
  readonly #options: ControlOptions;
  readonly #results = new ControlResults();
  #changedMs: number;

  constructor(options: ControlOptions) {
    this.id = options.id;
    this.#options = options;
    this.#changedMs = options.bornMs;
  }

  attr(): Attr {
    return textAttr(this.#render().length, this.#changedMs, this.#options.bornMs);
  }

  open(mode: OpenMode): OpenFile {
    const bytes = mode === "write" ? new Uint8Array(0) : this.#render();
    return new ControlFile(bytes, mode, this.#options.path, (lines, scope) =>
      this.#actAll(lines, scope),
    );
  }

  /** Emptying it before writing, as shells do, changes nothing. */
  async setSize(bytes: number): Promise<void> {
    if (bytes === 0) return;
    throw new SheepfsError("not_supported", `${this.#options.path} has no size that could be set`);
  }

  /** To be called when what it shows has changed. */
  changed(): void {
    this.#changedMs = this.#options.clock.wallMs();
    this.#options.events.emit({ id: this.id, what: "content" });
  }

  #render(): Uint8Array {
    return encoder.encode(this.#options.text(this.#results.list()));
  }

  async #actAll(lines: readonly ControlLine[], scope: Scope): Promise<void> {
    let first: SheepfsError | null = null;
    for (const { line, error } of lines) {
      if (line.length === 0) {
        first ??= error;
        continue;
      }
      try {
        if (error !== null) throw error;
        const done = await this.#options.act(line, scope);
        this.#tell(this.#results.done(this.#options.clock.wallMs(), line, done));
      } catch (thrown) {
        const error = asSheepfsError(thrown);
        this.#tell(this.#results.failed(this.#options.clock.wallMs(), line, error));
        // A bug of ours is told again with its stack, by whoever answers.
        error.told = error.code !== "internal";
        first ??= error;
      }
      this.changed();
    }
    if (first !== null) throw first;
  }

  #tell({ line, outcome, reason }: ControlResult): void {
    const { path, log } = this.#options;
    const text = `${path}: '${line}': ${reason}`;
    if (outcome === "ok") log.info(text);
    else log.warn(text);
  }
}

/** A line to act on, or one that was refused before it was whole; what is empty leaves no result. */
interface ControlLine {
  readonly line: Uint8Array;
  readonly error: SheepfsError | null;
}

type ActAll = (lines: readonly ControlLine[], scope: Scope) => Promise<void>;

class ControlFile implements OpenFile {
  readonly #bytes: Uint8Array;
  readonly #mode: OpenMode;
  readonly #path: string;
  readonly #actAll: ActAll;
  readonly #lines = new LineBuffer();
  /** Writes and closes of one open file take their turn: a line must not overtake another. */
  #turn: Promise<void> = Promise.resolve();

  constructor(bytes: Uint8Array, mode: OpenMode, path: string, actAll: ActAll) {
    this.#bytes = bytes;
    this.#mode = mode;
    this.#path = path;
    this.#actAll = actAll;
  }

  sizeBytes(): number {
    return this.#bytes.length;
  }

  read(into: Uint8Array, offset: number): number {
    return readBytes(this.#bytes, into, offset);
  }

  async write(from: Uint8Array, _offset: number, scope: Scope): Promise<number> {
    if (this.#mode === "read") {
      throw new SheepfsError("denied", `${this.#path} is open for reading only`);
    }
    await this.#inTurn(async () => {
      const lines = this.#lines.push(from).map((event) => ({
        line: trimmed(event.line ?? new Uint8Array(0)),
        error: event.is === "too_long" ? event.error : null,
      }));
      try {
        await this.#actAll(lines, scope);
      } catch (thrown) {
        this.#lines.dropRest();
        throw thrown;
      }
    });
    return from.length;
  }

  flush(scope: Scope): Promise<void> {
    return this.#inTurn(() => {
      const line = trimmed(this.#lines.takeRest());
      return this.#actAll([{ line, error: null }], scope);
    });
  }

  unfinished(): boolean {
    return this.#lines.begun;
  }

  // A command is done or has failed when its write returns: there is nothing to make durable.
  async sync(): Promise<void> {}

  async close(): Promise<void> {}

  #inTurn(work: () => Promise<void>): Promise<void> {
    const turn = this.#turn.then(work);
    this.#turn = turn.catch(() => {});
    return turn;
  }
}

const spaces: readonly number[] = [0x20, 0x09, 0x0d];

/** Without spaces around it, and without the CR of a line from elsewhere. */
function trimmed(line: Uint8Array): Uint8Array {
  let start = 0;
  let end = line.length;
  while (start < end && spaces.includes(line[start] ?? 0)) start += 1;
  while (end > start && spaces.includes(line[end - 1] ?? 0)) end -= 1;
  return line.subarray(start, end);
}
