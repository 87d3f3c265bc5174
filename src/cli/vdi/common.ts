import type { ArgDef } from "citty";
import { SheepfsError } from "../../base/errors.ts";
import type { Values } from "../command.ts";
import { parseCount, parseGateways, parseObjectSize } from "../parse.ts";
import { UsageError } from "../usage-error.ts";

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

/** How a new VDI is to be, where the cluster's defaults are not wanted. */
export const layoutArgs = {
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
} as const satisfies Record<string, ArgDef>;

export function layoutOf(values: Values) {
  const objectSize = values.text("object-size");
  const copies = values.text("copies");
  return {
    objectBytes: objectSize === null ? null : parseObjectSize(objectSize, "--object-size"),
    copies: copies === null ? null : parseCount(copies, "--copies", { min: 1, max: 31 }),
  };
}

export const formatArg: ArgDef = {
  type: "string",
  valueHint: "raw|qcow2",
  description: "format of the image (qcow2 for a name that ends so, else raw)",
};

/** Null when it was not said. @throws UsageError */
export function formatOf(values: Values): "raw" | "qcow2" | null {
  const format = values.text("format");
  if (format === null || format === "raw" || format === "qcow2") return format;
  throw new UsageError(`--format: '${format}' is neither raw nor qcow2`);
}

/** @param of what is gone on with */
export function resumeArg(of: string): ArgDef {
  return { type: "boolean", description: `go on with what an earlier one of the ${of} has left` };
}

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
