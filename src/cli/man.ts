import type { ArgDef } from "citty";
import type { Command, CommandGroup, CommandLoaders } from "./command.ts";
import { printOutput } from "./output.ts";
import { environment, exitCodes, firstExamples, legacyNote } from "./overview.ts";

/** @param loaders of all commands, also of this one */
export function manCommand(loaders: CommandLoaders): Command {
  return {
    meta: { name: "sheepfs man", description: "Print the manual page" },
    args: {},
    repeatable: [],
    examples: `  sheepfs man > /usr/local/share/man/man8/sheepfs.8
      installs it for 'man sheepfs'; 'sheepfs man | man -l -' reads it once`,
    run: async () => printOutput(await manualPage(loaders)),
  };
}

/** The manual in the macros of man(7), from what `--help` prints. */
async function manualPage(loaders: CommandLoaders): Promise<string> {
  const { buildDate, versionLine } = await import("./version.ts");
  const commands: string[] = [];
  for (const load of Object.values(loaders)) commands.push(...section(await load()));
  return `${[
    `.TH SHEEPFS 8 "${buildDate()}" "${escaped(versionLine())}"`,
    ...[".SH NAME", "sheepfs \\- a Sheepdog storage cluster as a directory"],
    ...[".SH SYNOPSIS", ".B sheepfs", ".I COMMAND", ".RI [ OPTIONS ]", ".RI [ ARGUMENTS ]"],
    ...[".SH DESCRIPTION", ...description, ".PP", escaped(legacyNote)],
    ...[".SH COMMANDS", "Each of them has", ".BR \\-\\-help .", ...commands],
    ...[".SH FILES", "In a mount, and over WebDAV:", ...files.flatMap(row)],
    ...[".SH ENVIRONMENT", ...environment.flatMap(row)],
    ...[".SH EXIT STATUS", ...exitCodes.flatMap(([code, text]) => row([String(code), text]))],
    ...[".SH EXAMPLES", ...examplesOf(firstExamples)],
    ...[".SH SEE ALSO", ".BR dog (8),", ".BR sheep (8),", ".BR mount (8)"],
  ].join("\n")}\n`;
}

const description = [
  "Shows the VDIs of a Sheepdog cluster as files: over FUSE as a mount, over WebDAV, and as commands.",
  "One executable does all of it; the tree is the same whichever way it is reached, and what can be",
  "done with its files can be done by a command as well.",
];

const files: readonly (readonly [string, string])[] = [
  ["cluster/info, cluster/status", "state of the cluster; what is waited for"],
  ["vdi/list, node/info, node/list", "what dog prints of VDIs and members"],
  ["vdi/mount, vdi/unmount", "a name that is written is attached, or detached"],
  ["vdi/VDI/", "what is known of a VDI, a fact a file; a size that is written makes it larger"],
  ["volume/NAME", "bytes of an attached VDI; a new file with a size is a new VDI, rm deletes it"],
  [
    "snapshot/VDI/TAG",
    "bytes of a snapshot; mkdir makes one, rm deletes it, mv changes its tag, ln to volume/NEW clones it",
  ],
  ["config/", "settings that can be changed while it runs"],
];

function section(found: Command | CommandGroup): string[] {
  if ("commands" in found) return Object.values(found.commands).flatMap(section);
  const args = Object.entries(found.args);
  const positionals = args.filter(([, { type }]) => type === "positional");
  const options = args.filter(([, { type }]) => type !== "positional");
  const words = positionals.map(([name, { required }]) => {
    return required === false ? `[${name.toUpperCase()}]` : name.toUpperCase();
  });
  const usage = [found.meta.name, ...(options.length > 0 ? ["[OPTIONS]"] : []), ...words];
  return [
    `.SS ${escaped(usage.join(" "))}`,
    escaped(`${found.meta.description}.`),
    ...positionals.flatMap(([name, { description: text }]) => {
      return row([name.toUpperCase(), text ?? ""]);
    }),
    ...options.flatMap(([name, arg]) => row([flagsOf(name, arg), arg.description ?? ""])),
    ...examplesOf(found.examples),
  ];
}

function flagsOf(name: string, arg: ArgDef): string {
  const short = "alias" in arg && typeof arg.alias === "string" ? `-${arg.alias}, ` : "";
  const value = arg.type === "boolean" ? "" : `=${arg.valueHint ?? "VALUE"}`;
  return `${short}--${name}${value}`;
}

function row([term, text]: readonly [string, string]): string[] {
  return [".TP", `.B ${escaped(term)}`, escaped(text)];
}

/** Lines that are indented less are typed; the others say what comes of it. */
function examplesOf(examples: string): string[] {
  const lines: string[] = [];
  for (const line of examples.split("\n")) {
    const typed = /^ {2}\S/.test(line);
    if (typed && lines.at(-2) !== ".TP") lines.push(".TP", `.B ${escaped(line.trim())}`);
    else if (typed) lines.push(".TQ", `.B ${escaped(line.trim())}`);
    else lines.push(escaped(line.trim()));
  }
  return lines;
}

/** Text that means itself to roff: its backslashes, dashes and quotes, and a dot that begins a line. */
function escaped(text: string): string {
  return text
    .replaceAll("\\", "\\e")
    .replaceAll("-", "\\-")
    .replaceAll("'", "\\(aq")
    .replaceAll("`", "\\(ga")
    .replaceAll("^", "\\(ha")
    .replaceAll("~", "\\(ti")
    .replace(/^\./gm, "\\&.");
}
