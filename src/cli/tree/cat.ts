import type { Command } from "../command.ts";
import { Interruption } from "../interrupt.ts";
import { printBytesBeside } from "../output.ts";
import { progressBar } from "../progress.ts";
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
    const bar = progressBar("cat");
    using interruption = new Interruption();
    try {
      await (await verbs()).readPath(
        place,
        (bytes) => interruption.wait(printBytesBeside(bytes)),
        // Among the bytes it would be in the way.
        (progress) => process.stdout.isTTY || bar.tell(progress),
      );
    } finally {
      bar.end();
    }
  },
};
