import { resolve } from "node:path";
import type { Progress } from "../../base/progress.ts";
import type { Command, Values } from "../command.ts";
import { Interruption } from "../interrupt.ts";
import { printBytesBeside, printError, printJson } from "../output.ts";
import { progressBar } from "../progress.ts";
import { sizeWithUnit } from "../size-text.ts";
import { UsageError } from "../usage-error.ts";
import { formatArg, formatOf, gatewaysOf, json, resumeArg, sheep } from "./common.ts";

// Loaded when it runs: help and mistakes need no client.
const backup = () => import("../../app/backup/export.ts");
const increments = () => import("../../app/backup/export-increment.ts");
const stdout = () => import("../../app/backup/wide-stdout.ts");

export const exportCommand: Command = {
  meta: { name: "sheepfs vdi export", description: "Write a VDI or snapshot to an image" },
  args: {
    name: { type: "positional", description: "NAME, NAME@TAG or NAME@ID", required: true },
    file: { type: "positional", description: "image to make; - for stdout", required: true },
    format: formatArg,
    since: {
      type: "string",
      valueHint: "TAG",
      description: "write an increment: only what is not as in this snapshot of the VDI",
    },
    after: {
      type: "string",
      valueHint: "FILE",
      description: "the increment that ends with that snapshot, which is then not read as a whole",
    },
    resume: resumeArg("snapshot"),
    verify: { type: "boolean", description: "read the image again when it is on the disk" },
    sheep,
    json,
  },
  repeatable: ["sheep"],
  examples: `  sheepfs vdi export test@monday monday.img --verify
      reads only what was ever written; the rest are holes. The file has its name when it is whole
  sheepfs vdi export test@monday monday.img --resume
      goes on where the same was interrupted; begins where there is nothing to go on with
  sheepfs vdi export test@tuesday tuesday.inc --since monday
      what changed from monday to tuesday; 'sheepfs vdi import tuesday.inc --base test' applies it
  sheepfs vdi export test@wednesday wednesday.inc --since tuesday --after tuesday.inc
      the same, and reads nothing that did not change: tuesday's checksum is in tuesday.inc
  sheepfs vdi export test@monday monday.qcow2
      by qemu-img; needs room for the data once more while it runs, and has whole sectors of 512 bytes
  sheepfs vdi export test@monday - | zstd > monday.img.zst
      all bytes in order, zeros too`,
  run: async (values) => {
    const path = pathOf(values.required("file"));
    checkOptions(values, path);
    if (path === null) (await stdout()).widenStdout();
    const bar = progressBar("export");
    using interruption = new Interruption();
    const wish = {
      ...{ gateways: gatewaysOf(values), name: values.required("name"), path },
      ...{ verify: values.flag("verify"), resume: values.flag("resume"), out: printBytesBeside },
      note: (text: string) => printError(`note: ${text}`),
      progress: (progress: Progress) => {
        interruption.check();
        bar.tell(progress);
      },
    };
    try {
      const done = await exported(values, wish);
      bar.end();
      if (values.flag("json")) await printJson(done);
      else if (path !== null) {
        printError(`${sizeWithUnit(done.dataBytes)} of data, content checksum ${done.digest}`);
      }
    } finally {
      bar.end();
    }
  },
};

function pathOf(file: string): string | null {
  return file === "-" ? null : resolve(file);
}

type Wish = Omit<Parameters<Awaited<ReturnType<typeof backup>>["exportVdi"]>[0], "format">;

async function exported(values: Values, wish: Wish) {
  const since = values.text("since");
  if (since === null) {
    const format = formatOf(values) ?? (wish.path?.endsWith(".qcow2") === true ? "qcow2" : "raw");
    return await (await backup()).exportVdi({ ...wish, format });
  }
  const after = values.text("after");
  const file = after === null ? null : resolve(after);
  return await (await increments()).exportIncrement({ ...wish, since, after: file });
}

function checkOptions(values: Values, path: string | null): void {
  const increment = values.text("since") !== null;
  const format = formatOf(values);
  if (path === null && ["json", "verify", "resume"].some((name) => values.flag(name))) {
    throw new UsageError("stdout has the image: leave '--json', '--verify' and '--resume' away");
  }
  if (path === null && format === "qcow2") {
    throw new UsageError("a qcow2 image is not written in order: give a file instead of '-'");
  }
  if (increment && format !== null) {
    throw new UsageError("an increment has a format of its own: leave '--format' away");
  }
  if (!increment && values.text("after") !== null) {
    throw new UsageError("'--after' says how '--since' is made faster: give that too");
  }
}
