import type { ArgDef, ArgsDef } from "citty";
import { type Command, valueSeparator } from "./command.ts";
import { nearest } from "./nearest.ts";
import { UsageError } from "./usage-error.ts";

/**
 * Strict validation in front of citty, which passes unknown flags on, keeps the last of repeated
 * ones and reads `--no-x` as a value of x. What comes out is a form that citty reads one way only.
 */
export interface ValidLine {
  /** Every option as `--name` or `--name=value`, then `--`, then the positionals. */
  readonly rawArgs: readonly string[];
  /** `--help` was among the options. */
  readonly help: boolean;
  readonly positionals: readonly string[];
}

/** One option as it stood on the command line. */
interface Given {
  /** As the user wrote it, for messages. */
  readonly written: string;
  readonly name: string;
  readonly value: string | null;
}

/**
 * Checks what follows a command's name.
 * @throws UsageError naming the argument, with what to write instead
 */
export function validateLine(command: Command, argv: readonly string[]): ValidLine {
  const options: Given[] = [];
  const positionals: string[] = [];
  for (let at = 0; at < argv.length; at++) {
    const argument = argv[at] ?? "";
    if (argument === "--") {
      positionals.push(...argv.slice(at + 1));
      break;
    }
    if (!argument.startsWith("-") || argument === "-") {
      positionals.push(argument);
      continue;
    }
    const read = argument.startsWith("--") ? readLong : readShort;
    at += read(command, argument, argv[at + 1], options);
  }
  const help = options.some((option) => option.name === "help");
  checkRepeats(command, options);
  if (!help) checkPositionals(command, positionals);
  return { rawArgs: normalised(command, options, positionals), help, positionals };
}

/** `--name`, `--name=value` or `--name value`; returns how many further arguments it took. */
function readLong(
  command: Command,
  argument: string,
  next: string | undefined,
  options: Given[],
): number {
  const equals = argument.indexOf("=");
  const name = equals < 0 ? argument.slice(2) : argument.slice(2, equals);
  const written = `--${name}`;
  const definition = definitionOf(command, name);
  if (definition === null) throw unknownOption(command, written, name);
  const inline = equals < 0 ? null : argument.slice(equals + 1);
  if (!takesValue(definition)) {
    if (inline !== null) throw new UsageError(`option '${written}' takes no value: '${argument}'`);
    options.push({ written, name, value: null });
    return 0;
  }
  const value = inline ?? next;
  // A dash alone is a value: stdin or stdout.
  const isOption = inline === null && value !== "-" && value?.startsWith("-") === true;
  if (value === undefined || value === "" || isOption) {
    throw missingValue(written, definition, `${written}=`);
  }
  options.push({ written, name, value });
  return inline === null ? 1 : 0;
}

/** `-x`, `-xyz` (several flags), `-xVALUE` or `-x VALUE`. */
function readShort(
  command: Command,
  argument: string,
  next: string | undefined,
  options: Given[],
): number {
  // "-foreground" is a long option with a dash missing, not -f and -o with a value.
  if (optionNames(command).includes(argument.slice(1))) {
    throw unknownOption(command, argument, argument.slice(1));
  }
  for (let at = 1; at < argument.length; at++) {
    const letter = argument.charAt(at);
    const written = `-${letter}`;
    const name = nameOfLetter(command, letter);
    const definition = name === null ? null : definitionOf(command, name);
    if (name === null || definition === null) {
      throw unknownOption(command, at === 1 ? argument : `${written}' in '${argument}`, letter);
    }
    if (!takesValue(definition)) {
      options.push({ written, name, value: null });
      continue;
    }
    const inline = argument.slice(at + 1);
    if (inline.startsWith("=")) {
      throw new UsageError(
        `option '${argument}': write '${written} ${inline.slice(1)}' without '='`,
      );
    }
    const value = inline === "" ? next : inline;
    if (value === undefined || value === "" || (inline === "" && value.startsWith("-"))) {
      throw missingValue(written, definition, `--${name}=`);
    }
    options.push({ written, name, value });
    return inline === "" ? 1 : 0;
  }
  return 0;
}

function missingValue(written: string, definition: ArgDef, long: string): UsageError {
  const hint = definition.valueHint ?? "VALUE";
  return new UsageError(
    `option '${written}' needs a value: '${written} ${hint}' (or '${long}${hint}' when it begins with '-')`,
  );
}

