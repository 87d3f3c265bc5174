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
      reads each copy of each object (data, of erasure-coded ones with parity; inode, index, counts
      of references, VM state); a line for whatever is missing, unreadable or different, and on which
      node, and how many were looked at. Changes nothing; the exit code is 6 when something is damaged`,
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
    else await printOutput(text(checked));
    if (checked.damagedObjects > 0) throw new DamageFound(summary(checked));
  },
};

function text(checked: CheckedVdiJson): string {
  const damages = checkText(checked);
  return `${damages}${damages === "" ? "" : "\n"}${countsText(checked)}`;
}

/** A line for each damage, in columns; nothing when there is none. */
export function checkText({ damages }: Pick<CheckedVdiJson, "damages">): string {
  if (damages.length === 0) return "";
  const rows = damages.map(({ object, block, oid, what, node, text }) => {
    return [block === null ? object : `${object} ${block}`, oid, what, node ?? "-", text];
  });
  return columns([["object", "oid", "damage", "node", "what is wrong"], ...rows]);
}

/** How many objects of each kind were looked at, and what could not be. */
function countsText({ kinds, notes }: CheckedVdiJson): string {
  const rows = Object.entries(kinds)
    .filter(([, { objects }]) => objects > 0)
    .map(([kind, { objects, damagedObjects }]) => [kind, String(objects), String(damagedObjects)]);
  const told = notes.map((note) => `note: ${note}\n`);
  return columns([["kind", "objects", "damaged"], ...rows]) + told.join("");
}

function columns(rows: readonly (readonly string[])[]): string {
  const widths =
    rows[0]?.map((_, at) => Math.max(...rows.map((row) => row[at]?.length ?? 0))) ?? [];
  const line = (row: readonly string[]): string =>
    row
      .map((cell, at) => cell.padEnd(widths[at] ?? 0))
      .join("  ")
      .trimEnd();
  return rows.map((row) => `${line(row)}\n`).join("");
}

function summary({ name, objects, damagedObjects, damages }: CheckedVdiJson): string {
  const told = damages.length < damagedObjects ? `, ${damages.length} are listed` : "";
  return `'${name}': ${damagedObjects} of ${objects} objects are damaged${told}`;
}
