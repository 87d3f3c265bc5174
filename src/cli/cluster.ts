import { check } from "./cluster-check.ts";
import { format } from "./cluster-format.ts";
import type { Command, CommandGroup } from "./command.ts";
import { printJson, printOutput } from "./output.ts";
import { gatewaysOf, json, sheep } from "./vdi/common.ts";

// Loaded when a verb runs: help and mistakes need no client.
const verbs = () => import("../app/verbs/cluster-facts.ts");

type Verbs = Awaited<ReturnType<typeof verbs>>;

/** A command that prints what is known of something. */
function shows(
  meta: Command["meta"],
  examples: string,
  ask: (verbs: Verbs) => Verbs["showCluster"],
): Command {
  return {
    meta,
    args: { sheep, json },
    repeatable: ["sheep"],
    examples,
    run: async (values) => {
      const { facts, text } = await ask(await verbs())(gatewaysOf(values));
      if (values.flag("json")) await printJson(facts);
      else await printOutput(text);
    },
  };
}

const info = shows(
  { name: "sheepfs cluster info", description: "Print the cluster's state and its epochs" },
  `  sheepfs cluster info -s node1:7000
      the text of cluster/info and of 'dog cluster info'`,
  ({ showCluster }) => showCluster,
);

const list = shows(
  { name: "sheepfs node list", description: "Print the members of the cluster" },
  `  sheepfs node list --json
      address, virtual nodes and zone of each`,
  ({ showNodes }) => showNodes,
);

const spaces = shows(
  { name: "sheepfs node info", description: "Print how much space each member has" },
  `  sheepfs node info
      size, used and free of each node and of all`,
  ({ showNodeSpaces }) => showNodeSpaces,
);

export const clusterCommands: CommandGroup = {
  meta: { name: "sheepfs cluster", description: "Show, check and format the cluster" },
  commands: { info, check, format },
  examples: `  sheepfs cluster info
      whether it runs, since when, and who its members were in each epoch`,
};

export const nodeCommands: CommandGroup = {
  meta: { name: "sheepfs node", description: "Show the members of the cluster" },
  commands: { list, info: spaces },
  examples: `  sheepfs node info
      who is nearly full`,
};
