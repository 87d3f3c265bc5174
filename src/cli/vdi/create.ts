import type { Command } from "../command.ts";
import { printJson } from "../output.ts";
import { parseCount, parseObjectSize, parseSize } from "../parse.ts";
import { gatewaysOf, json, sheep } from "./common.ts";

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
    "object-size": {
      type: "string",
      valueHint: "SIZE",
      description: "size of its objects, a power of two from 1M to 1G (the cluster's default)",
    },
    copies: {
      type: "string",
      valueHint: "N",
      description: "copies of each object (the cluster's default)",
    },
    sheep,
    json,
  },
  repeatable: ["sheep"],
  examples: `  sheepfs vdi create test --size 10G
      creates 'test'; space is used only where something is written
  sheepfs vdi create db --size 1T --object-size 8M -s node1:7000
      the same with objects of 8 MiB, in the cluster of node1`,
  run: async (values) => {
    const objectSize = values.text("object-size");
    const copies = values.text("copies");
    const gateways = gatewaysOf(values);
    const wish = {
      name: values.required("name"),
      sizeBytes: parseSize(values.required("size"), "--size"),
      objectBytes: objectSize === null ? null : parseObjectSize(objectSize, "--object-size"),
      copies: copies === null ? null : parseCount(copies, "--copies", { min: 1, max: 31 }),
    };
    const created = await (await verbs()).makeVdi(gateways, wish);
    if (values.flag("json")) await printJson(created);
  },
};
