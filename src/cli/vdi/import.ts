import { resolve } from "node:path";
import type { Command, Values } from "../command.ts";
import { Interruption } from "../interrupt.ts";
import { printError, printJson } from "../output.ts";
import { parseSize } from "../parse.ts";
import { progressBar } from "../progress.ts";
import { sizeWithUnit } from "../size-text.ts";
import { UsageError } from "../usage-error.ts";
import {
  copiesOf,
  formatArg,
  formatOf,
  gatewaysOf,
  json,
  layoutArgs,
  layoutOf,
  resumeArg,
  sheep,
} from "./common.ts";

// Loaded when it runs: help and mistakes need no client.
const backup = () => import("../../app/backup/import.ts");
const increments = () => import("../../app/backup/import-increment.ts");

export const importCommand: Command = {
  meta: { name: "sheepfs vdi import", description: "Make a VDI of an image, or bring one forward" },
  args: {
    file: { type: "positional", description: "image or increment; - for stdin", required: true },
    name: { type: "positional", description: "of the new VDI", required: false },
    base: {
      type: "string",
      valueHint: "NAME",
      description: "apply an increment to this VDI, which has the state it begins with",
    },
    tag: {
      type: "string",
      alias: "t",
      valueHint: "TAG",
      description: "make a snapshot of what was imported",
    },
    size: {
      type: "string",
      valueHint: "SIZE",
      description: "of the VDI (that of the image); needed for stdin",
    },
    format: formatArg,
    ...layoutArgs,
    resume: resumeArg("VDI"),
    verify: { type: "boolean", description: "read the VDI again when it is written" },
    sheep,
    json,
  },
  repeatable: ["sheep"],
  examples: `  sheepfs vdi import monday.img test --tag monday --verify
      holes and zeros of the image take no space; a VDI that could not be filled is deleted
  sheepfs vdi import tuesday.inc --base test --tag tuesday
      'test' had monday's state, which is checked, and has tuesday's then; else nothing is written
  sheepfs vdi import monday.img test --resume
      goes on with what an earlier import has left, and leaves what it has when it is interrupted
  sheepfs vdi import disk.qcow2 test
      by qemu-img, through a sparse raw image beside it (or in TMPDIR)
  zstdcat monday.img.zst | sheepfs vdi import - test --size 10G
      the same from a stream`,
  run: async (values) => {
    checkOptions(values);
    const bar = progressBar("import");
    using interruption = new Interruption();
    try {
      const done = await imported(values, (progress) => {
        interruption.check();
        bar.tell(progress);
      });
      bar.end();
      if (values.flag("json")) await printJson(done);
      else printError(`${sizeWithUnit(done.dataBytes)} of data, content checksum ${done.digest}`);
    } finally {
      bar.end();
    }
  },
};

type Tell = ReturnType<typeof progressBar>["tell"];

async function imported(values: Values, progress: Tell) {
  const file = values.required("file");
  const base = values.text("base");
  const wish = {
    ...{ gateways: gatewaysOf(values), path: file === "-" ? null : resolve(file), progress },
    ...{ tag: values.text("tag"), verify: values.flag("verify"), resume: values.flag("resume") },
    input: () => Bun.stdin.stream(),
  };
  if (base !== null) return await (await increments()).applyIncrement({ ...wish, name: base });
  const { redundancy, ...layout } = layoutOf(values);
  const size = values.text("size");
  const name = values.required("name");
  const guessed = file.endsWith(".qcow2") ? "qcow2" : null;
  return await (await backup()).importVdi({
    ...wish,
    ...layout,
    ...(await copiesOf(wish.gateways, redundancy, name)),
    name,
    format: formatOf(values) ?? guessed,
    sizeBytes: size === null ? null : parseSize(size, "--size"),
  });
}

const ofNewVdis = ["size", "format", "object-size", "copies", "hypervolume"] as const;

function checkOptions(values: Values): void {
  const base = values.text("base");
  if (base === null && values.text("name") === null) {
    throw new UsageError("give the NAME of the new VDI, or '--base NAME' to apply an increment");
  }
  if (base !== null && values.text("name") !== null) {
    throw new UsageError("an increment is applied to the VDI of '--base': leave NAME away");
  }
  const given = base === null ? undefined : ofNewVdis.find((name) => isGiven(values, name));
  if (given !== undefined) {
    throw new UsageError(`the VDI of '--base' is there: leave '--${given}' away`);
  }
  if (values.required("file") === "-" && formatOf(values) === "qcow2") {
    throw new UsageError("a qcow2 image is not read in order: give a file instead of '-'");
  }
}

function isGiven(values: Values, name: (typeof ofNewVdis)[number]): boolean {
  return name === "hypervolume" ? values.flag(name) : values.text(name) !== null;
}
