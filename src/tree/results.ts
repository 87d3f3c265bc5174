import { asSheepfsError, type ErrorCode } from "../base/errors.ts";
import { limits } from "../base/limits.ts";
import { escapeName } from "./names.ts";

/** What became of one line that a control file was given. */
export interface ControlResult {
  readonly atMs: number;
  /** The line as it was typed, what cannot be shown escaped, shortened when it is long. */
  readonly line: string;
  readonly outcome: "ok" | ErrorCode;
  /** What was done, or why not. */
  readonly reason: string;
}

const shownCharactersMax = 300;
const encoder = new TextEncoder();

/** The last results of one control file, oldest first. */
export class ControlResults {
  readonly #results: ControlResult[] = [];

  done(atMs: number, line: Uint8Array, reason: string): ControlResult {
    return this.#add({ atMs, line: shown(line), outcome: "ok", reason: oneLine(reason) });
  }

  failed(atMs: number, line: Uint8Array, thrown: unknown): ControlResult {
    const { code, message } = asSheepfsError(thrown);
    return this.#add({ atMs, line: shown(line), outcome: code, reason: oneLine(message) });
  }

  list(): readonly ControlResult[] {
    return this.#results;
  }

  #add(result: ControlResult): ControlResult {
    this.#results.push(result);
    if (this.#results.length > limits.controlResultsMax) this.#results.shift();
    return result;
  }
}

function shown(line: Uint8Array): string {
  // A backslash is shown as it was typed: most begin an escape already.
  const text = escapeName(line).replaceAll("\\x5c", "\\");
  return text.length <= shownCharactersMax ? text : `${text.slice(0, shownCharactersMax)}…`;
}

/** Messages may quote what was written: a terminal shall not obey it. */
function oneLine(message: string): string {
  return message.replace(/\p{Cc}/gu, (character) => escapeName(encoder.encode(character)));
}
