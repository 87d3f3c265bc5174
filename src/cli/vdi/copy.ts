import type { Command } from "../command.ts";
import { Interruption } from "../interrupt.ts";
import { printError, printJson } from "../output.ts";
import { addressList } from "../parse.ts";
import { progressBar } from "../progress.ts";
import { sizeWithUnit } from "../size-text.ts";
import { copiesOf, gatewaysOf, json, layoutArgs, redundancyOf, sheep } from "./common.ts";

// Loaded when it runs: help and mistakes need no client.
const backup = () => import("../../app/backup/copy.ts");

export const copy: Command = {
  meta: {
    name: "sheepfs vdi copy",
    description: "Copy a VDI with its snapshots to another cluster",
  },
  args: {
    name: { type: "positional", description: "of a working VDI", required: true },
    to: {
      type: "string",
      valueHint: "HOST:PORT[,HOST:PORT]...",
      description: "sheep of the cluster that it is copied to",
      required: true,
    },
    as: { type: "string", valueHint: "NAME", description: "its name there (the same)" },
    snapshots: {
      type: "boolean",
      description: "its snapshots alone; what it is now may be in use meanwhile",
    },
    copies: layoutArgs.copies,
    resume: {
      type: "boolean",
      description: "go on with a copy that was interrupted, or bring one up to date",
    },
    sheep,
    json,
  },
  repeatable: ["sheep"],
  examples: `  sheepfs vdi copy test --to other1:7000
      'test' with all its snapshots, the oldest first; of each only what changed is copied, and is
      read again there. Nobody may have 'test' attached meanwhile
  sheepfs vdi copy test --to other1:7000 --snapshots --resume
      what snapshots came since the last time; also goes on where that was interrupted`,
  run: async (values) => {
    const name = values.required("name");
    const [to, as] = [addressList(values.required("to"), "--to"), values.text("as") ?? name];
    const copies = await copiesOf(to, redundancyOf(values), as);
    const bar = progressBar("copy");
    using interruption = new Interruption();
    try {
      const done = await (await backup()).copyVdi({
        ...{ from: gatewaysOf(values), to, name, as, resume: values.flag("resume") },
        ...copies,
        snapshotsOnly: values.flag("snapshots"),
        progress: (progress) => {
          interruption.check();
          bar.tell(progress);
        },
        made: (tag, { at, count }) => {
          bar.end();
          printError(`snapshot '${tag}' is there (${at} of ${count} states)`);
        },
      });
      bar.end();
      if (values.flag("json")) await printJson(done);
      else printError(`${sizeWithUnit(done.dataBytes)} of data copied and read again`);
    } finally {
      bar.end();
    }
  },
};