function unknownOption(command: Command, written: string, name: string): UsageError {
  return new UsageError(
    `unknown option '${written}'; ${suggestion(command, written, name)}see '${command.meta.name} --help'`,
  );
}

function suggestion(command: Command, written: string, name: string): string {
  if (name.startsWith("no-") && definitionOf(command, name.slice(3)) !== null) {
    return `leave '--${name.slice(3)}' out instead; `;
  }
  const names = optionNames(command);
  // "-foreground" was meant as the long form.
  const meant = nearest(written.replace(/^-+/, ""), names);
  return meant === null ? "" : `did you mean '--${meant}'? `;
}

function checkRepeats(command: Command, options: readonly Given[]): void {
  const seen = new Set<string>();
  for (const { written, name } of options) {
    if (seen.has(name) && !command.repeatable.includes(name)) {
      throw new UsageError(`option '${written}' is given twice; give it once`);
    }
    seen.add(name);
  }
  for (const [name, definition] of Object.entries(command.args)) {
    const needed = definition.type !== "positional" && definition.required === true;
    if (needed && !seen.has(name) && !seen.has("help")) {
      throw new UsageError(
        `'${command.meta.name}' needs '--${name} ${definition.valueHint ?? "VALUE"}'`,
      );
    }
  }
}

function checkPositionals(command: Command, positionals: readonly string[]): void {
  const wanted = Object.entries(command.args).filter(([, arg]) => arg.type === "positional");
  const extra = positionals[wanted.length];
  if (extra !== undefined && !takesMore(command)) {
    const takes =
      wanted.length === 0
        ? "no arguments"
        : `only ${wanted.map(([name]) => name.toUpperCase()).join(" ")}`;
    throw new UsageError(
      `unexpected argument '${extra}': '${command.meta.name}' takes ${takes}; see '${command.meta.name} --help'`,
    );
  }
  wanted.forEach(([name, definition], at) => {
    const value = positionals[at];
    if (value === "") throw new UsageError(`${name.toUpperCase()} is empty`);
    if (value === undefined && definition.required !== false) {
      throw new UsageError(
        `'${command.meta.name}' needs ${name.toUpperCase()}; see '${command.meta.name} --help'`,
      );
    }
  });
}

function normalised(
  command: Command,
  options: readonly Given[],
  positionals: readonly string[],
): string[] {
  const values = new Map<string, string[]>();
  const line: string[] = [];
  for (const { name, value } of options) {
    if (name === "help") continue;
    if (value === null) {
      // A repeatable flag without a value says the same twice.
      if (!line.includes(`--${name}`)) line.push(`--${name}`);
    } else {
      values.set(name, [...(values.get(name) ?? []), value]);
    }
  }
  for (const [name, list] of values) line.push(`--${name}=${list.join(valueSeparator)}`);
  const wanted = Object.values(command.args).filter((arg) => arg.type === "positional").length;
  if (wanted === 0) return line;
  const single = takesMore(command) ? wanted - 1 : wanted;
  const more = positionals.slice(single);
  const joined = more.length === 0 ? [] : [more.join(valueSeparator)];
  return [...line, "--", ...positionals.slice(0, single), ...joined];
}

/** The last positional may be given more than once. */
function takesMore({ args, repeatable }: Command): boolean {
  const last = Object.entries(args).findLast(([, arg]) => arg.type === "positional");
  return last !== undefined && repeatable.includes(last[0]);
}

const helpDefinition = { type: "boolean", alias: "h", description: "this text" } as const;

function definitionOf(command: Command, name: string): ArgDef | null {
  if (name === "help") return helpDefinition;
  const definition = Object.hasOwn(command.args, name) ? command.args[name] : undefined;
  return definition === undefined || definition.type === "positional" ? null : definition;
}

function nameOfLetter(command: Command, letter: string): string | null {
  if (letter === helpDefinition.alias) return "help";
  for (const [name, definition] of Object.entries(command.args)) {
    if (aliasOf(definition) === letter) return name;
  }
  return null;
}

function aliasOf(definition: ArgDef): string | null {
  return "alias" in definition && typeof definition.alias === "string" ? definition.alias : null;
}

function optionNames(command: Command): string[] {
  const args: ArgsDef = command.args;
  const names = Object.keys(args).filter((name) => definitionOf(command, name) !== null);
  return [...names, "help"];
}

function takesValue(definition: ArgDef): boolean {
  return definition.type === "string" || definition.type === "enum";
}
