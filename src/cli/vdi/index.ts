import type { CommandGroup } from "../command.ts";
import { check } from "./check.ts";
import { clone } from "./clone.ts";
import { copy } from "./copy.ts";
import { create } from "./create.ts";
import { remove } from "./delete.ts";
import { diff } from "./diff.ts";
import { exportCommand } from "./export.ts";
import { importCommand } from "./import.ts";
import { list } from "./list.ts";
import { lock, unlock } from "./lock.ts";
import { resize } from "./resize.ts";
import { retag } from "./retag.ts";
import { rollback } from "./rollback.ts";
import { show } from "./show.ts";
import { snapshot } from "./snapshot.ts";
import { tree } from "./tree.ts";

export const vdiCommands: CommandGroup = {
  meta: { name: "sheepfs vdi", description: "Make, list, change and delete VDIs and snapshots" },
  commands: {
    ...{ list, show, tree },
    ...{ create, resize, delete: remove },
    ...{ snapshot, retag, clone, rollback },
    diff,
    ...{ export: exportCommand, import: importCommand, copy },
    ...{ check, lock, unlock },
  },
  examples: `  sheepfs vdi create test --size 10G && sheepfs vdi list
      creates a VDI and shows it among the others
  sheepfs vdi snapshot test --tag monday && sheepfs vdi clone test@monday copy
      keeps what 'test' is now, and makes another VDI that begins so`,
};
