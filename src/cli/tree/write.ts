import type { Command } from "../command.ts";
import { parseOffset } from "../parse.ts";
import { gatewaysOf, sheep } from "../vdi/common.ts";

// Loaded when it runs: help and mistakes need no client.
const verbs = () => import("../../app/verbs/tree.ts");

export const write: Command = {
  meta: { name: "sheepfs write", description: "Write stdin to a file of the tree" },
  args: {
    path: { type: "positional", description: "as in a mount", required: true },
    offset: {
      type: "string",
      valueHint: "BYTES",
      description: "where in a volume it begins; bytes, or with K, M, G or T",
      default: "0",
    },
    sheep,
  },
  repeatable: ["sheep"],
  examples: `  sheepfs write volume/test --offset 1M < part
      writes 'part' into the VDI from its second MiB on; durable when it returns`,
  run: async (values) => {
    const place = { gateways: gatewaysOf(values), path: values.required("path") };
    const offset = parseOffset(values.required("offset"), "--offset");
    await (await verbs()).writePath(place, Bun.stdin.stream(), offset);
  },
};
