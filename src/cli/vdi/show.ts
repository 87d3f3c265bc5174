import type { ListedVdiJson } from "../../app/verbs/vdi-json.ts";
import type { Command } from "../command.ts";
import { printJson, printOutput } from "../output.ts";
import { gatewaysOf, json, sheep } from "./common.ts";

// Loaded when it runs: help and mistakes need no client.
const verbs = () => import("../../app/verbs/vdis.ts");

export const show: Command = {
  meta: { name: "sheepfs vdi show", description: "Print all that is known of a VDI or snapshot" },
  args: {
    name: { type: "positional", description: "NAME, NAME@TAG or NAME@ID", required: true },
    sheep,
    json,
  },
  repeatable: ["sheep"],
  examples: `  sheepfs vdi show test@monday
      its size, what of it is used and shared, copies, times and what it was made from`,
  run: async (values) => {
    const shown = await (await verbs()).showVdi(gatewaysOf(values), values.required("name"));
    if (values.flag("json")) await printJson(shown);
    else await printOutput(lines(shown));
  },
};

/** One fact a line, named as in the JSON. */
function lines(vdi: ListedVdiJson): string {
  const rows = Object.entries(vdi).map(([key, value]) => [key, String(value ?? "-")] as const);
  const width = Math.max(...rows.map(([key]) => key.length)) + 2;
  return rows.map(([key, value]) => `${key.padEnd(width)}${value}\n`).join("");
}
