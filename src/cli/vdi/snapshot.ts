import type { Command } from "../command.ts";
import { Interruption } from "../interrupt.ts";
import { printJson } from "../output.ts";
import { UsageError } from "../usage-error.ts";
import { gatewaysOf, json, sheep } from "./common.ts";

// Loaded when it runs: help and mistakes need no client.
const verbs = () => import("../../app/verbs/snapshots.ts");

export const snapshot: Command = {
  meta: { name: "sheepfs vdi snapshot", description: "Make a snapshot of a VDI as it is now" },
  args: {
    name: {
      type: "positional",
      description: "of a working VDI; with --group, of several",
      required: true,
    },
    group: { type: "boolean", description: "of all that are named, at one moment" },
    tag: {
      type: "string",
      alias: "t",
      valueHint: "TAG",
      description: "name of the snapshot, 1 to 255 bytes, not digits only",
      required: true,
    },
    sheep,
    json,
  },
  repeatable: ["sheep", "name"],
  examples: `  sheepfs vdi snapshot test --tag monday
      'test@monday' is what 'test' is now, for ever; who writes 'test' goes on
  sheepfs vdi snapshot --group data log --tag monday
      both as they are at one moment: what was written to 'data' only after something was written to
      'log' is in 'data@monday' only when 'log@monday' has that. Writes of what is attached are held
      back meanwhile, by the one mount of this host that has attached all of them`,
  run: async (values) => {
    const [gateways, tag] = [gatewaysOf(values), values.required("tag")];
    const [name = "", ...others] = values.list("name");
    const names = [name, ...others];
    const { makeSnapshot, makeGroupSnapshot } = await verbs();
    if (!values.flag("group") && others.length > 0) {
      const line = `sheepfs vdi snapshot --group ${names.join(" ")} --tag ${tag}`;
      throw new UsageError(`more than one VDI: for one moment of all, '${line}'`);
    }
    using interruption = new Interruption("what was begun is carried out");
    const made = values.flag("group")
      ? await makeGroupSnapshot(gateways, { names, tag })
      : await makeSnapshot(gateways, { name, tag });
    if (values.flag("json")) await printJson(made);
    interruption.carriedOut(`the snapshot '${tag}' of ${names.join(", ")} was made`);
  },
};
