import type { Command } from "../command.ts";
import { Interruption } from "../interrupt.ts";
import { printError, printJson } from "../output.ts";
import { UsageError } from "../usage-error.ts";
import { confirm, gatewaysOf, json, sheep } from "./common.ts";

// Loaded when it runs: help and mistakes need no client.
const verbs = () => import("../../app/verbs/life.ts");

export const rollback: Command = {
  meta: { name: "sheepfs vdi rollback", description: "Make a VDI what a snapshot of it is" },
  args: {
    snapshot: { type: "positional", description: "NAME@TAG or NAME@ID", required: true },
    "keep-as": {
      type: "string",
      valueHint: "TAG",
      description: "tag of the snapshot that keeps what it is now (before-rollback-TIME)",
    },
    yes: { type: "boolean", alias: "y", description: "do not ask; needed in a script" },
    sheep,
    json,
  },
  repeatable: ["sheep"],
  examples: `  sheepfs vdi rollback test@monday
      'test' is what it was on monday. What it was until now is kept as a snapshot, which it says;
      delete that when it is not needed. Refused while 'test' is attached`,
  run: async (values) => {
    const to = values.required("snapshot");
    const gateways = gatewaysOf(values);
    if (!values.flag("yes") && !process.stdin.isTTY) {
      throw new UsageError("a rollback needs '--yes' where nobody is asked");
    }
    confirm(values, `Go back to '${to}'? What the VDI is now is kept as a snapshot.`, to);
    using interruption = new Interruption("what was begun is carried out");
    const made = await (await verbs()).rollBack(gateways, to, values.text("keep-as"));
    if (values.flag("json")) await printJson(made);
    else if (made.former !== null) printKept(made.former);
    interruption.carriedOut(`the VDI is now as '${to}'`);
  },
};

function printKept({ name, tag }: { readonly name: string; readonly tag: string }): void {
  printError(`what '${name}' was is kept as '${name}@${tag}'`);
}
