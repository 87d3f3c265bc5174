import type { Command } from "./command.ts";

export const umountCommand: Command = {
  meta: { name: "sheepfs umount", description: "Flush, detach and unmount" },
  args: {
    mountpoint: { type: "positional", description: "where it is mounted", required: true },
    force: {
      type: "boolean",
      description: "give up what is under way: also when the daemon hangs, is dead, or is used",
    },
  },
  repeatable: [],
  examples: `  sheepfs umount /mnt/sheep
      returns when everything is flushed and the daemon has ended; names who keeps it busy
  sheepfs umount --force /mnt/sheep
      at once, whatever state it is in; what was acknowledged is on the cluster, what waits fails`,
  run: async (values) => {
    const { unmount, unmountByForce } = await import("../app/unmount.ts");
    const mountpoint = values.required("mountpoint");
    await (values.flag("force") ? unmountByForce(mountpoint) : unmount(mountpoint));
  },
};
