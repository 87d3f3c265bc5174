import type { Command, CommandGroup } from "./command.ts";
import { environment, exitCodes, firstExamples, legacyNote } from "./overview.ts";
import { commandLoaders } from "./registry.ts";

/** Help of one command: citty's table of arguments, then examples. */
export async function commandHelp(command: Command): Promise<string> {
  const { renderUsage } = await import("citty");
  const usage = await renderUsage({ meta: command.meta, args: command.args });
  return finish(usage, command.examples);
}

export async function groupHelp(group: CommandGroup): Promise<string> {
  const { renderUsage } = await import("citty");
  const subCommands = Object.fromEntries(
    Object.entries(group.commands).map(([name, command]) => [
      name,
      { meta: { description: command.meta.description } },
    ]),
  );
  return finish(await renderUsage({ meta: group.meta, subCommands }), group.examples);
}

/** Help of the whole program. */
export async function overview(): Promise<string> {
  const { renderUsage } = await import("citty");
  const subCommands: Record<string, { meta: { description: string } }> = {};
  for (const [name, load] of Object.entries(commandLoaders)) {
    subCommands[name] = { meta: { description: (await load()).meta.description } };
  }
  const meta = { name: "sheepfs", description: "A Sheepdog storage cluster as a directory" };
  return finish(await renderUsage({ meta, subCommands }), overviewText());
}

function overviewText(): string {
  const variables = environment.map(([name, text]) => `  ${name.padEnd(15)}${text}`);
  const codes = exitCodes.map(([code, text]) => `${code} ${text}`);
  return `${firstExamples}

${indented(legacyNote)}

ENVIRONMENT

${variables.join("\n")}

EXIT CODES

  ${codes.slice(0, -1).join("   ")}
  ${codes.at(-1)}`;
}

function indented(text: string): string {
  return text.replace(/^/gm, "  ");
}

function finish(usage: string, examples: string): string {
  const text = `${usage.trimEnd()}\n\nEXAMPLES\n\n${examples}\n`;
  // citty colours without looking where the text goes.
  return process.stdout.isTTY ? text : Bun.stripANSI(text);
}
