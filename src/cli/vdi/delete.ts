import type { Command } from "../command.ts";
import { Interruption } from "../interrupt.ts";
import { printJson } from "../output.ts";
import { progressBar } from "../progress.ts";
import { confirm, gatewaysOf, json, sheep, yes } from "./common.ts";

// Loaded when it runs: help and mistakes need no client.
const verbs = () => import("../../app/verbs/vdis.ts");

export const remove: Command = {
  meta: {
    name: "sheepfs vdi delete",
    description: "Delete a VDI, whose snapshots stay, or a snapshot",
  },
  args: {
    name: { type: "positional", description: "NAME, NAME@TAG or NAME@ID", required: true },
    yes,
    sheep,
    json,
  },
  repeatable: ["sheep"],
  examples: `  sheepfs vdi delete test
      asks on a terminal, and deletes; a script is not asked
  sheepfs vdi delete test@monday
      deletes a snapshot; what others share with it stays theirs`,
  run: async (values) => {
    const name = values.required("name");
    const gateways = gatewaysOf(values);
    confirm(values, `Delete '${name}' and everything on it?`, name);
    using interruption = new Interruption("what was begun is carried out");
    const bar = progressBar("delete");
    const deleted = await (await verbs())
      .deleteOneVdi(gateways, name, (progress) => bar.tell(progress))
      .finally(() => bar.end());
    if (values.flag("json")) await printJson(deleted);
    interruption.carriedOut(`'${name}' was deleted`);
  },
};
