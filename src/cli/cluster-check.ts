import type { CheckedClusterJson } from "../app/verbs/cluster-check.ts";
import type { Command } from "./command.ts";
import { DamageFound } from "./damage-found.ts";
import { Interruption } from "./interrupt.ts";
import { printJson, printOutput } from "./output.ts";
import { progressBar } from "./progress.ts";
import { sizeWithUnit } from "./size-text.ts";
import { checkText } from "./vdi/check.ts";
import { gatewaysOf, json, sheep } from "./vdi/common.ts";

// Loaded when it runs: help and mistakes need no client.
const verbs = () => import("../app/verbs/cluster-check.ts");

export const check: Command = {
  meta: { name: "sheepfs cluster check", description: "Say how the cluster is, and what is wrong" },
  args: {
    quick: { type: "boolean", description: "without reading the data of VDIs" },
    sheep,
    json,
  },
  repeatable: ["sheep"],
  examples: `  sheepfs cluster check --quick --json
      for monitoring: state, nodes, their space and recovery, VDIs with more copies than there are
      zones, VDIs that ended mounts have left attached; exit code 0 when all is well, 6 when not
  sheepfs cluster check
      the same, and 'sheepfs vdi check' of every VDI and snapshot`,
  run: async (values) => {
    const gateways = gatewaysOf(values);
    using interruption = new Interruption();
    const bar = progressBar("checking");
    const { checkCluster } = await verbs();
    let checked: CheckedClusterJson;
    try {
      const hooks = { wanted: () => interruption.check(), tell: bar.tell };
      checked = await checkCluster(gateways, values.flag("quick"), hooks);
    } finally {
      bar.end();
    }
    if (values.flag("json")) await printJson(checked);
    else await printOutput(text(checked));
    if (!checked.healthy) throw new DamageFound(`${checked.problems.length} problems were found`);
  },
};

function text({
  status,
  epoch,
  nodes,
  vdis,
  snapshots,
  objects,
  ...rest
}: CheckedClusterJson): string {
  const looked = objects === null ? "not looked at" : `${objects} compared`;
  const lines = [
    `status     ${status.replaceAll("_", " ")}, epoch ${epoch}`,
    ...nodes.map(({ address, freeBytes, totalBytes, recovering }) => {
      const space =
        freeBytes === null || totalBytes === null
          ? "does not answer"
          : `${sizeWithUnit(freeBytes)} of ${sizeWithUnit(totalBytes)} free`;
      return `node       ${address}  ${space}${recovering === true ? ", recovers" : ""}`;
    }),
    `VDIs       ${vdis}, and ${snapshots} snapshots`,
    `objects    ${looked}`,
    ...rest.problems.map(({ subject, text: what }) => {
      return `problem    ${subject === null ? "" : `${subject}: `}${what}`;
    }),
  ];
  lines.push(...rest.notes.map((note) => `note       ${note}`));
  const tables = rest.damaged.map((vdi) => `\n${vdi.name}\n${checkText(vdi)}`);
  return `${lines.join("\n")}\n${tables.join("")}`;
}
