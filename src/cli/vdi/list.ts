import type { Command } from "../command.ts";
import { printJson, printOutput } from "../output.ts";
import { gatewaysOf, json, sheep } from "./common.ts";

// Loaded when it runs: help and mistakes need no client.
const verbs = () => import("../../app/verbs/vdis.ts");

export const list: Command = {
  meta: { name: "sheepfs vdi list", description: "Print the cluster's VDIs and snapshots" },
  args: { sheep, json },
  repeatable: ["sheep"],
  examples: `  sheepfs vdi list -s node1:7000
      one line per VDI, in the columns of 'dog vdi list'
  sheepfs vdi list --json
      the same as an array of objects, sizes in bytes`,
  run: async (values) => {
    const gateways = gatewaysOf(values);
    const { vdis, text } = await (await verbs()).listAllVdis(gateways);
    if (values.flag("json")) await printJson(vdis);
    else await printOutput(text);
  },
};
