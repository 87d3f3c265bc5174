import { runCommand } from "citty";
import { type Command, Values } from "./command.ts";

/** Runs a command on a line that `validateLine` has made. */
export async function runCommandLine(command: Command, rawArgs: readonly string[]): Promise<void> {
  await runCommand(
    {
      meta: command.meta,
      args: command.args,
      run: ({ args }) => command.run(new Values(command.args, args)),
    },
    { rawArgs: [...rawArgs] },
  );
}
