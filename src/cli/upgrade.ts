import type { Command } from "./command.ts";
import { printOutput } from "./output.ts";

export const upgradeCommand: Command = {
  meta: {
    name: "sheepfs upgrade",
    description: "Let the program on the disk take over a mount, with no request failing",
  },
  args: { mountpoint: { type: "positional", description: "where it is mounted", required: true } },
  repeatable: [],
  examples: `  sheepfs upgrade /mnt/sheep
      after the file of the program was replaced; when the new one is no good the old one goes on`,
  run: async (values) => {
    const { upgrade } = await import("../app/upgrade.ts");
    const { version, pauseMs } = await upgrade(values.required("mountpoint"));
    await printOutput(`served by ${version} after a pause of ${pauseMs} ms\n`);
  },
};
