import type { Command } from "./command.ts";

export const umountCommand: Command = {
  meta: { name: "sheepfs umount", description: "Flush, detach and unmount" },
  args: { mountpoint: { type: "positional", description: "where it is mounted", required: true } },
  repeatable: [],
  examples: `  sheepfs umount /mnt/sheep
      returns when everything is flushed and the daemon has ended; names who keeps it busy`,
  run: async (values) => {
    const { unmount } = await import("../app/unmount.ts");
    await unmount(values.required("mountpoint"));
  },
};
