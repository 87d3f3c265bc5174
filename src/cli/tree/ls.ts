import type { Command } from "../command.ts";
import { printJson, printOutput } from "../output.ts";
import { gatewaysOf, json, sheep } from "../vdi/common.ts";

// Loaded when it runs: help and mistakes need no client.
const verbs = () => import("../../app/verbs/tree.ts");

export const ls: Command = {
  meta: { name: "sheepfs ls", description: "List a directory of the tree, without a mount" },
  args: {
    path: { type: "positional", description: "as in a mount; all of it", required: false },
    sheep,
    json,
  },
  repeatable: ["sheep"],
  examples: `  sheepfs ls snapshot/test -s node1:7000
      the snapshots of 'test', as 'ls' shows them in a mount`,
  run: async (values) => {
    const place = { gateways: gatewaysOf(values), path: values.text("path") ?? "" };
    const entries = await (await verbs()).listPath(place);
    if (values.flag("json")) return await printJson(entries);
    const lines = entries.map(({ name, kind }) => `${name}${kind === "dir" ? "/" : ""}\n`);
    await printOutput(lines.join(""));
  },
};
