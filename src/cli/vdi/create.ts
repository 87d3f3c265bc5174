import type { Command } from "../command.ts";
import { Interruption } from "../interrupt.ts";
import { printJson } from "../output.ts";
import { parseSize } from "../parse.ts";
import { copiesOf, gatewaysOf, json, layoutArgs, layoutOf, sheep } from "./common.ts";

// Loaded when it runs: help and mistakes need no client.
const verbs = () => import("../../app/verbs/vdis.ts");

export const create: Command = {
  meta: { name: "sheepfs vdi create", description: "Create a VDI" },
  args: {
    name: { type: "positional", description: "1 to 255 bytes", required: true },
    size: {
      type: "string",
      valueHint: "SIZE",
      description: "bytes, or with K, M, G, T or P",
      required: true,
    },
    ...layoutArgs,
    sheep,
    json,
  },
  repeatable: ["sheep"],
  examples: `  sheepfs vdi create test --size 10G
      creates 'test'; space is used only where something is written
  sheepfs vdi create db --size 1T --object-size 8M -s node1:7000
      the same with objects of 8 MiB, in the cluster of node1
  sheepfs vdi create archive --size 2T --copies 4:2
      erasure-coded: 4 strips of data and 2 of parity of each object, on 6 nodes
  sheepfs vdi create huge --size 5P --hypervolume
      larger than the 1048576 objects that another one can have`,
  run: async (values) => {
    const gateways = gatewaysOf(values);
    const name = values.required("name");
    const sizeBytes = parseSize(values.required("size"), "--size");
    const { redundancy, ...layout } = layoutOf(values);
    const copies = await copiesOf(gateways, redundancy, name);
    const wish = { name, sizeBytes, ...layout, ...copies };
    using interruption = new Interruption("what was begun is carried out");
    const created = await (await verbs()).makeVdi(gateways, wish);
    if (values.flag("json")) await printJson(created);
    interruption.carriedOut(`VDI '${wish.name}' was made`);
  },
};
