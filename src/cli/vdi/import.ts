import { resolve } from "node:path";
import type { Command } from "../command.ts";
import { Interruption } from "../interrupt.ts";
import { printError, printJson } from "../output.ts";
import { parseCount, parseObjectSize, parseSize } from "../parse.ts";
import { progressBar } from "../progress.ts";
import { sizeWithUnit } from "../size-text.ts";
import { gatewaysOf, json, sheep } from "./common.ts";

// Loaded when it runs: help and mistakes need no client.
const backup = () => import("../../app/backup/import.ts");

export const importCommand: Command = {
  meta: { name: "sheepfs vdi import", description: "Make a VDI of an image" },
  args: {
    file: { type: "positional", description: "raw image; - for stdin", required: true },
    name: { type: "positional", description: "of the new VDI", required: true },
    size: {
      type: "string",
      valueHint: "SIZE",
      description: "of the VDI (that of the image); needed for stdin",
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
    verify: { type: "boolean", description: "read the VDI again when it is written" },
    sheep,
    json,
  },
  repeatable: ["sheep"],
  examples: `  sheepfs vdi import monday.img test --verify
      holes and zeros of the image take no space; a VDI that could not be filled is deleted
  zstdcat monday.img.zst | sheepfs vdi import - test --size 10G
      the same from a stream`,
  run: async (values) => {
    const file = values.required("file");
    const size = values.text("size");
    const objectSize = values.text("object-size");
    const copies = values.text("copies");
    const bar = progressBar("import");
    using interruption = new Interruption();
    try {
      const done = await (await backup()).importVdi({
        gateways: gatewaysOf(values),
        name: values.required("name"),
        objectBytes: objectSize === null ? null : parseObjectSize(objectSize, "--object-size"),
        copies: copies === null ? null : parseCount(copies, "--copies", { min: 1, max: 31 }),
        path: file === "-" ? null : resolve(file),
        sizeBytes: size === null ? null : parseSize(size, "--size"),
        verify: values.flag("verify"),
        input: () => Bun.stdin.stream(),
        progress: (progress) => {
          interruption.check();
          bar.tell(progress);
        },
      });
      bar.end();
      if (values.flag("json")) await printJson(done);
      else printError(`${sizeWithUnit(done.dataBytes)} of data, content sha256 ${done.digest}`);
    } finally {
      bar.end();
    }
  },
};
