import { resolve } from "node:path";
import type { Command } from "../command.ts";
import { Interruption } from "../interrupt.ts";
import { printBytes, printError, printJson } from "../output.ts";
import { progressBar } from "../progress.ts";
import { sizeWithUnit } from "../size-text.ts";
import { UsageError } from "../usage-error.ts";
import { gatewaysOf, json, sheep } from "./common.ts";

// Loaded when it runs: help and mistakes need no client.
const backup = () => import("../../app/backup/export.ts");

export const exportCommand: Command = {
  meta: { name: "sheepfs vdi export", description: "Write a VDI or snapshot to an image" },
  args: {
    name: { type: "positional", description: "NAME, NAME@TAG or NAME@ID", required: true },
    file: { type: "positional", description: "raw image to make; - for stdout", required: true },
    verify: { type: "boolean", description: "read the image again when it is on the disk" },
    sheep,
    json,
  },
  repeatable: ["sheep"],
  examples: `  sheepfs vdi export test@monday monday.img --verify
      reads only what was ever written; the rest are holes. The file has its name when it is whole
  sheepfs vdi export test@monday - | zstd > monday.img.zst
      all bytes in order, zeros too`,
  run: async (values) => {
    const file = values.required("file");
    const path = file === "-" ? null : resolve(file);
    if (path === null && (values.flag("json") || values.flag("verify"))) {
      throw new UsageError("stdout has the image: leave '--json' and '--verify' away");
    }
    const bar = progressBar("export");
    using interruption = new Interruption();
    const wish = { gateways: gatewaysOf(values), name: values.required("name"), path };
    try {
      const done = await (await backup()).exportVdi({
        ...wish,
        verify: values.flag("verify"),
        out: printBytes,
        progress: (progress) => {
          interruption.check();
          bar.tell(progress);
        },
      });
      bar.end();
      if (values.flag("json")) await printJson(done);
      else if (path !== null) {
        printError(`${sizeWithUnit(done.dataBytes)} of data, content sha256 ${done.digest}`);
      }
    } finally {
      bar.end();
    }
  },
};
