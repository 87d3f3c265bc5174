import type { ArgDef } from "citty";
import type { Redundancy } from "../../app/verbs/redundancy.ts";
import type { Address } from "../../base/address.ts";
import { SheepfsError } from "../../base/errors.ts";
import type { Values } from "../command.ts";
import { printError } from "../output.ts";
import { parseGateways, parseObjectSize, parseRedundancy } from "../parse.ts";
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
    valueHint: "N|D:P",
    description: "copies of each object, or strips of an erasure code (the cluster's default)",
  },
  hypervolume: {
    type: "boolean",
    description: "of up to 8P, with objects of 4M; cannot be snapshotted or cloned",
  },
} as const satisfies Record<string, ArgDef>;

export function layoutOf(values: Values) {
  const objectSize = values.text("object-size");
  const isHypervolume = values.flag("hypervolume");
  if (isHypervolume && objectSize !== null) {
    throw new UsageError("a hypervolume has objects of 4M: leave '--object-size' away");
  }
  return {
    objectBytes: objectSize === null ? null : parseObjectSize(objectSize, "--object-size"),
    redundancy: redundancyOf(values),
    storePolicy: isHypervolume ? 1 : 0,
  } as const;
}

/** Null for the cluster's default. */
export function redundancyOf(values: Values): Redundancy | null {
  const copies = values.text("copies");
  return copies === null ? null : parseRedundancy(copies, "--copies");
}

/** Says on stderr what the nodes that there are cannot keep; it is made all the same. */
export async function copiesOf(
  gateways: readonly Address[],
  redundancy: Redundancy | null,
  name: string,
) {
  if (redundancy === null) return { copies: null, copyPolicy: 0 };
  const { copiesAndPolicy, lackOfNew } = await import("../../app/verbs/redundancy.ts");
  const wish = copiesAndPolicy(redundancy);
  const lack = await lackOfNew(gateways, wish);
  if (lack !== null) printError(`warning: VDI '${name}' ${lack}`);
  return wish;
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
