import { runCli } from "./cli/cli.ts";
import { commandLine } from "./cli/command-line.ts";

// A command is over when its result is printed, whatever an idle socket or thread still waits for.
process.exit(await runCli(commandLine));
