import type { Command } from "../command.ts";
import { Interruption } from "../interrupt.ts";
import { printJson } from "../output.ts";
import { gatewaysOf, json, sheep } from "./common.ts";

// Loaded when it runs: help and mistakes need no client.
const verbs = () => import("../../app/verbs/life.ts");

export const retag: Command = {
  meta: { name: "sheepfs vdi retag", description: "Give a snapshot another tag" },
  args: {
    snapshot: { type: "positional", description: "NAME@TAG or NAME@ID", required: true },
    tag: { type: "positional", description: "that no snapshot of it has", required: true },
    sheep,
    json,
  },
  repeatable: ["sheep"],
  examples: `  sheepfs vdi retag test@monday weekly
      what was 'test@monday' is 'test@weekly'; a VDI itself cannot be renamed: its name decides its
      place in the cluster. Clone a snapshot of it instead`,
  run: async (values) => {
    const tag = values.required("tag");
    using interruption = new Interruption("what was begun is carried out");
    const changed = await (await verbs()).changeTag(
      gatewaysOf(values),
      values.required("snapshot"),
      tag,
    );
    if (values.flag("json")) await printJson(changed);
    interruption.carriedOut(`the snapshot has the tag '${tag}'`);
  },
};
