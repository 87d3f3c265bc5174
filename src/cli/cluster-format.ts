import type { FormatOrder } from "../app/verbs/format.ts";
import { SheepfsError } from "../base/errors.ts";
import type { Command } from "./command.ts";
import { printJson, printOutput } from "./output.ts";
import { parseObjectSize, parseRedundancy } from "./parse.ts";
import { UsageError } from "./usage-error.ts";
import { confirmed, gatewaysOf, json, sheep } from "./vdi/common.ts";

// Loaded when it runs: help and mistakes need no client.
const verbs = () => import("../app/verbs/format.ts");

export const format: Command = {
  meta: { name: "sheepfs cluster format", description: "Make an empty cluster of the sheep" },
  args: {
    copies: {
      type: "string",
      valueHint: "N|D:P",
      description: "copies of each object, or data and parity strips of an erasure code (3)",
    },
    "object-size": {
      type: "string",
      valueHint: "SIZE",
      description: "size of the objects of new VDIs, a power of two from 1M to 1G (4M)",
    },
    store: {
      type: "string",
      valueHint: "plain|tree",
      description: "how the sheep keep objects: in one folder, or in many (plain)",
    },
    locks: { type: "boolean", description: "VDIs are locked for QEMU and whoever asks for it" },
    force: { type: "boolean", description: "also a cluster that is formatted, with all its VDIs" },
    yes: {
      type: "boolean",
      alias: "y",
      description: "do not ask; needed with --force in a script",
    },
    sheep,
    json,
  },
  repeatable: ["sheep"],
  examples: `  sheepfs cluster format --copies 3 -s node1:7000
      once, when all nodes of a new cluster run; one that is formatted is left as it is
  sheepfs cluster format --copies 4:2 --force
      destroys every VDI and snapshot, after a question that says how many there are`,
  run: async (values) => {
    const gateways = gatewaysOf(values);
    const store = values.text("store") ?? "plain";
    if (store !== "plain" && store !== "tree") {
      throw new UsageError(`--store: '${store}' is neither plain nor tree`);
    }
    const order: FormatOrder = {
      redundancy: parseRedundancy(values.text("copies") ?? "3", "--copies"),
      objectBytes: parseObjectSize(values.text("object-size") ?? "4M", "--object-size"),
      store,
      locks: values.flag("locks"),
      force: values.flag("force"),
    };
    if (order.force && !values.flag("yes") && !process.stdin.isTTY) {
      throw new UsageError("a format with '--force' needs '--yes' where nobody is asked");
    }
    const { format: make, formatVictims } = await verbs();
    let force = false;
    if (order.force) {
      const { formatted, vdis, snapshots } = await formatVictims(gateways);
      const all = Number.isNaN(vdis) ? "all its VDIs" : `${vdis} VDIs and ${snapshots} snapshots`;
      const question = `Destroy ${all} for ever? What is attached somewhere has to be detached first.`;
      if (formatted && !confirmed(values, question)) {
        throw new SheepfsError("cancelled", "the cluster was left as it is");
      }
      // Nobody was asked about what somebody else may have in it a moment later.
      force = formatted;
    }
    const made = await make(gateways, { ...order, force });
    if (values.flag("json")) await printJson(made);
    else await printOutput(`the cluster is formatted, epoch ${made.epoch}\n`);
  },
};
