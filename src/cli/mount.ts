import type { Command } from "./command.ts";
import { logSettings } from "./log-settings.ts";
import { parseGateways, usage } from "./parse.ts";
import { runMount } from "./run-mount.ts";

export const mountCommand: Command = {
  meta: { name: "sheepfs mount", description: "Show a cluster as a directory" },
  args: {
    mountpoint: { type: "positional", description: "an empty directory", required: true },
    sheep: {
      type: "string",
      alias: "s",
      valueHint: "HOST:PORT[,HOST:PORT]...",
      description:
        "sheep to talk to; the first that answers is used (SHEEPFS_SHEEP, else 127.0.0.1:7000)",
    },
    options: {
      type: "string",
      alias: "o",
      valueHint: "OPTS",
      description:
        "mount options: ro, allow_other, nonempty, timeout=30s|forever, uid=, gid=, umask= ...",
    },
    foreground: {
      type: "boolean",
      alias: "f",
      description: "stay in front and log to stderr instead of becoming a daemon",
    },
    "read-only": { type: "boolean", description: "refuse every write" },
    "page-cache": {
      type: "boolean",
      description: "let the kernel cache volumes (default: direct I/O)",
    },
    attach: {
      type: "string",
      valueHint: "NAME",
      description: "attach this VDI at once; may be repeated",
    },
    "pid-file": {
      type: "string",
      valueHint: "FILE",
      description: "holds the number of the process while it is mounted",
    },
    "log-file": {
      type: "string",
      valueHint: "FILE",
      description: "log of the daemon (default: syslog); opened again on SIGHUP",
    },
  },
  repeatable: ["sheep", "options", "attach"],
  examples: `  sheepfs mount /mnt/sheep -s node1:7000,node2:7000 --attach test
      mounts the cluster, and /mnt/sheep/volume/test is the VDI 'test'; returns when it can be used
  sheepfs mount /mnt/sheep -f
      the same cluster on this machine, staying in front: Ctrl-C flushes and unmounts`,
  run: async (values) => {
    const { mountOptions } = await import("../app/mount-options.ts");
    const text = values.list("options").join(",");
    const readOnly = values.flag("read-only");
    await runMount({
      mountpoint: values.required("mountpoint"),
      gateways: parseGateways(values.list("sheep"), process.env["SHEEPFS_SHEEP"]),
      options: usage("-o", () => mountOptions({ text, readOnly })),
      foreground: values.flag("foreground"),
      pageCache: values.flag("page-cache"),
      objectCache: false,
      attach: values.list("attach"),
      pidFile: values.text("pid-file"),
      log: logSettings(values.text("log-file"), process.env["SHEEPFS_LOG"]),
    });
  },
};
