import type { Command } from "../command.ts";
import { printFacts, printJson } from "../output.ts";
import { gatewaysOf, json, sheep } from "../vdi/common.ts";

// Loaded when it runs: help and mistakes need no client.
const verbs = () => import("../../app/verbs/tree.ts");

export const stat: Command = {
  meta: { name: "sheepfs stat", description: "Print size, times and facts of a file of the tree" },
  args: {
    path: { type: "positional", description: "as in a mount", required: true },
    sheep,
    json,
  },
  repeatable: ["sheep"],
  examples: `  sheepfs stat snapshot/test/monday --json
      size, allocated bytes, times, vid, copies`,
  run: async (values) => {
    const place = { gateways: gatewaysOf(values), path: values.required("path") };
    const { details, ...facts } = await (await verbs()).statPath(place);
    if (values.flag("json")) await printJson({ ...facts, details });
    else await printFacts({ ...facts, ...details });
  },
};
