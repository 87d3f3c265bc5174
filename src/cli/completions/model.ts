import type { ArgDef } from "citty";
import type { Command, CommandGroup, CommandLoaders } from "../command.ts";

/** What a shell offers for a word: names that the cluster knows, files, or nothing. */
export type WordKind = "vdi" | "snapshot" | "any" | "path" | "file" | "folder" | "none";

export interface CompletedOption {
  /** As they are typed: `--sheep` and `-s`. */
  readonly flags: readonly string[];
  readonly description: string;
  /** Null for a flag that takes no value. */
  readonly value: {
    readonly hint: string;
    readonly kind: WordKind;
    /** All that it can be; empty where that is not known. */
    readonly choices: readonly string[];
  } | null;
  readonly repeatable: boolean;
}

/** One command, or a group of them, as shells complete it. */
export interface CompletedCommand {
  /** What follows the program's name: `vdi lock`. */
  readonly path: string;
  readonly description: string;
  readonly subcommands: readonly { readonly name: string; readonly description: string }[];
  readonly options: readonly CompletedOption[];
  readonly positionals: readonly {
    readonly name: string;
    readonly kind: WordKind;
    /** It is the last one, and there may be more of it. */
    readonly repeats: boolean;
  }[];
}

/** How arguments are described, by their beginning, and what they take then. */
const kindsByDescription: readonly (readonly [string, WordKind])[] = [
  ["NAME, NAME@TAG or NAME@ID", "any"],
  ["NAME@TAG or NAME@ID", "snapshot"],
  ["of a working VDI", "vdi"],
  ["as in a mount", "path"],
  ["an empty directory", "folder"],
  ["where it is mounted", "folder"],
  ["apply an increment to this VDI", "vdi"],
  ["image", "file"],
];

const kindsByHint: Readonly<Record<string, WordKind>> = {
  FILE: "file",
  DIR: "folder",
  MOUNTPOINT: "folder",
};

/** Every command in the order of the help, the whole program first. */
export async function completedCommands(
  loaders: CommandLoaders,
): Promise<readonly CompletedCommand[]> {
  const top: [string, Command | CommandGroup][] = [];
  for (const [name, load] of Object.entries(loaders)) top.push([name, await load()]);
  const subcommands = top.map(([name, { meta }]) => ({ name, description: meta.description }));
  const version = {
    ...{ flags: ["--version"], description: "print version and commit" },
    ...{ value: null, repeatable: false },
  };
  const program: CompletedCommand = {
    ...{ path: "", description: "A Sheepdog storage cluster as a directory", subcommands },
    ...{ options: [version, help], positionals: [] },
  };
  return [program, ...top.flatMap(([name, found]) => completed(name, found))];
}

const help: CompletedOption = {
  ...{ flags: ["--help", "-h"], description: "print what it does, with examples" },
  ...{ value: null, repeatable: false },
};

function completed(path: string, found: Command | CommandGroup): CompletedCommand[] {
  const { description } = found.meta;
  if (!("commands" in found)) return [completedCommand(path, found)];
  const members = Object.entries(found.commands);
  const group = {
    ...{ path, description, options: [help], positionals: [] },
    subcommands: members.map(([name, { meta }]) => ({ name, description: meta.description })),
  };
  return [group, ...members.flatMap(([name, one]) => completed(`${path} ${name}`, one))];
}

function completedCommand(path: string, command: Command): CompletedCommand {
  const args = Object.entries(command.args);
  const options = args.filter(([, { type }]) => type !== "positional");
  return {
    ...{ path, description: command.meta.description, subcommands: [] },
    options: [...options.map(([name, arg]) => option(name, arg, command)), help],
    positionals: args
      .filter(([, { type }]) => type === "positional")
      .map(([name, arg]) => {
        return { name, kind: kindOf(arg), repeats: command.repeatable.includes(name) };
      }),
  };
}

function option(name: string, arg: ArgDef, { repeatable }: Command): CompletedOption {
  const alias = "alias" in arg && typeof arg.alias === "string" ? [`-${arg.alias}`] : [];
  const hint = arg.valueHint ?? "VALUE";
  return {
    flags: [`--${name}`, ...alias],
    description: arg.description ?? "",
    value:
      arg.type === "boolean"
        ? null
        : { hint, kind: kindOf(arg), choices: hint.includes("|") ? hint.split("|") : [] },
    repeatable: repeatable.includes(name),
  };
}

function kindOf({ description = "", valueHint = "" }: ArgDef): WordKind {
  const row = kindsByDescription.find(([beginning]) => description.startsWith(beginning));
  if (row !== undefined) return row[1];
  if (description.startsWith("attach this VDI")) return "vdi";
  return kindsByHint[valueHint] ?? "none";
}
