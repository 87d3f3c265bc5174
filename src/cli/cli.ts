import { statSync } from "node:fs";
import { isKeptServer } from "../app/server-mark.ts";
import { asSheepfsError, errorTable, exitDamage, exitUsage } from "../base/errors.ts";
import { DamageFound } from "./damage-found.ts";
import { printError, printOutput } from "./output.ts";
import { type Request, resolveLine } from "./resolve.ts";
import { UsageError } from "./usage-error.ts";

/** Runs one command line. @returns its exit code; everything to say was printed */
export async function runCli(line: () => readonly string[]): Promise<number> {
  try {
    await carryOut(await resolveLine(line(), isDirectory));
    return 0;
  } catch (thrown) {
    if (thrown instanceof UsageError) {
      printError(thrown.message);
      return exitUsage;
    }
    if (thrown instanceof DamageFound) {
      printError(thrown.message);
      return exitDamage;
    }
    const error = asSheepfsError(thrown);
    printError(error.message);
    // A bug: whoever reports it needs the place.
    if (error.code === "internal" && thrown instanceof Error) console.error(thrown.stack);
    return errorTable[error.code].exit;
  }
}

async function carryOut(request: Request): Promise<void> {
  switch (request.do) {
    case "version":
      return printOutput(`${(await import("./version.ts")).versionLine()}\n`);
    case "overview":
      return printOutput(await (await import("./help.ts")).overview());
    case "group-help":
      return printOutput(await (await import("./help.ts")).groupHelp(request.group));
    case "help":
      return printOutput(await (await import("./help.ts")).commandHelp(request.command));
    case "run":
      return (await import("./run-command.ts")).runCommandLine(request.command, request.rawArgs);
  }
}

/** A server's own mount would wait for it; its keeper has looked. */
function isDirectory(path: string): boolean {
  if (isKeptServer()) return true;
  try {
    return statSync(path).isDirectory();
  } catch (thrown) {
    // A mount that nobody serves any more.
    return thrown instanceof Error && "code" in thrown && thrown.code === "ENOTCONN";
  }
}
