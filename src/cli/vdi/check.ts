import type { CheckedVdiJson } from "../../app/verbs/check.ts";
import type { Command } from "../command.ts";
import { DamageFound } from "../damage-found.ts";
import { Interruption } from "../interrupt.ts";
import { printJson, printOutput } from "../output.ts";
import { progressBar } from "../progress.ts";
import { gatewaysOf, json, sheep } from "./common.ts";

// Loaded when it runs: help and mistakes need no client.
const verbs = () => import("../../app/verbs/check.ts");

export const check: Command = {
  meta: {
    name: "sheepfs vdi check",
    description: "Compare all copies of a VDI or snapshot, and name what is damaged",
  },
  args: {
    name: { type: "positional", description: "NAME, NAME@TAG or NAME@ID", required: true },
    sheep,
    json,
  },
  repeatable: ["sheep"],
  examples: `  sheepfs vdi check test
      reads each copy of each object, of erasure-coded ones data and parity; a line for whatever is
      missing, unreadable or different, and on which node. Changes nothing; the exit code is 6 when
      something is damaged`,
  run: async (values) => {
    const name = values.required("name");
    const gateways = gatewaysOf(values);
    using interruption = new Interruption();
    const bar = progressBar("checking");
    const { checkNamedVdi } = await verbs();
    let checked: CheckedVdiJson;
    try {
      const wanted = (): void => interruption.check();
      checked = await checkNamedVdi(gateways, name, { wanted, tell: bar.tell });
    } finally {
      bar.end();
    }
    if (values.flag("json")) await printJson(checked);
    else await printOutput(checkText(checked));
    if (checked.damagedObjects > 0) throw new DamageFound(summary(checked));
  },
};

/** A line for each damage, in columns; nothing when there is none. */
export function checkText({ damages }: Pick<CheckedVdiJson, "damages">): string {
  if (damages.length === 0) return "";
  const rows = damages.map(({ object, block, oid, what, node, text }) => {
    return [block === null ? object : String(block), oid, what, node ?? "-", text];
  });
  const all = [["block", "oid", "damage", "node", "what is wrong"], ...rows];
  const widths = all[0]?.map((_, at) => Math.max(...all.map((row) => row[at]?.length ?? 0))) ?? [];
  const line = (row: readonly string[]): string =>
    row
      .map((cell, at) => cell.padEnd(widths[at] ?? 0))
      .join("  ")
      .trimEnd();
  return all.map((row) => `${line(row)}\n`).join("");
}

function summary({ name, objects, damagedObjects, damages }: CheckedVdiJson): string {
  const told = damages.length < damagedObjects ? `, ${damages.length} are listed` : "";
  return `'${name}': ${damagedObjects} of ${objects} objects are damaged${told}`;
}
