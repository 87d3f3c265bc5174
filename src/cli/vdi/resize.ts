import type { Command } from "../command.ts";
import { Interruption } from "../interrupt.ts";
import { printJson } from "../output.ts";
import { parseSize } from "../parse.ts";
import { gatewaysOf, json, sheep } from "./common.ts";

// Loaded when it runs: help and mistakes need no client.
const verbs = () => import("../../app/verbs/life.ts");

export const resize: Command = {
  meta: { name: "sheepfs vdi resize", description: "Make a VDI larger" },
  args: {
    name: { type: "positional", description: "of a working VDI", required: true },
    size: {
      type: "positional",
      description: "all of it: bytes, or with K, M, G, T or P",
      required: true,
    },
    sheep,
    json,
  },
  repeatable: ["sheep"],
  examples: `  sheepfs vdi resize test 20G
      who has 'test' attached sees the new size within a second; it cannot become smaller`,
  run: async (values) => {
    const size = parseSize(values.required("size"), "SIZE");
    using interruption = new Interruption("what was begun is carried out");
    const grown = await (await verbs()).grow(gatewaysOf(values), values.required("name"), size);
    if (values.flag("json")) await printJson(grown);
    interruption.carriedOut(`VDI '${values.required("name")}' has the size`);
  },
};
