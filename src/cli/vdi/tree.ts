import type { Command } from "../command.ts";
import { printJson, printOutput } from "../output.ts";
import { gatewaysOf, json, sheep } from "./common.ts";

// Loaded when it runs: help and mistakes need no client.
const verbs = () => import("../../app/verbs/family.ts");

export const tree: Command = {
  meta: { name: "sheepfs vdi tree", description: "Print which VDI was made from which snapshot" },
  args: { sheep, json },
  repeatable: ["sheep"],
  examples: `  sheepfs vdi tree
      snapshots with what was made from them, as branches`,
  run: async (values) => {
    const { vdis, text } = await (await verbs()).vdiTree(gatewaysOf(values));
    if (values.flag("json")) await printJson(vdis);
    else await printOutput(text);
  },
};
