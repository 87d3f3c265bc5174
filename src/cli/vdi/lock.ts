import type { Command, CommandGroup } from "../command.ts";
import { printJson, printOutput } from "../output.ts";
import { UsageError } from "../usage-error.ts";
import { confirm, gatewaysOf, json, sheep } from "./common.ts";
import { lockText } from "./lock-text.ts";

// Loaded when it runs: help and mistakes need no client.
const verbs = () => import("../../app/verbs/locks.ts");

const showLock: Command = {
  meta: { name: "sheepfs vdi lock show", description: "Print who keeps others from writing a VDI" },
  args: {
    name: { type: "positional", description: "of a working VDI", required: true },
    sheep,
    json,
  },
  repeatable: ["sheep"],
  examples: `  sheepfs vdi lock show test
      which mount or server has attached it, and through which sheep it is locked`,
  run: async (values) => {
    const gateways = gatewaysOf(values);
    const state = await (await verbs()).showVdiLock(gateways, values.required("name"));
    if (values.flag("json")) await printJson(state);
    else await printOutput(lockText(state));
  },
};

const breakVdiLock: Command = {
  meta: {
    name: "sheepfs vdi lock break",
    description: "Take a VDI away from whoever has attached or locked it",
  },
  args: {
    name: { type: "positional", description: "of a working VDI", required: true },
    yes: { type: "boolean", alias: "y", description: "do not ask; needed in a script" },
    sheep,
    json,
  },
  repeatable: ["sheep"],
  examples: `  sheepfs vdi lock break test
      for a holder that is gone for good. A sheepfs that runs and reaches the cluster stops
      writing first (its users see ESTALE), which takes up to 15 s. Any other client, such as
      a running virtual machine, goes on writing beside you and destroys the data: see that it
      is off`,
  run: async (values) => {
    const name = values.required("name");
    const gateways = gatewaysOf(values);
    if (!values.flag("yes") && !process.stdin.isTTY) {
      throw new UsageError(
        "breaking a lock can destroy data and needs '--yes' where nobody is asked",
      );
    }
    const { showVdiLock, breakVdiLock } = await verbs();
    const before = await showVdiLock(gateways, name);
    const warning = "If it still writes, the data is destroyed. Take the VDI away?";
    confirm(values, `${lockText(before)}${warning}`, name);
    const state = await breakVdiLock(gateways, name);
    if (values.flag("json")) await printJson(state);
  },
};

export const lock: CommandGroup = {
  meta: { name: "sheepfs vdi lock", description: "Show and break locks of VDIs" },
  commands: { show: showLock, break: breakVdiLock },
  examples: `  sheepfs vdi lock show test
      who has attached the VDI 'test' for writing`,
};
