import type { Command } from "../command.ts";
import { printJson } from "../output.ts";
import { gatewaysOf, json, sheep } from "./common.ts";

// Loaded when it runs: help and mistakes need no client.
const verbs = () => import("../../app/verbs/life.ts");

export const snapshot: Command = {
  meta: { name: "sheepfs vdi snapshot", description: "Make a snapshot of a VDI as it is now" },
  args: {
    name: { type: "positional", description: "of a working VDI", required: true },
    tag: {
      type: "string",
      alias: "t",
      valueHint: "TAG",
      description: "name of the snapshot, 1 to 255 bytes, not digits only",
      required: true,
    },
    sheep,
    json,
  },
  repeatable: ["sheep"],
  examples: `  sheepfs vdi snapshot test --tag monday
      'test@monday' is what 'test' is now, for ever; who writes 'test' goes on`,
  run: async (values) => {
    const wish = { name: values.required("name"), tag: values.required("tag") };
    const made = await (await verbs()).makeSnapshot(gatewaysOf(values), wish);
    if (values.flag("json")) await printJson(made);
  },
};
