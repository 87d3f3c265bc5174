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

const takeLock: Command = {
  meta: {
    name: "sheepfs vdi lock take",
    description: "Keep everybody from attaching a VDI for writing",
  },
  args: {
    name: { type: "positional", description: "of a working VDI", required: true },
    why: {
      type: "string",
      valueHint: "TEXT",
      description: "what whoever is refused is told",
      default: "no reason given",
    },
    sheep,
    json,
  },
  repeatable: ["sheep"],
  examples: `  sheepfs vdi lock take test --why 'restore under way, ask ann'
      until 'sheepfs vdi unlock test'; where the cluster has locks, virtual machines are kept out too,
      as long as its sheep are not all started again`,
  run: async (values) => {
    const [name, why] = [values.required("name"), values.required("why")];
    const state = await (await verbs()).takeVdiLock(gatewaysOf(values), name, why);
    if (values.flag("json")) await printJson(state);
  },
};

export const unlock: Command = {
  meta: { name: "sheepfs vdi unlock", description: "End what 'sheepfs vdi lock take' began" },
  args: {
    name: { type: "positional", description: "of a working VDI", required: true },
    sheep,
    json,
  },
  repeatable: ["sheep"],
  examples: `  sheepfs vdi unlock test
      one that a mount or a virtual machine has is left alone: 'sheepfs vdi lock break'`,
  run: async (values) => {
    const state = await (await verbs()).unlockVdi(gatewaysOf(values), values.required("name"));
    if (values.flag("json")) await printJson(state);
  },
};

export const lock: CommandGroup = {
  meta: { name: "sheepfs vdi lock", description: "Show, take and break locks of VDIs" },
  commands: { show: showLock, take: takeLock, break: breakVdiLock },
  examples: `  sheepfs vdi lock show test
      who has attached the VDI 'test' for writing`,
};
