import { assert } from "../base/assert.ts";
import type { Command, CommandGroup } from "./command.ts";
import { nearest } from "./nearest.ts";
import { validateLine } from "./options.ts";
import { commandLoaders, loadLegacyCommand } from "./registry.ts";
import { UsageError } from "./usage-error.ts";

/** What a command line asks for. */
export type Request =
  | { readonly do: "version" }
  | { readonly do: "overview" }
  | { readonly do: "group-help"; readonly group: CommandGroup }
  | { readonly do: "help"; readonly command: Command }
  | { readonly do: "run"; readonly command: Command; readonly rawArgs: readonly string[] };

/** What stands in an argument for each byte that is no UTF-8: which byte it was cannot be told. */
const replacementCharacter = "\ufffd";

const commandNames = Object.keys(commandLoaders);

/**
 * Finds the command and checks the rest of the line against it.
 * @param isDirectory tells a mountpoint given in the original's way from a mistyped command
 * @throws UsageError
 */
export async function resolveLine(
  argv: readonly string[],
  isDirectory: (path: string) => boolean,
): Promise<Request> {
  const [first, ...rest] = argv;
  const lost = argv.find((argument) => argument.includes(replacementCharacter));
  if (lost !== undefined) {
    throw new UsageError(
      `argument '${lost}' is no UTF-8; write such bytes as \\xNN in a VDI's name`,
    );
  }
  if (first === undefined) {
    throw new UsageError("no command and no mountpoint; see 'sheepfs --help'");
  }
  if (first === "--version") return alone(first, rest, { do: "version" });
  if (first === "--help" || first === "-h") return alone(first, rest, { do: "overview" });
  const loader = Object.hasOwn(commandLoaders, first) ? commandLoaders[first] : undefined;
  if (loader === undefined) return resolveLegacy(argv, isDirectory);
  const found = await loader();
  return resolveFound(found, rest);
}

function resolveFound(found: Command | CommandGroup, rest: readonly string[]): Request {
  return "commands" in found ? resolveGroup(found, rest) : checked(found, rest);
}

function alone(flag: string, rest: readonly string[], request: Request): Request {
  if (rest[0] === undefined) return request;
  throw new UsageError(`unexpected argument '${rest[0]}' after '${flag}'; give '${flag}' alone`);
}

function checked(command: Command, argv: readonly string[]): Request {
  const line = validateLine(command, argv);
  if (line.help) return { do: "help", command };
  return { do: "run", command, rawArgs: line.rawArgs };
}

function resolveGroup(group: CommandGroup, argv: readonly string[]): Request {
  const [first, ...rest] = argv;
  const names = Object.keys(group.commands);
  const help = `see '${group.meta.name} --help'`;
  if (first === undefined) {
    throw new UsageError(`'${group.meta.name}' needs one of ${names.join(", ")}; ${help}`);
  }
  if (first === "--help" || first === "-h") return alone(first, rest, { do: "group-help", group });
  const command = Object.hasOwn(group.commands, first) ? group.commands[first] : undefined;
  if (command !== undefined) return resolveFound(command, rest);
  if (first.startsWith("-")) throw wrongOrder(first, argv, group.meta.name, names);
  const meant = nearest(first, names);
  const hint = meant === null ? `it is one of ${names.join(", ")};` : `did you mean '${meant}'?`;
  throw new UsageError(`unknown command '${group.meta.name} ${first}'; ${hint} ${help}`);
}

/** The first word is no command: the original's command line, or a mistake. */
async function resolveLegacy(
  argv: readonly string[],
  isDirectory: (path: string) => boolean,
): Promise<Request> {
  const first = argv[0] ?? "";
  const legacy = await loadLegacyCommand();
  if (!first.startsWith("-") && !first.includes("/") && !isDirectory(first)) {
    const meant = nearest(first, commandNames);
    const hint =
      meant === null
        ? `commands are ${commandNames.join(", ")}, and there is no folder of that name to mount on;`
        : `did you mean 'sheepfs ${meant}'?`;
    throw new UsageError(`unknown command '${first}'; ${hint} see 'sheepfs --help'`);
  }
  let request: Request;
  try {
    const line = validateLine(legacy, argv);
    const mountpoint = line.positionals[0] ?? "";
    if (Object.hasOwn(commandLoaders, mountpoint)) {
      throw wrongOrder(first, argv, "sheepfs", [mountpoint]);
    }
    request = line.help
      ? { do: "help", command: legacy }
      : { do: "run", command: legacy, rawArgs: line.rawArgs };
  } catch (error) {
    const early = argv.some((argument) => commandNames.includes(argument));
    if (early && first.startsWith("-")) throw wrongOrder(first, argv, "sheepfs", commandNames);
    throw error;
  }
  return request;
}

/** An option in front of the command that it belongs to. */
function wrongOrder(
  option: string,
  argv: readonly string[],
  path: string,
  names: readonly string[],
): UsageError {
  assert(option.startsWith("-"), "only an option can come too early");
  const at = argv.findIndex((argument) => names.includes(argument));
  const name = argv[at];
  if (name === undefined) {
    return new UsageError(
      `option '${option}' comes before a command; write '${path} ${names.join("|")} ${option}'`,
    );
  }
  const moved = [name, ...argv.slice(0, at), ...argv.slice(at + 1)].join(" ");
  return new UsageError(
    `option '${option}' comes before the command '${name}'; write '${path} ${moved}'`,
  );
}
