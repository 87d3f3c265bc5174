import { type Address, defaultSheepPort, parseAddress } from "../base/address.ts";
import type { Command } from "./command.ts";
import { logSettings } from "./log-settings.ts";
import { parseCount, parseGateways, usage } from "./parse.ts";
import { runMount } from "./run-mount.ts";
import { UsageError } from "./usage-error.ts";

/** The command line of the original sheepfs, kept for scripts and habits. */
export const legacyCommand: Command = {
  meta: { name: "sheepfs", description: "Mount as the original sheepfs does" },
  args: {
    mountpoint: { type: "positional", description: "an empty directory", required: true },
    address: {
      type: "string",
      alias: "a",
      valueHint: "ADDR",
      description: "the sheep's name or IP address (127.0.0.1)",
    },
    port: { type: "string", alias: "p", valueHint: "PORT", description: "the sheep's port (7000)" },
    pagecache: { type: "boolean", alias: "k", description: "let the kernel cache volumes" },
    objectcache: {
      type: "boolean",
      alias: "o",
      description: "ask the sheep to use its object cache",
    },
    debug: { type: "boolean", alias: "d", description: "log everything; stays in front" },
    foreground: { type: "boolean", alias: "f", description: "stay in front, log to stderr" },
  },
  repeatable: [],
  examples: `  sheepfs -a node1 -p 7000 /mnt/sheep
      the same as: sheepfs mount /mnt/sheep -s node1:7000`,
  run: async (values) => {
    const { mountOptions } = await import("../app/mount-options.ts");
    const debug = values.flag("debug");
    const log = logSettings(null, process.env["SHEEPFS_LOG"]);
    await runMount({
      mountpoint: values.required("mountpoint"),
      gateways: legacyGateways(values.text("address"), values.text("port")),
      options: mountOptions({ text: "", readOnly: false }),
      foreground: debug || values.flag("foreground"),
      pageCache: values.flag("pagecache"),
      objectCache: values.flag("objectcache"),
      attach: [],
      pidFile: null,
      log: debug ? { ...log, level: "debug" } : log,
    });
  },
};

function legacyGateways(address: string | null, port: string | null): readonly Address[] {
  if (address === null && port === null) return parseGateways([], process.env["SHEEPFS_SHEEP"]);
  const given = port === null ? null : parseCount(port, "--port", { min: 1, max: 65_535 });
  // A bare IPv6 address is the host: the port has an option of its own here.
  const host = address ?? "127.0.0.1";
  const parsed = usage("--address", () => parseAddress(host, given ?? defaultSheepPort));
  if (given !== null && parsed.port !== given) {
    throw new UsageError(`--address '${host}' and --port ${given} name two ports; give one`);
  }
  return [parsed];
}
