import type { Command } from "../command.ts";
import { printFacts, printJson } from "../output.ts";
import { gatewaysOf, json, sheep } from "./common.ts";

// Loaded when it runs: help and mistakes need no client.
const verbs = () => import("../../app/verbs/vdis.ts");

export const show: Command = {
  meta: { name: "sheepfs vdi show", description: "Print all that is known of a VDI or snapshot" },
  args: {
    name: { type: "positional", description: "NAME, NAME@TAG or NAME@ID", required: true },
    sheep,
    json,
  },
  repeatable: ["sheep"],
  examples: `  sheepfs vdi show test@monday
      its size, what of it is used and shared, copies, times and what it was made from`,
  run: async (values) => {
    const shown = await (await verbs()).showVdi(gatewaysOf(values), values.required("name"));
    if (values.flag("json")) await printJson(shown);
    else await printFacts({ ...shown });
  },
};
