import type { ArgDef, ArgsDef } from "citty";
import { assert } from "../base/assert.ts";

/** What citty hands to a command after the command line was validated. */
type Parsed = Readonly<Record<string, unknown>>;

/** One command: citty's definition, narrowed to what we validate and print. */
export interface Command {
  readonly meta: { readonly name: string; readonly description: string };
  readonly args: ArgsDef;
  /** Options that may be given more than once, and the last positional when it may. */
  readonly repeatable: readonly string[];
  /** Command lines that teach, one per line, with what each does. */
  readonly examples: string;
  run(values: Values): Promise<void>;
}

/** A command of several, such as `vdi`, and of groups of them. */
export interface CommandGroup {
  readonly meta: { readonly name: string; readonly description: string };
  readonly examples: string;
  readonly commands: Readonly<Record<string, Command | CommandGroup>>;
}

/** Commands by the word that starts them, each loaded when it is asked for. */
export type CommandLoaders = Readonly<Record<string, () => Promise<Command | CommandGroup>>>;

/** No argument can contain it, so it separates the values of a repeated flag. */
export const valueSeparator = "\0";

/** The validated values of one command line. */
export class Values {
  readonly #args: ArgsDef;
  readonly #parsed: Parsed;

  constructor(args: ArgsDef, parsed: Parsed) {
    this.#args = args;
    this.#parsed = parsed;
  }

  flag(name: string): boolean {
    assert(this.#definition(name).type === "boolean", `${name} is declared as a flag`);
    return this.#parsed[name] === true;
  }

  /** The value of an option or positional, null when it was not given. */
  text(name: string): string | null {
    assert(this.#definition(name).type !== "boolean", `${name} is declared with a value`);
    const value = this.#parsed[name];
    return typeof value === "string" ? value : null;
  }

  /** A positional that validation has made sure of. */
  required(name: string): string {
    const value = this.text(name);
    assert(value !== null, `${name} was given`);
    return value;
  }

  /** Every value of a repeatable option or positional, in order. */
  list(name: string): readonly string[] {
    const joined = this.text(name);
    return joined === null ? [] : joined.split(valueSeparator);
  }

  #definition(name: string): ArgDef {
    const definition = this.#args[name];
    assert(definition !== undefined, `${name} is declared`);
    return definition;
  }
}
