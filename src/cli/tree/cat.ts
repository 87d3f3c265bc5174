import type { Command } from "../command.ts";
import { printBytes } from "../output.ts";
import { gatewaysOf, sheep } from "../vdi/common.ts";

// Loaded when it runs: help and mistakes need no client.
const verbs = () => import("../../app/verbs/tree.ts");

export const cat: Command = {
  meta: { name: "sheepfs cat", description: "Print a file of the tree, without a mount" },
  args: {
    path: { type: "positional", description: "as in a mount", required: true },
    sheep,
  },
  repeatable: ["sheep"],
  examples: `  sheepfs cat vdi/list
      the same text as in a mount
  sheepfs cat snapshot/test/monday > monday.img
      all bytes of a snapshot, holes as zeros; 'sheepfs vdi export' leaves them out`,
  run: async (values) => {
    const place = { gateways: gatewaysOf(values), path: values.required("path") };
    await (await verbs()).readPath(place, printBytes);
  },
};
