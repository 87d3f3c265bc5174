import type { ArgDef } from "citty";
import { SheepfsError } from "../base/errors.ts";
import type { Command, CommandGroup, Values } from "./command.ts";
import { lockText } from "./lock-text.ts";
import { printJson, printOutput } from "./output.ts";
import { parseCount, parseGateways, parseObjectSize, parseSize } from "./parse.ts";
import { UsageError } from "./usage-error.ts";

const sheep: ArgDef = {
  type: "string",
  alias: "s",
  valueHint: "HOST:PORT[,HOST:PORT]...",
  description: "sheep to talk to (SHEEPFS_SHEEP, else 127.0.0.1:7000)",
};
const json: ArgDef = { type: "boolean", description: "print JSON" };

// Loaded when a verb runs: help and mistakes need no client.
const verbs = () => import("../app/verbs.ts");

function gatewaysOf(values: Values) {
  return parseGateways(values.list("sheep"), process.env["SHEEPFS_SHEEP"]);
}

const list: Command = {
  meta: { name: "sheepfs vdi list", description: "Print the cluster's VDIs and snapshots" },
  args: { sheep, json },
  repeatable: ["sheep"],
  examples: `  sheepfs vdi list -s node1:7000
      one line per VDI, in the columns of 'dog vdi list'
  sheepfs vdi list --json
      the same as an array of objects, sizes in bytes`,
  run: async (values) => {
    const gateways = gatewaysOf(values);
    const { vdis, text } = await (await verbs()).listAllVdis(gateways);
    if (values.flag("json")) await printJson(vdis);
    else await printOutput(text);
  },
};

const create: Command = {
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

const remove: Command = {
  meta: { name: "sheepfs vdi delete", description: "Delete a VDI; its snapshots stay" },
  args: {
    name: { type: "positional", description: "of a working VDI", required: true },
    yes: { type: "boolean", alias: "y", description: "do not ask, even on a terminal" },
    sheep,
    json,
  },
  repeatable: ["sheep"],
  examples: `  sheepfs vdi delete test
      asks on a terminal, and deletes; a script is not asked`,
  run: async (values) => {
    const name = values.required("name");
    const gateways = gatewaysOf(values);
    confirm(values, `Delete VDI '${name}' and everything on it?`, name);
    const deleted = await (await verbs()).deleteOneVdi(gateways, name);
    if (values.flag("json")) await printJson(deleted);
  },
};

/** Asks on a terminal; a script is not asked. @throws cancelled */
function confirm(values: Values, question: string, name: string): void {
  if (values.flag("yes") || !process.stdin.isTTY) return;
  const answer = prompt(`${question} [y/N]`);
  if (answer !== null && /^y(es)?$/i.test(answer.trim())) return;
  throw new SheepfsError("cancelled", `VDI '${name}' was left as it is`);
}

const showLock: Command = {
  meta: { name: "sheepfs vdi lock show", description: "Print who keeps others from writing a VDI" },
  args: {
    name: { type: "positional", description: "of a working VDI", required: true },
    sheep,
    json,
  },
  repeatable: ["sheep"],
  examples: `  sheepfs vdi lock show test
      which mount or server has attached it, and through which sheep it is locked`,
  run: async (values) => {
    const gateways = gatewaysOf(values);
    const state = await (await verbs()).showVdiLock(gateways, values.required("name"));
    if (values.flag("json")) await printJson(state);
    else await printOutput(lockText(state));
  },
};

const breakVdiLock: Command = {
  meta: {
    name: "sheepfs vdi lock break",
    description: "Take a VDI away from whoever has attached or locked it",
  },
  args: {
    name: { type: "positional", description: "of a working VDI", required: true },
    yes: { type: "boolean", alias: "y", description: "do not ask; needed in a script" },
    sheep,
    json,
  },
  repeatable: ["sheep"],
  examples: `  sheepfs vdi lock break test
      for a holder that is gone for good. A sheepfs that runs and reaches the cluster stops
      writing first (its users see ESTALE), which takes up to 15 s. Any other client, such as
      a running virtual machine, goes on writing beside you and destroys the data: see that it
      is off`,
  run: async (values) => {
    const name = values.required("name");
    const gateways = gatewaysOf(values);
    if (!values.flag("yes") && !process.stdin.isTTY) {
      throw new UsageError(
        "breaking a lock can destroy data and needs '--yes' where nobody is asked",
      );
    }
    const { showVdiLock, breakVdiLock } = await verbs();
    const before = await showVdiLock(gateways, name);
    const warning = "If it still writes, the data is destroyed. Take the VDI away?";
    confirm(values, `${lockText(before)}${warning}`, name);
    const state = await breakVdiLock(gateways, name);
    if (values.flag("json")) await printJson(state);
  },
};

const lock: CommandGroup = {
  meta: { name: "sheepfs vdi lock", description: "Show and break locks of VDIs" },
  commands: { show: showLock, break: breakVdiLock },
  examples: `  sheepfs vdi lock show test
      who has attached the VDI 'test' for writing`,
};

export const vdiCommands: CommandGroup = {
  meta: { name: "sheepfs vdi", description: "List, create and delete VDIs, and their locks" },
  commands: { list, create, delete: remove, lock },
  examples: `  sheepfs vdi create test --size 10G && sheepfs vdi list
      creates a VDI and shows it among the others`,
};
