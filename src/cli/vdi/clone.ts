import type { Command } from "../command.ts";
import { Interruption } from "../interrupt.ts";
import { printJson } from "../output.ts";
import { gatewaysOf, json, sheep } from "./common.ts";

// Loaded when it runs: help and mistakes need no client.
const verbs = () => import("../../app/verbs/life.ts");

export const clone: Command = {
  meta: { name: "sheepfs vdi clone", description: "Make a VDI that begins as a snapshot is" },
  args: {
    snapshot: { type: "positional", description: "NAME@TAG or NAME@ID", required: true },
    name: { type: "positional", description: "of the new VDI", required: true },
    sheep,
    json,
  },
  repeatable: ["sheep"],
  examples: `  sheepfs vdi clone test@monday copy
      'copy' has what 'test' had on monday, shares it, and can be written`,
  run: async (values) => {
    const source = values.required("snapshot");
    using interruption = new Interruption("what was begun is carried out");
    const made = await (await verbs()).makeClone(
      gatewaysOf(values),
      source,
      values.required("name"),
    );
    if (values.flag("json")) await printJson(made);
    interruption.carriedOut(`VDI '${values.required("name")}' was made`);
  },
};
