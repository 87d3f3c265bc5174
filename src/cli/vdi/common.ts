import type { ArgDef } from "citty";
import { SheepfsError } from "../../base/errors.ts";
import type { Values } from "../command.ts";
import { parseGateways } from "../parse.ts";

export const sheep: ArgDef = {
  type: "string",
  alias: "s",
  valueHint: "HOST:PORT[,HOST:PORT]...",
  description: "sheep to talk to (SHEEPFS_SHEEP, else 127.0.0.1:7000)",
};
export const json: ArgDef = { type: "boolean", description: "print JSON" };
export const yes: ArgDef = {
  type: "boolean",
  alias: "y",
  description: "do not ask, even on a terminal",
};

export function gatewaysOf(values: Values) {
  return parseGateways(values.list("sheep"), process.env["SHEEPFS_SHEEP"]);
}

/** Asks on a terminal; a script is not asked. @throws cancelled */
export function confirm(values: Values, question: string, name: string): void {
  if (confirmed(values, question)) return;
  throw new SheepfsError("cancelled", `VDI '${name}' was left as it is`);
}

/** The same for what is no VDI. */
export function confirmed(values: Values, question: string): boolean {
  if (values.flag("yes") || !process.stdin.isTTY) return true;
  const answer = prompt(`${question} [y/N]`);
  return answer !== null && /^y(es)?$/i.test(answer.trim());
}
